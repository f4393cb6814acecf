"""Characters on a terminal: escapes for those that cannot be shown, widths, padding and line breaks.

Letters of every script are shown. A right-to-left character in a cell, and a run of them in a line, stands between
FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE (Unicode Standard Annex #9). These take no column, and keep the order
of what is beside the run.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from charlstm.base.symbols import END, END_SIGN

ISOLATE, POP = "\u2068", "\u2069"
DOTTED_CIRCLE = "◌"
LABEL = re.compile(r"(?=.{10}\S)\S+ {2,9}|(?=.{10}\S)\S{9} | *")  # of a message: a word in ten columns, or none
COMMAND = re.compile(r" *charlstm ")
WORD_OF_COMMAND = re.compile(r"""(?:[^\s"']|"[^"]*"?|'[^']*'?)+""")
RIGHT_TO_LEFT = ("R", "AL", "AN")
# Characters that join or change the one before: skin tones, letters of flags, later letters of a Hangul syllable,
# variation selectors; and the two Hangul fillers, which are invisible.
JOINING = (
    (0x1F3FB, 0x1F3FF),
    (0x1F1E6, 0x1F1FF),
    (0x1160, 0x11FF),
    (0xD7B0, 0xD7FF),
    (0x3164, 0x3164),
    (0xFFA0, 0xFFA0),
    (0x034F, 0x034F),
    (0x180B, 0x180F),
    (0xFE00, 0xFE0F),
    (0xE0100, 0xE01EF),
)


@lru_cache(4096)
def escape_character(character: str) -> str:
    r"""Return a character for a table: a space as ␣, the end symbol as ∎, and an escape for what cannot be shown.

    A combining mark stands on a dotted circle, and a right-to-left character is isolated. Characters that are
    invisible, that join their neighbour or that change the writing direction become escapes.

    Examples
    --------
    >>> escape_character("a"), escape_character(" "), escape_character("\n")
    ('a', '␣', '\\n')
    """
    if character == " ":
        return "␣"
    if character == END:
        return END_SIGN
    if not character.isprintable() or _joins(character):
        return character.encode("unicode_escape").decode()
    if _is_mark(character):
        return DOTTED_CIRCLE + character
    return f"{ISOLATE}{character}{POP}" if _is_right_to_left(character) else character


def escape_in_line(character: str) -> str:
    """Return a character for a line of text: a space unchanged, everything else as `escape_character` returns it."""
    return " " if character == " " else escape_character(character)


def escape_line(text: str) -> str:
    """Return a text on one line, with escapes for what cannot be shown; right-to-left runs are isolated."""
    if text.isascii() and text.isprintable():
        return text
    signs: list[str] = []
    for before, character in zip(" " + text, text, strict=False):
        joined = _is_mark(character) and before != " " and before.isprintable() and not _joins(character)
        shown = joined or _is_right_to_left(character)
        signs.append(character if shown else escape_in_line(character))
    return isolate("".join(signs))


def isolate(text: str) -> str:
    """Return a text whose right-to-left runs are isolated, each with the neutral characters within it."""
    if text.isascii():
        return text
    pieces: list[str] = []
    waiting: list[str] = []  # neutral characters after a right-to-left one, which may end the run
    inside = False
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in RIGHT_TO_LEFT:
            pieces += [*waiting, character] if inside else [ISOLATE, character]
            waiting, inside = [], True
        elif inside and kind == "NSM" and not waiting:
            pieces.append(character)
        elif inside and kind != "L" and character not in "\n\t":
            waiting.append(character)
        else:
            pieces += [POP, *waiting, character] if inside else [character]
            waiting, inside = [], False
    return "".join([*pieces, *([POP, *waiting] if inside else [])])


def printable(text: str, kept: str = "") -> str:
    """Return a message with escapes for the characters that are not printable, except those to keep.

    Right-to-left runs are isolated.
    """
    return isolate(_escape_unprintable(text, kept))


def shown_text(text: str) -> str:
    """Return a text as a terminal shows it: lines, tabs and joined letters as they are, control characters as signs."""
    return _escape_unprintable(text, "\n\t\u200c\u200d")


def _escape_unprintable(text: str, kept: str) -> str:
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in kept else escape_character(sign) for sign in text)


def _joins(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in JOINING)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _is_right_to_left(character: str) -> bool:
    return unicodedata.bidirectional(character) in RIGHT_TO_LEFT and character.isprintable()


def width_of(text: str) -> int:
    """Return the number of columns that an escaped text takes; wide characters take two, most marks none."""
    return len(text) if text.isascii() else sum(map(_width, text))


@lru_cache(4096)
def _width(character: str) -> int:
    if character in (ISOLATE, POP) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


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
    taken = width_of(text)
    if taken > width:
        text = _cut(text, width - 1) + "…"
        taken = width_of(text)
    fill = " " * (width - taken)
    return fill + text if right else text + fill


def _cut(text: str, width: int) -> str:
    """Return the start of an escaped text that fits a number of columns."""
    room = width
    for n, character in enumerate(text):
        room -= _width(character)
        if room < 0:
            return next(balance([text[:n].rstrip(ISOLATE)]))
    return text


def balance(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of one text such that an isolated run that is broken is isolated in each of them."""
    is_open = False
    for line in lines:
        whole = ISOLATE + line if is_open else line
        is_open = whole.count(ISOLATE) > whole.count(POP)
        yield whole + POP if is_open else whole


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
    return list(balance(lines))


def wrap_message(text: str, width: int, joins: bool = True) -> str:
    r"""Return a message whose lines take at most some columns, broken between words only.

    The further lines of a line are indented like its text, after a label of at most ten columns or spaces.

    Parameters
    ----------
    text
        An escaped text, which may have newlines.
    width
        Columns of the terminal.
    joins
        True: a backslash joins the lines of a command to type, as a Unix shell reads them; False: it stays one line.

    Examples
    --------
    >>> print(wrap_message("loss      training 1.8 bits per character", 30))
    loss      training 1.8 bits
              per character
    """
    return "\n".join(line for whole in text.split("\n") for line in balance(_wrap_line(whole, width, joins)))


def _wrap_line(line: str, width: int, joins: bool) -> list[str]:
    is_command = COMMAND.match(line) is not None
    if width_of(line) <= width or (is_command and not joins):
        return [line]
    found = LABEL.match(line)
    label = found[0] if found else ""
    indent = len(label) + 2 * is_command if 2 * len(label) <= width else 0
    joint = " \\" * is_command
    lines = [line[: len(label)]]
    is_empty = True
    for word in WORD_OF_COMMAND.findall(line) if joint else line[len(label) :].split(" "):
        room = width - len(joint)
        if not is_empty and width_of(lines[-1]) + 1 + width_of(word) > room:
            lines[-1] += joint
            lines.append(" " * indent)
            is_empty = True
        lines[-1] += word if is_empty else f" {word}"
        is_empty = False
    return lines


def wrap_characters(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of the lines of a text that fit a width; a newline or an end symbol ends its line."""
    start, taken = 0, 0
    for n, character in enumerate(text):
        needed = width_of(escape_in_line(character))
        if taken and taken + needed > width:
            yield start, n
            start, taken = n, 0
        taken += needed
        if character in ("\n", END):
            yield start, n + 1
            start, taken = n + 1, 0
    if start < len(text):
        yield start, len(text)
