"""Render views as text for a terminal, part by part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO, NamedTuple

import numpy as np

from charlstm.inspection.view import Bars, Column, Curves, Facts, Kind, Part, Strip, Table, View, count_of
from charlstm.render import plots
from charlstm.render.characters import escape_in_line, escape_line, pad, width_of, wrap_characters, wrap_words
from charlstm.render.colour import LEVELS, MOST_BITS, NONE, level, shade
from charlstm.render.numbers import format_fact, format_value

VALUE_WIDTH = 7
CHARACTER_WIDTH = 8
GUESS_WIDTH = 8
BITS_WIDTH = 6
NARROWEST = 8
TEXT_LEAST, TEXT_WIDEST = 24, 48
FACT_WIDTH = 30
WIDTHS = {
    Kind.CHARACTER: CHARACTER_WIDTH,
    Kind.GUESS: GUESS_WIDTH,
    Kind.BITS: BITS_WIDTH,
    Kind.SHARE: VALUE_WIDTH,
    Kind.SIGNED: VALUE_WIDTH,
}
LEFT = {Kind.TEXT, Kind.CHARACTER, Kind.GUESS}
SHADED = {Kind.SHARE, Kind.SIGNED}
SCALES = {Kind.SIGNED: ("−1", "+1"), Kind.BITS: ("0", f"{MOST_BITS:.0f} bits and more")}


class Screen(NamedTuple):
    """What a terminal can show.

    Attributes
    ----------
    width : int
        Its columns.
    colours : int
        Number of its colours: 0, 8, 256 or 16,777,216.
    dots : bool
        Whether it has the dots of Braille.
    every : int
        Number of rows of a table after which its header is repeated; 0: never.
    """

    width: int
    colours: int = NONE
    dots: bool = False
    every: int = 0


def render(view: View, width: int, colours: int = NONE, dots: bool = False, every: int = 0) -> str:
    """Return a view as lines of text, each with a newline; see `Screen` for the parameters."""
    return "".join(draw_lines(view, Screen(width, colours, dots, every)))


def draw_lines(view: View, screen: Screen) -> Iterator[str]:
    """Yield the lines of `render`, so that a long text needs little more memory than its trace."""
    width = screen.width
    for number, (name, part) in enumerate(view.parts.items()):
        if len(view.parts) > 1:
            yield "\n" * (number > 0 and not isinstance(part, dict))
            yield from (f"{line}\n" for line in wrap_words(name, width))
        yield from (f"{line}\n" for line in _draw_part(part, screen))
    for number, remark in enumerate(view.remarks):
        yield "\n" * (number > 0 or bool(view.parts))
        yield from (f"{line}\n" for line in wrap_words(remark, width))


def write(view: View, screen: Screen, file: BinaryIO) -> None:
    """Write the lines of `render` to an open binary file, in UTF-8."""
    for line in draw_lines(view, screen):
        file.write(line.encode("utf-8", "replace"))


def _draw_part(part: Part, screen: Screen) -> Iterable[str]:
    if isinstance(part, Table):
        legend = _draw_legend([column for column in part.columns if column.kind in SHADED], screen)
        return chain(_draw_table(part, screen), legend if screen.colours != NONE else ())
    if isinstance(part, Strip):
        return chain(_draw_strip(part, screen.width, screen.colours), [""], _draw_legend(part.rows, screen))
    if isinstance(part, Curves):
        return plots.plot_curves(part, screen.width, screen.dots, screen.colours)
    if isinstance(part, Bars):
        return plots.draw_bars(part, screen.width)
    return _draw_facts(part, screen.width)


def _draw_legend(columns: Sequence[Column], screen: Screen) -> Iterator[str]:
    """Yield what the shades of columns mean, or without colours the bars: a line for each kind of values."""
    for kind in dict.fromkeys(column.kind for column in columns):
        low, high = SCALES.get(kind, ("0", "1"))
        if screen.colours == NONE:
            yield f"{LEVELS[0]} {low} … {LEVELS[-1]} {high}"
            continue
        values = np.linspace(-1.0 if kind is Kind.SIGNED else 0.0, 1.0, 9) * (MOST_BITS if kind is Kind.BITS else 1.0)
        yield f"{low} {''.join(shade('  ', float(value), kind, screen.colours) for value in values)} {high}"


def _draw_facts(part: Facts, width: int) -> Iterator[str]:
    """Draw names and their values: the words of a value are wrapped, and one word that is too long is cut."""
    room = width - FACT_WIDTH - 2
    for name, value in part.items():
        shown = format_fact(value)
        lines = wrap_words(shown, room) if " " in shown and room >= NARROWEST else [escape_line(shown)]
        for number, line in enumerate(lines):
            yield pad(f"  {name if number == 0 else '':<{FACT_WIDTH}}{line}", width).rstrip()


def _draw_table(part: Table, screen: Screen) -> Iterator[str]:
    """Draw a table, split into pieces below each other where it is wider than the terminal."""
    width, rows = screen.width, len(part.columns[0].values)
    if part.head and rows > part.head:
        shorter = tuple(column._replace(values=column.values[: part.head]) for column in part.columns)
        yield from _draw_table(Table(shorter, part.keys), screen)
        yield f"… and {count_of(rows - part.head, 'more row')}"
        return
    widths = [_measure_column(column, min(TEXT_WIDEST, width // 2)) for column in part.columns[: part.keys]]
    beside = max(NARROWEST, min(TEXT_WIDEST, width - sum(widths) - 2))
    widths += [_measure_column(column, beside) for column in part.columns[part.keys :]]
    if sum(widths) > width:  # the gap beside a character gives way before the table is split
        tight = [
            _measure_column(column, TEXT_WIDEST, least=0) if column.kind is Kind.CHARACTER else measured
            for column, measured in zip(part.columns, widths, strict=True)
        ]
        widths = tight if sum(tight) <= width else widths
    pieces: list[list[int]] = [[]]
    room = width
    for group in _group_columns(part.columns):
        heading = width_of(escape_line(part.columns[group[0]].group)) + 1
        widths[group[0]] += max(0, min(heading, width // 2) - sum(widths[k] for k in group))
        if len(group) == 1 and part.columns[group[0]].kind is Kind.TEXT and room >= TEXT_LEAST:
            widths[group[0]] = min(widths[group[0]], room)
        if pieces[-1] and sum(widths[k] for k in group) > room:
            _start_piece(pieces, part.keys)
            room = width - sum(widths[k] for k in pieces[-1])
        for k in group:
            if widths[k] > room and len(pieces[-1]) > part.keys:
                _start_piece(pieces, part.keys)
                room = width - sum(widths[j] for j in pieces[-1])
            pieces[-1].append(k)
            room -= widths[k]
    for number, piece in enumerate(pieces):
        yield from [""] * (number > 0)
        yield from _draw_piece([(part.columns[k], widths[k]) for k in piece], screen)


def _start_piece(pieces: list[list[int]], keys: int) -> None:
    """Start a new piece with the key columns, unless the last piece has only these."""
    if len(pieces[-1]) > keys:
        pieces.append(list(range(keys)))


def _group_columns(columns: Sequence[Column]) -> list[list[int]]:
    """Return the indices of the columns, those with the same heading together."""
    groups: list[list[int]] = []
    for k, column in enumerate(columns):
        if groups and column.group and columns[k - 1].group == column.group:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def _measure_column(column: Column, widest: int, least: int | None = None) -> int:
    """Return the width of a column with the gap beside it; the width of a text column is limited."""
    least = WIDTHS.get(column.kind, 0) if least is None else least
    cells = (width_of(format_value(value, column.kind)) for value in column.values)
    needed = max(max(cells, default=0), width_of(_format_name(column.name)))
    if column.kind is Kind.TEXT:
        needed = min(needed, widest)
    return max(least, needed + (2 if column.kind in (Kind.TEXT, Kind.BITS) else 1))


def _draw_piece(columns: list[tuple[Column, int]], screen: Screen) -> Iterator[str]:
    names = "".join(_align(_format_name(column.name), width, column.kind) for column, width in columns).rstrip()
    header = [*_draw_headings(columns, screen.width), names]
    rows = len(columns[0][0].values)
    yield from header
    for n in range(rows):
        if screen.every and n and n % screen.every == 0 and n < rows:
            yield from header
        yield "".join(_draw_cell(column, n, width, screen.colours) for column, width in columns).rstrip()


def _draw_headings(columns: list[tuple[Column, int]], screen_width: int) -> list[str]:
    """Draw the headings over groups of columns; the words of one that is wider than its columns are wrapped."""
    groups = _group_columns([column for column, _ in columns])
    widths = [sum(columns[k][1] for k in group) for group in groups]
    widths[-1] = max(widths[-1], screen_width - sum(widths[:-1]))  # nothing stands to the right of the last heading
    headings = []
    for group, width in zip(groups, widths, strict=True):
        column = columns[group[0]][0]
        indent = "" if column.kind in LEFT else " "
        lines = wrap_words(column.group, width - len(indent)) if column.group else []
        headings.append([indent + line for line in lines])
    height = max(map(len, headings))
    stacks = [[""] * (height - len(lines)) + lines for lines in headings]
    return ["".join(map(pad, lines, widths)).rstrip() for lines in zip(*stacks, strict=True)]


def _format_name(name: str) -> str:
    return escape_line(name.replace("_tilde", "~"))


def _align(cell: str, width: int, kind: Kind) -> str:
    if kind is Kind.TEXT:
        return "  " + pad(cell, width - 2)
    if kind in LEFT:
        return pad(cell, width - 1) + " "
    return pad(cell, width - 1, right=True) + " " if kind is Kind.BITS else pad(cell, width, right=True)


def _draw_cell(column: Column, n: int, width: int, colours: int) -> str:
    cell = format_value(column.values[n], column.kind)
    if column.kind in SHADED and colours != NONE:
        return " " + shade(pad(cell, width - 1, right=True), float(column.values[n]), column.kind, colours)
    return _align(cell, width, column.kind)


def _draw_strip(part: Strip, width: int, colours: int) -> Iterator[str]:
    """Draw a text once per colouring, in lines that fit; without colours draw bars below the characters."""
    if part.head and len(part.text) > part.head:
        rows = tuple(row._replace(values=row.values[: part.head]) for row in part.rows)
        yield from _draw_strip(Strip(part.text[: part.head], rows), width, colours)
        yield f"… and {count_of(len(part.text) - part.head, 'more character')}"
        return
    margin = min(max((width_of(_format_name(row.name)) for row in part.rows), default=0), width // 3) + 1
    for start, stop in wrap_characters(part.text, width - margin):
        cells = [escape_in_line(character) for character in part.text[start:stop]]
        if start and (len(part.rows) > 1 or colours == NONE):
            yield ""
        if colours == NONE:
            yield " " * margin + "".join(cells)
        for row in part.rows:
            values = [float(value) for value in row.values[start:stop]]
            coloured = (
                "".join(
                    level(value, row.kind) * width_of(cell)
                    if colours == NONE
                    else shade(cell, value, row.kind, colours)
                    for cell, value in zip(cells, values, strict=True)
                )
                if not all(map(math.isnan, values))
                else ""
            )
            yield (pad(_format_name(row.name), margin - 1) + " " + coloured).rstrip()
