"""The view of the gates as terminal text: a table for every group of columns that fits the width."""

from __future__ import annotations

import math
import unicodedata

import click

from charlstm.inspect import Column, Gates

GUESS_WIDTH = 8
CHARACTER_WIDTH = 8
BITS_WIDTH = 6
VALUE_WIDTH = 7
BOUNDED_BELOW_BY_ZERO = {"f", "i", "o", "r", "u"}

# The 256-colour palette, blue for what is high, orange for what is low: told apart by the colour-blind as well.
BLUES = (231, 195, 159, 117, 75, 33, 26, 19)
ORANGES = (231, 230, 223, 216, 209, 202, 166, 130)
DARK_FROM = 4


def gates_table(view: Gates, width: int, colour: bool) -> str:
    """Draw the view.

    Parameters
    ----------
    view
        What to draw.
    width
        Columns of the terminal; never fewer than one group of numbers needs.
    colour
        True: shade every number.

    Returns
    -------
    str
        Lines, the last one ended too.
    """
    groups: dict[str, list[Column]] = {}
    for column in view.columns:
        groups.setdefault(column.group, []).append(column)
    lead = CHARACTER_WIDTH + BITS_WIDTH + GUESS_WIDTH * len(view.guesses[0])
    tables: list[list[list[Column]]] = [[]]
    room = width - lead
    for group in groups.values():
        need = VALUE_WIDTH * len(group)
        if tables[-1] and need > room:
            tables.append([])
            room = width - CHARACTER_WIDTH
        tables[-1].append(group)
        room -= need
    return "\n".join(_table(view, table, first=table is tables[0], colour=colour) for table in tables)


def _table(view: Gates, groups: list[list[Column]], first: bool, colour: bool) -> str:
    guess_width = GUESS_WIDTH * len(view.guesses[0])
    blank = " " * (CHARACTER_WIDTH + (BITS_WIDTH + guess_width if first else 0))
    title = blank + "".join(
        f" {group[0].group}"[: VALUE_WIDTH * len(group)].ljust(VALUE_WIDTH * len(group)) for group in groups
    )
    head = "char".ljust(CHARACTER_WIDTH)
    if first:
        head += "bits".rjust(BITS_WIDTH - 1) + " " + "predicted next".ljust(guess_width)
    columns = [column for group in groups for column in group]
    head += "".join(_short(column.name).rjust(VALUE_WIDTH) for column in columns)
    lines = [title, head]
    for n, character in enumerate(view.text):
        line = padded(shown(character), CHARACTER_WIDTH)
        if first:
            line += _bits(float(view.surprise[n]))
            line += "".join(padded(f"{shown(guess)} {chance:.0%}", GUESS_WIDTH) for guess, chance in view.guesses[n])
        line += "".join(_value(column.name, float(column.values[n]), colour) for column in columns)
        lines.append(line)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _short(name: str) -> str:
    return name.replace("_tilde", "~")


def _bits(bits: float) -> str:
    return ("-" if math.isnan(bits) else f"{bits:.2f}").rjust(BITS_WIDTH - 1) + " "


def _value(name: str, value: float, colour: bool) -> str:
    text = f"{value:.2f}" if name in BOUNDED_BELOW_BY_ZERO else f"{value:+.2f}"
    if not colour:
        return text.rjust(VALUE_WIDTH)
    palette = BLUES if value >= 0 else ORANGES
    shade = min(int(abs(value) * len(palette)), len(palette) - 1)
    body = click.style(text.rjust(VALUE_WIDTH - 1), fg=231 if shade >= DARK_FROM else 16, bg=palette[shade])
    return f" {body}"


def shown(character: str) -> str:
    """Return a character so that it can stand in a table: a space and what does not stand alone are written out.

    What prints nothing, joins its neighbour or turns the writing direction would break the columns.
    """
    if character == " ":
        return "␣"
    alone = character.isprintable() and not unicodedata.combining(character)
    if alone and unicodedata.bidirectional(character) not in ("R", "AL", "AN"):
        return character
    return character.encode("unicode_escape").decode()


def padded(text: str, width: int) -> str:
    """Return a text filled with spaces to a width in terminal columns; wide characters take two."""
    taken = sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
    return text + " " * (width - taken)
