"""One file a notebook: its verb, its parameters and its cells."""
