"""The acts of the notebooks: what each cell calls, and what it shows."""
