"""A character-level text generator and a window into an LSTM, in NumPy."""

__version__ = "0.1.0"
