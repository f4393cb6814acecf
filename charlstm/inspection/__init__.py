"""What a model does while it reads: one trace of a text, and one file for each view of it."""
