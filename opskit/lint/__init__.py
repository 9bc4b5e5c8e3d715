"""Rules for Compose files, and the matrix of environments."""
