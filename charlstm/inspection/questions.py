"""Label the characters of a text: inside quotes or brackets, position in the line, inside a match, and others."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from charlstm.base.errors import ConfigError, named, show_value
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.text.vocabulary import code_points_of

OPENING, CLOSING = "([{", ")]}"
VOWELS = "aeiouyäöüáéíóúàèìòùâêîôûAEIOUYÄÖÜÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛ"


def since_newline(text: str) -> Array:
    """Return the number of characters between the start of the line and each character: (N,)."""
    starts = np.zeros(len(text), np.int32)  # (N,)
    after = np.flatnonzero(_is_in(text, "\n")[:-1]) + 1
    starts[after] = after
    return np.asarray(np.arange(len(text), dtype=np.int32) - np.maximum.accumulate(starts))


def position_in_line(text: str) -> Array:
    """Return the share of the line, newline included, before each character: (N,), 0 … 1."""
    lengths = np.array([len(line) + 1 for line in text.split("\n")])
    return np.asarray(since_newline(text) / np.repeat(lengths, lengths)[: len(text)])


def position_in_document(text: str) -> Array:
    """Return the share of the document, its end symbol included, before each character: (N,), 0 … 1."""
    return position_in_line(text.replace("\n", " ").replace(END, "\n"))


def inside_quotes(text: str) -> Array:
    """Return True from an opening to a closing double quote, both included; an empty line ends every quote."""
    return _mark_matches(text, r"\"[^\"]*?(?:\"|\n\n)|“[^”]*?(?:”|\n\n)")


def bracket_depth(text: str) -> Array:
    """Return the number of open brackets at each character, never below zero: (N,)."""

    def depths() -> Iterator[int]:
        open_now = 0
        for character in text:
            open_now += character in OPENING
            yield open_now
            open_now = max(0, open_now - (character in CLOSING))

    return np.fromiter(depths(), np.int32, len(text))


def inside_brackets(text: str) -> Array:
    """Return True from an opening to its closing bracket, both included."""
    return np.asarray(bracket_depth(text) > 0)


def upper_case(text: str) -> Array:
    """Return True at capital letters."""
    return np.fromiter(map(str.isupper, text), bool, len(text))


def word_start(text: str) -> Array:
    """Return True at the first letter or digit of a word."""
    letters = np.fromiter(map(str.isalnum, text), bool, len(text))
    return np.asarray(letters & ~np.concatenate([[False], letters[:-1]]))


def vowels(text: str) -> Array:
    """Return True at vowels."""
    return _is_in(text, VOWELS)


QUESTIONS: Mapping[str, Callable[[str], Array]] = {
    "inside quotes": inside_quotes,
    "inside brackets": inside_brackets,
    "bracket depth": bracket_depth,
    "position in document": position_in_document,
    "position in line": position_in_line,
    "since newline": since_newline,
    "upper case": upper_case,
    "word start": word_start,
    "vowels": vowels,
}


def answer(question: str, text: str) -> Array:
    """Return the answer to one of `QUESTIONS` at each character of a text, (N,); an end symbol ends a line too."""
    is_about_documents = QUESTIONS[question] is position_in_document
    return QUESTIONS[question](text if is_about_documents else text.replace(END, "\n"))


def match_pattern(text: str, pattern: str) -> Array:
    r"""Return True inside the matches of a regular expression, or inside their first group if it has one: (N,).

    ^ and $ match at the start and the end of every line. An end symbol is a newline.

    Raises
    ------
    ConfigError
        If the pattern is not a regular expression, or one that Python cannot compile.

    Examples
    --------
    >>> match_pattern("abcab", "a(b)").astype(int).tolist()
    [0, 1, 0, 0, 1]
    >>> match_pattern("ab\nac", "^a").astype(int).tolist()
    [1, 0, 0, 1, 0]
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a set such as [[a], which a later Python may read in another way
            return _mark_matches(text.replace(END, "\n"), pattern)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f"{named('match')} is {show_value(pattern)}; it must be a regular expression ({error})"
        ) from error


def _mark_matches(text: str, pattern: str) -> Array:
    compiled = re.compile(pattern, re.MULTILINE)
    inside = np.zeros(len(text), bool)  # (N,)
    for found in compiled.finditer(text):
        start, stop = found.span(min(1, compiled.groups))
        inside[max(start, 0) : max(stop, 0)] = True
    return inside


def _is_in(text: str, characters: str) -> Array:
    return np.isin(code_points_of(text), code_points_of(characters))
