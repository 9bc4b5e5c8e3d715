"""What the compose files say, and Compose itself."""
