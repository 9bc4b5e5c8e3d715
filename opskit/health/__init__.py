"""Whether a project is ready, and if not, why."""
