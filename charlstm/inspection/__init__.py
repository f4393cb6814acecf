"""Inspect a model: the trace of a text, one file for each view, and the registry of the views."""
