"""Characters on a screen: what stands for those that cannot be shown alone, and how many columns each takes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

# Signs that change or join the one before them: skin tones, flags' letters, the later letters of a Hangul syllable; and
# the two fillers of Hangul, which show nothing.
JOINING = (
    (0x1F3FB, 0x1F3FF),
    (0x1F1E6, 0x1F1FF),
    (0x1160, 0x11FF),
    (0xD7B0, 0xD7FF),
    (0x3164, 0x3164),
    (0xFFA0, 0xFFA0),
)


def shown(character: str) -> str:
    """Return a character so that it can stand in a table: a space and what does not stand alone are written out.

    What prints nothing, joins its neighbour or turns the writing direction would break the columns.
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


def printable(text: str, kept: str = "") -> str:
    """Return a text as it is, but for signs that a terminal would obey or not show; those are written out or kept."""
    return "".join(sign if sign.isprintable() or sign in kept else shown(sign) for sign in text)


def safe(text: str) -> str:
    """Return a text on one line, its spaces as they are, everything else as `shown` writes it."""
    return "".join(map(in_line, text))


def width_of(text: str) -> int:
    """Return how many columns a text takes that `shown` or `safe` returned; wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def padded(text: str, width: int, right: bool = False) -> str:
    """Return a text filled with spaces to a width in columns, cut to it with … where it is longer."""
    if width_of(text) > width:
        while text and width_of(text) > width - 1:
            text = text[:-1]
        text += "…"
    fill = " " * (width - width_of(text))
    return fill + text if right else text + fill


def paragraph(text: str, width: int) -> list[str]:
    """Return a text as `safe` writes it in lines of at most so many columns, broken between words where that can be."""
    lines = [""]
    for word in safe(text).split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width_of(longer) <= width:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        for sign in word:
            lines += [""] if width_of(lines[-1] + sign) > width else []
            lines[-1] += sign
    return lines


def in_line(character: str) -> str:
    """Return a character as it stands in a line of text: a space as it is, everything else as `shown` writes it."""
    return " " if character == " " else shown(character)


def wrapped(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield where the lines of a text begin and end that fit a width; a newline ends its line."""
    start, taken = 0, 0
    for n, character in enumerate(text):
        needed = width_of(in_line(character))
        if taken and taken + needed > width:
            yield start, n
            start, taken = n, 0
        taken += needed
        if character == "\n":
            yield start, n + 1
            start, taken = n + 1, 0
    if start < len(text):
        yield start, len(text)
