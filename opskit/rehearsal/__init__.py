"""Any environment, for real, on a machine with no GPU and no image registry."""
