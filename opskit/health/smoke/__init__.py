"""Whether the services of a project do what their users need: each asked by its own protocol after a launch."""
