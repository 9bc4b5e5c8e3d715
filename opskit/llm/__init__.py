"""What a language model needs: its shape, its weights, its memory."""
