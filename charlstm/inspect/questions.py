"""Questions that a unit may answer about every character: is it in quotes, in brackets, how far into its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from charlstm.errors import ConfigError
from charlstm.parameters import Array

OPENING, CLOSING = "([{", ")]}"
VOWELS = "aeiouyäöüáéíóúàèìòùâêîôûAEIOUYÄÖÜÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛ"


def since_newline(text: str) -> Array:
    """Return how many characters of its line stand before each character: (N,)."""
    places = np.arange(len(text))  # (N,)
    begins = np.zeros(len(text), int)  # (N,)
    after = np.flatnonzero(_is(text, "\n")[:-1]) + 1
    begins[after] = after
    return np.asarray(places - np.maximum.accumulate(begins))


def position_in_line(text: str) -> Array:
    """Return which share of its line stands before each character, its newline counted in: (N,), 0 … 1."""
    lengths = np.array([len(line) + 1 for line in text.split("\n")])
    return np.asarray(since_newline(text) / np.repeat(lengths, lengths)[: len(text)])


def inside_quotes(text: str) -> Array:
    """Return 1 from a double quote to the one that ends it, both counted in; “ and ” too; a newline twice ends any."""
    return _inside(text, r"\"[^\"]*?(?:\"|\n\n)|“[^”]*?(?:”|\n\n)")


def depth(text: str) -> Array:
    """Return how many brackets are open at each character, never below zero: (N,)."""
    open_now, depths = 0, []
    for character in text:
        open_now += character in OPENING
        depths.append(open_now)
        open_now = max(0, open_now - (character in CLOSING))
    return np.array(depths)


def inside_brackets(text: str) -> Array:
    """Return 1 where a bracket is open, the brackets counted in."""
    return np.asarray((depth(text) > 0).astype(int))


def upper_case(text: str) -> Array:
    """Return 1 at capital letters."""
    return np.array([int(character.isupper()) for character in text])


def word_start(text: str) -> Array:
    """Return 1 at the first letter or digit of a word."""
    letters = np.array([int(character.isalnum()) for character in text])
    return np.asarray(letters * (1 - np.concatenate([[0], letters[:-1]])))


def vowels(text: str) -> Array:
    """Return 1 at vowels."""
    return _is(text, VOWELS).astype(int)


QUESTIONS: Mapping[str, Callable[[str], Array]] = {
    "inside quotes": inside_quotes,
    "inside brackets": inside_brackets,
    "bracket depth": depth,
    "position in line": position_in_line,
    "since newline": since_newline,
    "upper case": upper_case,
    "word start": word_start,
    "vowels": vowels,
}


def matching(text: str, pattern: str) -> Array:
    """Return 1 inside what a regular expression matches, or inside its first group where it has one: (N,).

    Raises
    ------
    ConfigError
        If it is no regular expression.
    """
    try:
        return _inside(text, pattern)
    except re.error as error:
        raise ConfigError(f"{pattern!r} is no regular expression: {error}") from error


def _inside(text: str, pattern: str) -> Array:
    compiled = re.compile(pattern)
    inside = np.zeros(len(text), int)  # (N,)
    for found in compiled.finditer(text):
        start, stop = found.span(min(1, compiled.groups))
        inside[max(start, 0) : max(stop, 0)] = 1
    return inside


def _is(text: str, characters: str) -> Array:
    return np.array([character in characters for character in text])
