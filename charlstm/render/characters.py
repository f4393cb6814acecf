"""Characters on a terminal: escapes for those that cannot be shown, widths, padding and line breaks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

# Characters that join or change the one before: skin tones, letters of flags, later letters of a Hangul syllable; and
# the two Hangul fillers, which are invisible.
JOINING = (
    (0x1F3FB, 0x1F3FF),
    (0x1F1E6, 0x1F1FF),
    (0x1160, 0x11FF),
    (0xD7B0, 0xD7FF),
    (0x3164, 0x3164),
    (0xFFA0, 0xFFA0),
)


def escape_character(character: str) -> str:
    r"""Return a character for a table: a space as ␣, and an escape for what cannot stand alone.

    Characters that are invisible, that join their neighbour or that change the writing direction would break the
    columns.

    Examples
    --------
    >>> escape_character("a"), escape_character(" "), escape_character("\n")
    ('a', '␣', '\\n')
    """
    if character == " ":
        return "␣"
    joins = unicodedata.category(character).startswith("M") or any(
        first <= ord(character) <= last for first, last in JOINING
    )
    turns = unicodedata.bidirectional(character) in ("R", "AL", "AN")
    if character.isprintable() and not joins and not turns:
        return character
    return character.encode("unicode_escape").decode()


def escape_in_line(character: str) -> str:
    """Return a character for a line of text: a space unchanged, everything else as `escape_character` returns it."""
    return " " if character == " " else escape_character(character)


def escape_line(text: str) -> str:
    """Return a text on one line, each character as `escape_in_line` returns it."""
    return "".join(map(escape_in_line, text))


def printable(text: str, kept: str = "") -> str:
    """Return a text with escapes for the characters that are not printable, except those to keep."""
    return "".join(sign if sign.isprintable() or sign in kept else escape_character(sign) for sign in text)


def shown_text(text: str) -> str:
    """Return a text as a terminal shows it: lines, tabs and joined letters as they are, control characters as signs."""
    return printable(text, "\n\t\u200c\u200d")


def width_of(text: str) -> int:
    """Return the number of columns that an escaped text takes; wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def pad(text: str, width: int, right: bool = False) -> str:
    """Return a text padded with spaces to a number of columns, or cut to it with an ellipsis.

    Parameters
    ----------
    text
        An escaped text.
    width
        The number of columns.
    right
        True: align it to the right.

    Examples
    --------
    >>> pad("abc", 5, right=True), pad("abcdef", 5)
    ('  abc', 'abcd…')
    """
    if width_of(text) > width:
        while text and width_of(text) > width - 1:
            text = text[:-1]
        text += "…"
    fill = " " * (width - width_of(text))
    return fill + text if right else text + fill


def wrap_words(text: str, width: int) -> list[str]:
    """Return an escaped text in lines of at most some columns, broken between words where possible."""
    lines = [""]
    for word in escape_line(text).split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width_of(longer) <= width:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        for sign in word:
            lines += [""] if width_of(lines[-1] + sign) > width else []
            lines[-1] += sign
    return lines


def wrap_characters(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of the lines of a text that fit a width; a newline ends its line."""
    start, taken = 0, 0
    for n, character in enumerate(text):
        needed = width_of(escape_in_line(character))
        if taken and taken + needed > width:
            yield start, n
            start, taken = n, 0
        taken += needed
        if character == "\n":
            yield start, n + 1
            start, taken = n + 1, 0
    if start < len(text):
        yield start, len(text)
