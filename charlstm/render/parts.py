"""Views as HTML, part by part: tables, strips, curves, bars, facts. No script, no style of their own.

What is shaded has the class of its shade, s-20 … s20; `render/page.py` says which colours these are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby

import numpy as np

from charlstm.inspection.view import Bars, Column, Curves, Facts, Kind, Part, Strip, Table, View
from charlstm.parameters import Array
from charlstm.render.characters import in_line, safe, wrapped
from charlstm.render.colour import strength
from charlstm.render.numbers import fact, written

STEPS = 20
MOST_ROWS = 300
STRIP_WIDEST = 72
WORDS = {Kind.TEXT, Kind.CHARACTER, Kind.GUESS}
SHADED = {Kind.SHARE, Kind.SIGNED, Kind.BITS}
WIDE, HIGH, LEFT, BELOW, ABOVE = 640, 240, 64, 28, 10
TICKS = 4
MARKS = 4


def html(view: View) -> str:
    """Return a view as HTML: a section a part, in the order in which a person reads them, then the remarks."""
    parts = "".join(
        f'<section class="part {_kind(part)}" data-part="{words(name)}"><h3>{words(name)}</h3>{_part(part)}</section>'
        for name, part in view.parts.items()
    )
    return f'<div class="parts">{parts}</div>' + "".join(
        f'<p class="remark">{words(remark)}</p>' for remark in view.remarks
    )


def _kind(part: Part) -> str:
    return "facts" if isinstance(part, Mapping) else type(part).__name__.lower()


def shade(value: float, kind: Kind) -> str:
    """Return the class of the shade that belongs to a value; none where there is no value."""
    return "" if math.isnan(value) else f"s{round(STEPS * strength(value, kind))}"


def words(text: str) -> str:
    """Return a text so that HTML shows it, whatever is in it."""
    return escape(safe(text.replace("_tilde", "~")))


def _part(part: Part) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Strip):
        return _strip(part)
    if isinstance(part, Curves):
        return _curves(part)
    if isinstance(part, Bars):
        return _bars(part)
    return _facts(part)


def _facts(part: Facts) -> str:
    rows = "".join(f"<dt>{words(name)}</dt><dd>{words(fact(value))}</dd>" for name, value in part.items())
    return f"<dl>{rows}</dl>"


def _table(part: Table) -> str:
    count = len(part.columns[0].values)
    rows = min(count, part.head or MOST_ROWS)
    body = "".join(f"<tr>{''.join(_cell(column, n) for column in part.columns)}</tr>" for n in range(rows))
    above = "".join(
        _heading(name, f' colspan="{len(list(group))}"', "colgroup")
        for name, group in groupby(part.columns, lambda column: column.group)
    )
    names = "".join(_heading(column.name, _side(column.kind), "col") for column in part.columns)
    head = (f"<tr>{above}</tr>" if any(column.group for column in part.columns) else "") + f"<tr>{names}</tr>"
    more = f'<p class="more">… and {count - rows:,} more rows; the data has them all</p>' if count > rows else ""
    return f'<div class="scroll" tabindex="0"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>{more}'


def _heading(name: str, attributes: str, scope: str) -> str:
    """Return a heading; where there is nothing to read, no heading is announced."""
    return f'<th scope="{scope}"{attributes}>{words(name)}</th>' if name else f"<td{attributes}></td>"


def _side(kind: Kind) -> str:
    return ' class="w"' if kind in WORDS else ""


def _cell(column: Column, n: int) -> str:
    value = column.values[n]
    if column.kind in WORDS:
        return f'<td class="w">{escape(written(value, column.kind))}</td>'
    drawn = shade(float(value), column.kind) if column.kind in SHADED else ""
    return f"<td{f' class={drawn}' if drawn else ''}>{written(value, column.kind)}</td>"


def _strip(part: Strip) -> str:
    """Draw a text once for every colouring, its lines under one another; a character alone in its element."""
    text = part.text[: part.head or None]
    lines = "".join(
        f'<div class="line">{"".join(_coloured(text, row, start, stop) for row in part.rows)}</div>'
        for start, stop in wrapped(text, STRIP_WIDEST)
    )
    left = len(part.text) - len(text)
    more = f'<p class="more">… and {left:,} more characters; the data has them all</p>' if left else ""
    return f'<div class="scroll" tabindex="0">{lines}</div>{more}'


def _coloured(text: str, row: Column, start: int, stop: int) -> str:
    cells = "".join(
        f"<i class={shade(float(row.values[n]), row.kind) or 'none'}>{escape(in_line(text[n]))}</i>"
        for n in range(start, stop)
    )
    return f"<div><b>{words(row.name)}</b><span>{cells}</span></div>"


def _bars(part: Bars) -> str:
    most = max((abs(float(value)) for value in part.value.values), default=0.0) or 1.0
    rows = "".join(
        f'<tr><th scope="row" class="w">{words(str(label))}</th><td>{written(value, part.value.kind)}</td>'
        f'<td class="bar"><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{100 * abs(float(value)) / most:.2f}" height="10"/></svg></td></tr>'
        for label, value in zip(part.label.values, part.value.values, strict=True)
    )
    head = (
        f'<th scope="col" class="w">{words(part.label.name)}</th><th scope="col">{words(part.value.name)}</th><td></td>'
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _curves(part: Curves) -> str:
    """Plot columns over the one they share: as lines where that one only grows, as points where it does not."""
    x = np.asarray(part.x.values, float)  # (N,)
    ys = [np.asarray(column.values, float) for column in part.ys]  # (N,) each
    if part.log:
        ys = [np.log10(np.where(y > 0.0, y, np.nan)) for y in ys]
    known = np.concatenate([y[np.isfinite(y)] for y in ys])  # (K,)
    if not known.size:
        return "<p>nothing to draw</p>"
    low, high = float(known.min()), float(known.max())
    across = LEFT + _share(x, float(x.min()), float(x.max())) * (WIDE - LEFT - ABOVE)  # (N,)
    drawn = []
    for k, y in enumerate(ys):
        up = HIGH - BELOW - _share(y, low, high) * (HIGH - BELOW - ABOVE)  # (N,)
        drawn.append(f'<g class="mark{k % MARKS}">{"".join(_marks(across, up, bool(np.all(np.diff(x) > 0))))}</g>')
    legend = "".join(
        f'<li class="mark{k % MARKS}"><svg viewBox="0 0 24 8" aria-hidden="true"><path d="M0 4H24"/></svg>'
        f"{words(column.name)}</li>"
        for k, column in enumerate(part.ys)
    )
    axes = "".join([*_below(part.x, float(x.min()), float(x.max())), *_beside(part.ys[0], low, high, part.log)])
    name = words(f"{', '.join(column.name for column in part.ys)}; across: {part.x.name}")
    return (
        f'<svg class="plot" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{name}">{axes}{"".join(drawn)}</svg>'
        f'<ul class="legend">{legend}<li>across: {words(part.x.name.rstrip(":"))}</li></ul>'
    )


def _share(values: Array, low: float, high: float) -> Array:
    return np.asarray((values - low) / ((high - low) or 1.0))


def _marks(across: Array, up: Array, joined: bool) -> Iterator[str]:
    points = [f"{x:.1f} {y:.1f}" for x, y in zip(across, up, strict=True) if math.isfinite(y)]
    if joined and len(points) > 1:
        yield f'<path d="M{"L".join(points)}"/>'
        return
    for x, y in map(str.split, points):
        yield f'<circle cx="{x}" cy="{y}" r="3"/>'


def _below(column: Column, low: float, high: float) -> Iterator[str]:
    """Yield the numbers of the axis of x."""
    for share in np.linspace(0.0, 1.0, TICKS + 1):
        anchor = "start" if share == 0.0 else "end" if share == 1.0 else "middle"
        place = f'x="{LEFT + share * (WIDE - LEFT - ABOVE):.1f}" y="{HIGH - BELOW + 20}" text-anchor="{anchor}"'
        yield f"<text {place}>{words(written(low + share * (high - low), column.kind))}</text>"


def _beside(column: Column, low: float, high: float, log: bool) -> Iterator[str]:
    """Yield lines and numbers of the axis of y."""
    for share in np.linspace(0.0, 1.0, TICKS + 1):
        value, y = low + share * (high - low), HIGH - BELOW - share * (HIGH - BELOW - ABOVE)
        label = f"{10.0**value:.0e}" if log else written(value, column.kind)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDE - ABOVE}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{words(label)}</text>'
