"""A trained model: how it reads a text, and how it is written to a file and read back."""
