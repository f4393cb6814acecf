"""The alternatives that charlstm is compared with, each run by the Python of an environment of its own."""
