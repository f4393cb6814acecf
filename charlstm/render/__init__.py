"""Render views: on a terminal, as CSV, JSON and npz, in a notebook, and as a page for a browser."""
