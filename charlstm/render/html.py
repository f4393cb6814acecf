"""Render views as HTML, part by part: tables, strips, curves, bars, facts; without scripts and styles.

A shaded value has the class of its shade, s-20 … s20; `style` defines their colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from html import escape
from itertools import groupby

from charlstm.inspection.view import Bars, Column, Curves, Facts, Kind, Part, Strip, Table, View, count_of
from charlstm.render import svg
from charlstm.render.characters import escape_in_line, escape_line, wrap_characters
from charlstm.render.colour import MOST_BITS, strength
from charlstm.render.numbers import format_fact, format_value
from charlstm.render.style import STEPS

MOST_ROWS = 300
MOST_CHARACTERS = 600
STRIP_WIDEST = 72
WORDS = {Kind.TEXT, Kind.CHARACTER, Kind.GUESS}
SHADED = {Kind.SHARE, Kind.SIGNED, Kind.BITS}
SCALES = {
    Kind.SHARE: ("0", "0.5", "1"),
    Kind.SIGNED: ("−1", "0", "+1"),
    Kind.BITS: ("0", f"{MOST_BITS / 2:g}", f"{MOST_BITS:g} or more"),
}


def render(view: View) -> str:
    """Return a view as HTML: one section per part, in reading order, then the remarks."""
    parts = "".join(
        f'<section class="part {_name_kind(part)}" data-part="{title}"><h3>{title}</h3>{_build_part(part)}</section>'
        for title, part in ((escape_html(name), part) for name, part in view.parts.items())
    )
    return f'<div class="parts">{parts}</div>' + "".join(
        f'<p class="remark">{escape_html(remark)}</p>' for remark in view.remarks
    )


def _name_kind(part: Part) -> str:
    return "facts" if isinstance(part, Mapping) else type(part).__name__.lower()


def shade_class(value: float, kind: Kind) -> str:
    """Return the class of the shade of a value; an empty string for NaN."""
    return "" if math.isnan(value) else f"s{round(STEPS * strength(value, kind))}"


def escape_html(text: str) -> str:
    """Return a text that HTML shows as it is, with escapes for what cannot be shown."""
    return escape(escape_line(text.replace("_tilde", "~")))


def _build_part(part: Part) -> str:
    if isinstance(part, Table):
        return _build_part_table(part)
    if isinstance(part, Strip):
        return _build_strip(part)
    if isinstance(part, Curves):
        return _build_curves(part)
    if isinstance(part, Bars):
        return _build_bars(part)
    return _build_facts(part)


def _build_facts(part: Facts) -> str:
    rows = "".join(
        f"<dt>{escape_html(name)}</dt><dd>{escape_html(format_fact(value))}</dd>" for name, value in part.items()
    )
    return f"<dl>{rows}</dl>"


def build_table(part: Table, rows: int, attributes: Callable[[Column, int | None], str]) -> str:
    """Return the first rows of a table as an HTML table.

    Parameters
    ----------
    part
        The table.
    rows
        Number of rows.
    attributes
        Returns the HTML attributes, with a space before them, of a column's cell in a row, or of its heading (None).
    """
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{attributes(column, n)}>{escape(format_value(column.values[n], column.kind))}</td>"
            for column in part.columns
        )
        + "</tr>"
        for n in range(rows)
    )
    names = "".join(_build_heading(column.name, attributes(column, None), "col") for column in part.columns)
    head = f"<tr>{names}</tr>"
    if any(column.group for column in part.columns):
        groups = groupby(part.columns, lambda column: column.group)
        spans = [(name, f' colspan="{len(list(columns))}"') for name, columns in groups]
        head = f"<tr>{''.join(_build_heading(name, span, 'colgroup') for name, span in spans)}</tr>{head}"
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _build_heading(name: str, attributes: str, scope: str) -> str:
    """Return a heading; an empty one is an ordinary cell, so that a screen reader announces no heading."""
    return f'<th scope="{scope}"{attributes}>{escape_html(name)}</th>' if name else f"<td{attributes}></td>"


def _build_part_table(part: Table) -> str:
    count = len(part.columns[0].values)
    rows = min(count, part.head or MOST_ROWS)
    table = build_table(part, rows, _attributes)
    return f'<div class="scroll" tabindex="0">{table}</div>{_note_more(count - rows, "more row")}'


def _attributes(column: Column, n: int | None) -> str:
    """Return the class of a cell: of text columns, and of shaded values."""
    if column.kind in WORDS:
        return ' class="w"'
    shade = shade_class(float(column.values[n]), column.kind) if n is not None and column.kind in SHADED else ""
    return f" class={shade}" if shade else ""


def _note_more(count: int, noun: str) -> str:
    """Return a note that some rows or characters are not shown."""
    return f'<p class="more">… and {count_of(count, noun)}; the downloads contain more</p>' if count > 0 else ""


def _build_strip(part: Strip) -> str:
    """Return a text in lines, each once per colouring, with one element per character."""
    text = part.text[: part.head or MOST_CHARACTERS]
    lines = "".join(
        f'<div class="line">{"".join(_build_strip_row(text, row, start, stop) for row in part.rows)}</div>'
        for start, stop in wrap_characters(text, STRIP_WIDEST)
    )
    more = _note_more(len(part.text) - len(text), "more character")
    return f'{_build_scales(part)}<div class="scroll" tabindex="0">{lines}</div>{more}'


def _build_scales(part: Strip) -> str:
    """Return the scale of every kind of shades in a strip; the script of a page draws it again."""
    named = {row.kind: [other.name for other in part.rows if other.kind is row.kind] for row in part.rows}
    labels = {kind: names[0] if len(names) == 1 else "values" for kind, names in named.items() if kind in SHADED}
    scales = (
        f'<span class="scale" data-scale="{kind.value}" data-label="{escape_html(label)}">'
        f"{_build_scale(kind, label)}</span>"
        for kind, label in labels.items()
    )
    return f'<p class="scales">{"".join(scales)}</p>'


def _build_scale(kind: Kind, label: str) -> str:
    """Return what `legend` in legend.js draws: the shades, and the numbers at both ends and in the middle."""
    first, half, last = SCALES[kind]
    shades = "".join(f"<i class=s{step}></i>" for step in range(-STEPS if kind is Kind.SIGNED else 0, STEPS + 1))
    return (
        f'<span class="legend-scale" aria-hidden="true"><span class="legend-label">{escape_html(label)}</span>'
        f'<span class="legend-bar"><span class="legend-shades">{shades}</span>'
        f'<span class="legend-numbers"><b>{first}</b><b>{half}</b><b>{last}</b></span></span></span>'
    )


def _build_strip_row(text: str, row: Column, start: int, stop: int) -> str:
    cells = "".join(
        f"<i class={shade_class(float(row.values[n]), row.kind) or 'none'}>{escape(escape_in_line(text[n]))}</i>"
        for n in range(start, stop)
    )
    return f"<div><b>{escape_html(row.name)}</b><span>{cells}</span></div>"


def _build_bars(part: Bars) -> str:
    most = max((abs(float(value)) for value in part.value.values), default=0.0) or 1.0
    rows = "".join(
        f'<tr><th scope="row" class="w">{escape_html(str(label))}</th><td>{format_value(value, part.value.kind)}</td>'
        f'<td class="bar"><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{100 * abs(float(value)) / most:.2f}" height="10"/></svg></td></tr>'
        for label, value in zip(part.label.values, part.value.values, strict=True)
    )
    label, value = escape_html(part.label.name), escape_html(part.value.name)
    head = f'<th scope="col" class="w">{label}</th><th scope="col">{value}</th><td></td>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _build_curves(part: Curves) -> str:
    """Return a plot with the names of its curves below it."""
    drawn = svg.draw_plot(part)
    if not drawn:
        return "<p>no values to plot</p>"
    legend = "".join(
        f'<li class="mark{k % svg.MARKS}"><svg viewBox="0 0 24 8" aria-hidden="true"><path d="M0 4H24"/></svg>'
        f"{escape_html(column.name)}</li>"
        for k, column in enumerate(part.ys)
    )
    return (
        f'<svg class="plot" viewBox="0 0 {svg.WIDE} {svg.HIGH}" role="img"'
        f' aria-label="{escape_html(svg.describe(part))}">{drawn}</svg><ul class="legend">{legend}</ul>'
    )
