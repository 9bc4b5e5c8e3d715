"""The eight environments, read from configs/environments.yaml."""
