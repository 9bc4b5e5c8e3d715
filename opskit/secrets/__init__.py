"""Secrets: which are needed, where they are kept, who may see them."""
