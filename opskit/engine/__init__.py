"""The Docker Engine, by its API."""
