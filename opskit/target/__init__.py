"""One environment on one machine."""
