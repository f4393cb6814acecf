"""Looking into a network: one trace of a text, and views of it, one file each."""
