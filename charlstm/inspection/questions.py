"""Questions that a unit may answer about every character: is it in quotes, in brackets, how far into its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from charlstm.errors import ConfigError
from charlstm.parameters import Array
from charlstm.text.vocabulary import code_points_of

OPENING, CLOSING = "([{", ")]}"
VOWELS = "aeiouyäöüáéíóúàèìòùâêîôûAEIOUYÄÖÜÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛ"


def since_newline(text: str) -> Array:
    """Return how many characters of its line stand before each character: (N,)."""
    begins = np.zeros(len(text), np.int32)  # (N,)
    after = np.flatnonzero(_is(text, "\n")[:-1]) + 1
    begins[after] = after
    return np.asarray(np.arange(len(text), dtype=np.int32) - np.maximum.accumulate(begins))


def position_in_line(text: str) -> Array:
    """Return which share of its line stands before each character, its newline counted in: (N,), 0 … 1."""
    lengths = np.array([len(line) + 1 for line in text.split("\n")])
    return np.asarray(since_newline(text) / np.repeat(lengths, lengths)[: len(text)])


def inside_quotes(text: str) -> Array:
    """Return True from a double quote to its end, both counted in; “ and ” too; a newline twice ends any."""
    return _inside(text, r"\"[^\"]*?(?:\"|\n\n)|“[^”]*?(?:”|\n\n)")


def depth(text: str) -> Array:
    """Return how many brackets are open at each character, never below zero: (N,)."""

    def depths() -> Iterator[int]:
        open_now = 0
        for character in text:
            open_now += character in OPENING
            yield open_now
            open_now = max(0, open_now - (character in CLOSING))

    return np.fromiter(depths(), np.int32, len(text))


def inside_brackets(text: str) -> Array:
    """Return True where a bracket is open, the brackets counted in."""
    return np.asarray(depth(text) > 0)


def upper_case(text: str) -> Array:
    """Return True at capital letters."""
    return np.fromiter(map(str.isupper, text), bool, len(text))


def word_start(text: str) -> Array:
    """Return True at the first letter or digit of a word."""
    letters = np.fromiter(map(str.isalnum, text), bool, len(text))
    return np.asarray(letters & ~np.concatenate([[False], letters[:-1]]))


def vowels(text: str) -> Array:
    """Return True at vowels."""
    return _is(text, VOWELS)


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
    """Return True inside what a regular expression matches, or inside its first group where it has one: (N,).

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
    inside = np.zeros(len(text), bool)  # (N,)
    for found in compiled.finditer(text):
        start, stop = found.span(min(1, compiled.groups))
        inside[max(start, 0) : max(stop, 0)] = True
    return inside


def _is(text: str, characters: str) -> Array:
    return np.isin(code_points_of(text), code_points_of(characters))
