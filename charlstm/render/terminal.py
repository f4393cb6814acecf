"""Views as terminal text, part by part."""

from __future__ import annotations

import math
from collections.abc import Sequence

from charlstm.inspection.view import Bars, Column, Curves, Facts, Kind, Part, Strip, Table, View
from charlstm.render import plots
from charlstm.render.characters import in_line, padded, paragraph, safe, width_of, wrapped
from charlstm.render.colour import MOST_BITS, NONE, level, shaded
from charlstm.render.numbers import fact, written

VALUE_WIDTH = 7
CHARACTER_WIDTH = 8
GUESS_WIDTH = 8
BITS_WIDTH = 6
NARROWEST = 8
TEXT_LEAST, TEXT_WIDEST = 24, 48
FACT_WIDTH = 28
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
STRIP_WIDEST = 100


def text(view: View, width: int, colours: int) -> str:
    """Draw a view.

    Parameters
    ----------
    view
        What to draw.
    width
        Columns of the terminal.
    colours
        How many colours it has: 0, 8, 256 or 16,777,216.

    Returns
    -------
    str
        Lines, the last one ended too.
    """
    lines: list[str] = []
    for name, part in view.parts.items():
        if len(view.parts) > 1:
            lines += ([""] if lines and not isinstance(part, dict) else []) + paragraph(name, width)
        lines += _part(part, width, colours)
    for remark in view.remarks:
        lines += ([""] if lines else []) + paragraph(remark, width)
    return "".join(f"{line}\n" for line in lines)


def _part(part: Part, width: int, colours: int) -> list[str]:
    if isinstance(part, Table):
        return _table(part, width, colours)
    if isinstance(part, Strip):
        return _strip(part, width, colours)
    if isinstance(part, Curves):
        return plots.curves(part, width)
    if isinstance(part, Bars):
        return plots.bars(part, width)
    return _facts(part, width)


def _facts(part: Facts, width: int) -> list[str]:
    return [padded(f"  {name:<{FACT_WIDTH}}{safe(fact(value))}", width).rstrip() for name, value in part.items()]


def _table(part: Table, width: int, colours: int) -> list[str]:
    """Draw a table, in as many pieces below one another as the width asks for."""
    rows = len(part.columns[0].values)
    if part.head and rows > part.head:
        shorter = tuple(column._replace(values=column.values[: part.head]) for column in part.columns)
        return [*_table(Table(shorter, part.keys), width, colours), f"… and {rows - part.head:,} more rows"]
    widths = [_width(column, min(TEXT_WIDEST, width // 2)) for column in part.columns[: part.keys]]
    beside = max(NARROWEST, min(TEXT_WIDEST, width - sum(widths) - 2))
    widths += [_width(column, beside) for column in part.columns[part.keys :]]
    pieces: list[list[int]] = [[]]
    room = width
    for group in _groups(part.columns):
        heading = width_of(safe(part.columns[group[0]].group)) + 1
        widths[group[0]] += max(0, min(heading, width // 2) - sum(widths[k] for k in group))
        if len(group) == 1 and part.columns[group[0]].kind is Kind.TEXT and room >= TEXT_LEAST:
            widths[group[0]] = min(widths[group[0]], room)
        if pieces[-1] and sum(widths[k] for k in group) > room:
            _begin(pieces, part.keys)
            room = width - sum(widths[k] for k in pieces[-1])
        for k in group:
            if widths[k] > room and len(pieces[-1]) > part.keys:
                _begin(pieces, part.keys)
                room = width - sum(widths[j] for j in pieces[-1])
            pieces[-1].append(k)
            room -= widths[k]
    tables = [_piece([(part.columns[k], widths[k]) for k in piece], colours) for piece in pieces]
    return [line for number, lines in enumerate(tables) for line in ([""] if number else []) + lines]


def _begin(pieces: list[list[int]], keys: int) -> None:
    """Begin a new piece, with the key columns in front; a piece that holds nothing else is not left behind."""
    if len(pieces[-1]) > keys:
        pieces.append(list(range(keys)))


def _groups(columns: Sequence[Column]) -> list[list[int]]:
    """Return the places of the columns, those that stand under one heading together."""
    groups: list[list[int]] = []
    for k, column in enumerate(columns):
        if groups and column.group and columns[k - 1].group == column.group:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def _width(column: Column, widest: int) -> int:
    """Return how many columns of the terminal a column takes, the gap beside it included; a text at most `widest`."""
    cells = [width_of(written(value, column.kind)) for value in column.values]
    needed = max([*cells, width_of(_short(column.name))], default=0)
    if column.kind is Kind.TEXT:
        needed = min(needed, widest)
    return max(WIDTHS.get(column.kind, 0), needed + (2 if column.kind in (Kind.TEXT, Kind.BITS) else 1))


def _piece(columns: list[tuple[Column, int]], colours: int) -> list[str]:
    lines = []
    if any(column.group for column, _ in columns):
        lines.append(_headings(columns))
    lines.append("".join(_aligned(_short(column.name), width, column.kind) for column, width in columns))
    rows = range(len(columns[0][0].values))
    lines += ["".join(_cell(column, n, width, colours) for column, width in columns) for n in rows]
    return [line.rstrip() for line in lines]


def _headings(columns: list[tuple[Column, int]]) -> str:
    line = ""
    for group in _groups([column for column, _ in columns]):
        width = sum(columns[k][1] for k in group)
        heading = safe(columns[group[0]][0].group)
        left = columns[group[0]][0].kind in LEFT
        line += padded(heading if left else f" {heading}", width)
    return line


def _short(name: str) -> str:
    return safe(name.replace("_tilde", "~"))


def _aligned(cell: str, width: int, kind: Kind) -> str:
    if kind is Kind.TEXT:
        return "  " + padded(cell, width - 2)
    if kind in LEFT:
        return padded(cell, width - 1) + " "
    return padded(cell, width - 1, right=True) + " " if kind is Kind.BITS else padded(cell, width, right=True)


def _cell(column: Column, n: int, width: int, colours: int) -> str:
    cell = written(column.values[n], column.kind)
    if column.kind in SHADED and colours != NONE:
        return " " + shaded(padded(cell, width - 1, right=True), float(column.values[n]), column.kind, colours)
    return _aligned(cell, width, column.kind)


def _strip(part: Strip, width: int, colours: int) -> list[str]:
    """Draw a text once for every colouring, wrapped; without colours as bars beneath the characters."""
    if part.head and len(part.text) > part.head:
        rows = tuple(row._replace(values=row.values[: part.head]) for row in part.rows)
        shorter = _strip(Strip(part.text[: part.head], rows), width, colours)
        return [*shorter, f"… and {len(part.text) - part.head:,} more characters"]
    margin = min(max((width_of(_short(row.name)) for row in part.rows), default=0), width // 3) + 1
    lines: list[str] = []
    for start, stop in wrapped(part.text, min(width, STRIP_WIDEST) - margin):
        cells = [in_line(character) for character in part.text[start:stop]]
        if lines and (len(part.rows) > 1 or colours == NONE):
            lines.append("")
        if colours == NONE:
            lines.append(" " * margin + "".join(cells))
        for row in part.rows:
            values = [float(value) for value in row.values[start:stop]]
            drawn = (
                "".join(
                    level(value, row.kind) * width_of(cell)
                    if colours == NONE
                    else shaded(cell, value, row.kind, colours)
                    for cell, value in zip(cells, values, strict=True)
                )
                if not all(map(math.isnan, values))
                else ""
            )
            lines.append((padded(_short(row.name), margin - 1) + " " + drawn).rstrip())
    if colours == NONE and part.rows:
        low, high = SCALES.get(part.rows[0].kind, ("0", "1"))
        lines += ["", f"▁ {low} … █ {high}"]
    return lines
