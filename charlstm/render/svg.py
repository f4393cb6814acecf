"""Render curves and scatter plots as SVG: for a page, a notebook, or a file of their own."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np

from charlstm.base.errors import ConfigError
from charlstm.base.parameters import Array
from charlstm.inspection.view import Column, Curves, View
from charlstm.render.axes import Axis, find_axes, name_axis
from charlstm.render.characters import escape_line
from charlstm.render.style import build_file_style

WIDE, HIGH, RIGHT, BELOW, ABOVE = 640, 250, 16, 44, 10
DIGIT = 7  # about the width of a digit of the axes
ACROSS, UP = 6, 5  # about the number of steps on an axis
MARKS = 4
TITLE, LEGEND, GAP = 26, 20, 18  # heights in a file
SAMPLE = 24  # width of a curve's sample in the legend
NARROW, WIDER = 6.5, 11  # about the width of a character of the text, and of one beyond Latin


def render(view: View) -> str:
    """Return the curves of a view as one SVG file, below each other, in the colours of a light or a dark page.

    Raises
    ------
    ConfigError
        If the view has no curves.
    """
    plots = {name: part for name, part in view.parts.items() if isinstance(part, Curves)}
    if not plots:
        raise ConfigError(
            "the view has no curves, and svg shows nothing else; choose another format, or the view history, gradients"
            " or saturation"
        )
    drawn, top = [], 0
    for name, part in plots.items():
        legend, rows = _draw_legend(part)
        drawn.append(
            f'<g transform="translate(0 {top})"><text class="title" x="0" y="16">{escape_svg(name)}</text>'
            f'<g transform="translate(0 {TITLE})">{draw_plot(part)}</g>'
            f'<g transform="translate(0 {TITLE + HIGH + 4})">{legend}</g></g>'
        )
        top += TITLE + HIGH + rows * LEGEND + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 {WIDE + 16} {top}" width="{WIDE + 16}"'
        f' height="{top}" class="file"><style>{build_file_style("file")}</style>'
        f'<g class="plot">{"".join(drawn)}</g></svg>\n'
    )


def draw_plot(part: Curves) -> str:
    """Return the axes and curves of a plot as elements of an SVG of WIDE × HIGH; empty if there is no value to plot.

    The classes of the elements give them their colours: see plot.css.
    """
    axes = find_axes(part, ACROSS, UP)
    if axes is None:
        return ""
    x_axis, y_axis = axes
    left = 14 + DIGIT * max(map(len, y_axis.labels))
    across = left + x_axis.place(part.x.values) * (WIDE - left - RIGHT)  # (N,)
    drawn = []
    for k, column in enumerate(part.ys):
        up = _find_height(y_axis.place(column.values))  # (N,)
        drawn.append(f'<g class="mark{k % MARKS}">{"".join(_draw_marks(across, up))}</g>')
    return "".join([*_draw_x_axis(part.x, x_axis, left), *_draw_y_axis(y_axis, left), *drawn])


def describe(part: Curves) -> str:
    """Return what a plot shows, for those who do not see it."""
    return f"{', '.join(column.name for column in part.ys)}; x axis: {part.x.name}"


def escape_svg(text: str) -> str:
    """Return a text that SVG shows as it is, with escapes for what cannot be shown."""
    return escape(escape_line(text))


def _find_height(places: Array) -> Array:
    return np.asarray(HIGH - BELOW - places * (HIGH - BELOW - ABOVE))


def _draw_marks(across: Array, up: Array) -> Iterator[str]:
    """Yield a line through the values if their places increase, otherwise a point for each."""
    known = np.isfinite(across) & np.isfinite(up)  # (N,)
    points = [f"{x:.1f} {y:.1f}" for x, y in zip(across[known], up[known], strict=True)]
    if len(points) > 1 and np.all(np.diff(across[np.isfinite(across)]) > 0.0):
        yield f'<path d="M{"L".join(points)}"/>'
        return
    for x, y in map(str.split, points):
        yield f'<circle cx="{x}" cy="{y}" r="3"/>'


def _draw_x_axis(column: Column, axis: Axis, left: int) -> Iterator[str]:
    """Yield the numbers and the name of the x axis."""
    for share, label in zip(axis.place(axis.ticks), axis.labels, strict=True):
        x = left + share * (WIDE - left - RIGHT)
        yield f'<path class="grid" d="M{x:.1f} {ABOVE}V{HIGH - BELOW + 4}"/>'
        is_last = share == 1.0
        place = f'x="{x + (RIGHT - 4) * is_last:.1f}" y="{HIGH - BELOW + 19}"'
        yield f'<text {place} text-anchor="{"end" if is_last else "middle"}">{label}</text>'
    name = escape_svg(name_axis(column, axis.log))
    yield f'<text x="{(left + WIDE - RIGHT) / 2:.1f}" y="{HIGH - 6}" text-anchor="middle">{name}</text>'


def _draw_y_axis(axis: Axis, left: int) -> Iterator[str]:
    """Yield the grid lines and numbers of the y axis."""
    for y, label in zip(_find_height(axis.place(axis.ticks)), axis.labels, strict=True):
        yield f'<path class="grid" d="M{left} {y:.1f}H{WIDE - RIGHT}"/>'
        yield f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'


def _draw_legend(part: Curves) -> tuple[str, int]:
    """Return the names of the curves after samples of them, and the number of rows that they take."""
    drawn, x, row = [], 0.0, 0
    for k, column in enumerate(part.ys):
        name = escape_line(column.name)
        width = SAMPLE + 26 + sum(NARROW if sign.isascii() else WIDER for sign in name)
        if x and x + width > WIDE:
            x, row = 0.0, row + 1
        y = row * LEGEND + 14
        drawn.append(
            f'<g class="mark{k % MARKS}"><path d="M{x:.1f} {y - 4}h{SAMPLE}"/></g>'
            f'<text x="{x + SAMPLE + 7:.1f}" y="{y}">{escape(name)}</text>'
        )
        x += width
    return "".join(drawn), row + 1
