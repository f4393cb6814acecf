"""A trace as a notebook shows it: a small piece of HTML, without a script, readable on light and on dark.

The text, each character shaded by how surprising it was, and beneath it the table of the gates. What is shaded brings
its own background and ink; everything else takes the colours of the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from itertools import groupby

from charlstm.inspection.gates import gates
from charlstm.inspection.trace import Trace
from charlstm.inspection.view import Kind, Table
from charlstm.render.characters import safe, shown
from charlstm.render.colour import ink, rgb, strength
from charlstm.render.numbers import written

MOST_CHARACTERS = 2000
MOST_ROWS = 100
GUESSES = 3
SHADED = {Kind.SHARE, Kind.SIGNED, Kind.BITS}
FRAME = "font-family:monospace;line-height:1.6;overflow-x:auto"
CELL = "padding:0 .5em;text-align:{}"


class ShownTrace(Trace):
    """A trace that shows itself in a notebook; see `Trace` for what it holds."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return html(self)


def html(trace: Trace) -> str:
    """Return a trace as HTML: the first 2,000 characters as a strip, the first 100 as rows of a table to unfold."""
    table = gates(_beginning(trace, MOST_ROWS)).parts["gates"]
    assert isinstance(table, Table)
    rows = "".join(_row(table, n) for n in range(len(table.columns[0].values)))
    count = len(trace.text)
    return (
        f'<div style="{FRAME}"><div>{"".join(_strip(_beginning(trace, MOST_CHARACTERS)))}</div>'
        f"{_more(count - MOST_CHARACTERS)}<details><summary>every character</summary>"
        f"<table>{_head(table)}<tbody>{rows}</tbody></table>{_more(count - MOST_ROWS)}</details></div>"
    )


def _beginning(trace: Trace, count: int) -> Trace:
    """Return what belongs to the first characters."""
    layers = tuple({name: values[:count] for name, values in layer.items()} for layer in trace.layers)
    return trace._replace(
        text=trace.text[:count],
        layers=layers,
        log_probabilities=trace.log_probabilities[:count],
        surprise=trace.surprise[:count],
    )


def _strip(trace: Trace) -> Iterator[str]:
    for n, (character, bits, after) in enumerate(
        zip(trace.text, trace.surprise, trace.likeliest(GUESSES), strict=True)
    ):
        expected = ", ".join(written(guess, Kind.GUESS) for guess in after)
        title = escape(f"{n}: {shown(character)}, {written(bits, Kind.BITS)} bits; expected next: {expected}")
        sign = "&nbsp;" if character == " " else escape(shown(character))
        yield f'<span title="{title}" style="{_shade(float(bits), Kind.BITS)}">{sign}</span>'
        yield "<br>" if character == "\n" else "<wbr>"


def _head(table: Table) -> str:
    above = "".join(
        f'<th colspan="{len(list(columns))}">{escape(safe(group))}</th>'
        for group, columns in groupby(table.columns, lambda column: column.group)
    )
    names = "".join(f"<th>{escape(safe(column.name.replace('_tilde', '~')))}</th>" for column in table.columns)
    return f"<thead><tr>{above}</tr><tr>{names}</tr></thead>"


def _row(table: Table, n: int) -> str:
    cells = []
    for column in table.columns:
        side = "left" if column.kind in (Kind.CHARACTER, Kind.GUESS) else "right"
        shade = _shade(float(column.values[n]), column.kind) if column.kind in SHADED else ""
        cells.append(f'<td style="{CELL.format(side)};{shade}">{escape(written(column.values[n], column.kind))}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _shade(value: float, kind: Kind) -> str:
    if math.isnan(value):
        return ""
    background = rgb(strength(value, kind))
    return f"background:rgb{background};color:rgb{ink(background)}".replace(" ", "")


def _more(count: int) -> str:
    return f"<div>… and {count:,} characters more</div>" if count > 0 else ""
