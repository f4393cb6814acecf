"""A trained model: how it reads a text, and how it is saved and loaded."""
