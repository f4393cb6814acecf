"""Symbols that are not characters of a text."""

END = "\uffff"  # the end of a document: a code point that Unicode reserves for the internal use of programs
END_SIGN = "∎"  # what a reader sees for it
