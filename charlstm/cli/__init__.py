"""The command line: the only floor that prints, reads the environment, and knows what a terminal is."""
