"""GPUs, their links and what fits on them."""
