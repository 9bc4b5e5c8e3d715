"""What good launches were made of, so that one of them can be launched again."""
