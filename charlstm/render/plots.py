"""Curves and bars drawn with characters: with the dots of Braille where a terminal has them, otherwise with ASCII."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import click
import numpy as np

from charlstm.base.parameters import Array
from charlstm.inspection.view import Bars, Curves
from charlstm.render.axes import Axis, find_axes, name_axis
from charlstm.render.characters import escape_line, pad, width_of, wrap_words
from charlstm.render.colour import EIGHT, MANY, NONE
from charlstm.render.numbers import format_value

HEIGHT, HEIGHT_IN_DOTS = 8, 10
WIDEST = 100
NARROWEST = 12  # columns of a plot beside its numbers
ROWS_PER_TICK, COLUMNS_PER_TICK = 3, 14
MARKS = ".o+x*#"
BAR = "█"
# A cell of Braille has 4 × 2 dots; the character U+2800 + b has those whose bits b has.
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
BRAILLE = 0x2800
# Which dots along a line are drawn, so that curves differ without colours too.
DASHES = ((1,), (1, 1, 1, 0, 0), (1, 0, 0), (1, 1, 1, 1, 0, 0, 1, 0, 0))
# Colours of curves, which colour-blind people can distinguish, on light and on dark terminals.
COLOURS: dict[int, tuple[str | int, ...]] = {
    EIGHT: ("blue", "yellow", "green", "magenta"),
    MANY: (33, 208, 36, 133),
}
SAMPLE = 6  # columns of a curve's sample in the legend


def plot_curves(part: Curves, width: int, dots: bool = False, colours: int = NONE) -> list[str]:
    """Return the lines of a plot; later curves are drawn over earlier ones.

    Parameters
    ----------
    part
        The curves. Where the values of the common axis do not increase they are points.
    width
        Columns of the terminal.
    dots
        True: draw lines with the dots of Braille; False: mark every value with an ASCII character.
    colours
        Number of colours of the terminal.
    """
    height = HEIGHT_IN_DOTS if dots else HEIGHT
    room = min(width, WIDEST)
    axes = find_axes(part, max(2, room // COLUMNS_PER_TICK), height // ROWS_PER_TICK)
    if axes is None:
        return ["  no values to plot"]
    x_axis, y_axis = axes
    margin = max(map(len, y_axis.labels)) + 2
    if room - margin < NARROWEST:
        margin = 1  # no room for numbers
    across = max(room - margin - 1, 1)
    # Each curve in fractions of the plot: (N,) across and (N,) up.
    curves = [(x_axis.place(part.x.values), y_axis.place(column.values)) for column in part.ys]
    canvas = (_draw_dots if dots else _draw_marks)(curves, height, across)
    upright, tick, corner, level, tick_below = "│┤└─┴" if dots else "||+-+"
    rows = _find_cells(y_axis.place(y_axis.ticks), height)[::-1]
    numbers = dict(zip((height - 1 - rows).tolist(), reversed(y_axis.labels), strict=True)) if margin > 1 else {}
    lines = [
        f"{numbers.get(row, ''):>{margin - 1}} {tick if row in numbers else upright}" + _paint(canvas[row], colours)
        for row in range(height)
    ]
    places = _find_cells(x_axis.place(x_axis.ticks), across)  # (T,)
    below = "".join(tick_below if column in places else level for column in range(across))
    return [
        *(f"  {line}" for line in _draw_legend(part, dots, colours, room - 2)),
        *lines,
        " " * margin + corner + below,
        *_draw_x_labels(x_axis, places.tolist(), margin + 1, room),
        name_axis(part.x, x_axis.log).rjust(room)[-room:],
    ]


def _draw_legend(part: Curves, dots: bool, colours: int, width: int) -> list[str]:
    """Return the names of the curves, each after a sample of its line or its mark."""
    if not dots:
        legend = (f"{mark} {column.name}" for mark, column in zip(MARKS, part.ys, strict=False))
        return wrap_words(", ".join(legend), width)
    flat = np.array([0.5, 0.5])
    is_joined = bool(np.all(np.diff(np.asarray(part.x.values, float)) > 0.0))
    ends = np.array([0.0, 1.0]) if is_joined else flat
    lines, taken = [""], 0
    for number, column in enumerate(part.ys):
        curves = [(flat, flat)] * number + [(ends, flat)]
        sample = _paint(_draw_dots(curves, 1, SAMPLE, number)[0], colours, SAMPLE)
        name = escape_line(column.name)
        needed = SAMPLE + 1 + width_of(name)
        if taken and taken + 3 + needed > width:
            lines, taken = [*lines, ""], 0
        lines[-1] += f"{'   ' * bool(taken)}{sample} {pad(name, min(width_of(name), max(2, width - SAMPLE - 1)))}"
        taken += needed + 3 * bool(taken)
    return lines


def _draw_x_labels(axis: Axis, places: list[int], margin: int, width: int) -> Iterator[str]:
    """Yield the line of the numbers below the x axis; one that has no room beside the one before is left out."""
    line = ""
    for place, label in zip(places, axis.labels, strict=True):
        start = min(max(0, margin + place - len(label) // 2), width - len(label))
        if start > len(line) or not line:
            line = line.ljust(start) + label
    if width >= len(line):
        yield line


def _paint(row: list[tuple[str, int]], colours: int, width: int = 0) -> str:
    """Return a row of characters, each in the colour of its curve, without spaces beyond a width at its end."""
    palette = COLOURS[EIGHT if colours < MANY else MANY]
    line = ""
    end = max((n + 1 for n, (sign, _) in enumerate(row) if sign != " "), default=0)
    for number, run in groupby(row[: max(end, width)], lambda cell: cell[1]):
        signs = "".join(sign for sign, _ in run)
        line += signs if colours == NONE or number < 0 else click.style(signs, fg=palette[number % len(palette)])
    return line


def _draw_marks(curves: list[tuple[Array, Array]], height: int, across: int) -> list[list[tuple[str, int]]]:
    """Return rows of characters, each with the number of its curve, −1 for none: a mark for every value."""
    canvas = [[(" ", -1)] * across for _ in range(height)]
    for number, (x, y) in enumerate(curves):
        known = np.isfinite(x) & np.isfinite(y)  # (N,)
        rows, columns = height - 1 - _find_cells(y[known], height), _find_cells(x[known], across)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            canvas[row][column] = (MARKS[number % len(MARKS)], number)
    return canvas


def _draw_dots(
    curves: list[tuple[Array, Array]], height: int, across: int, first: int = 0
) -> list[list[tuple[str, int]]]:
    """Return rows of Braille characters, each with the number of its last curve, −1 for none; draw from a curve on."""
    bits = np.zeros((height, across), int)  # (height, across)
    owner = np.full((height, across), -1)  # (height, across)
    for number, (x, y) in enumerate(curves):
        if number < first:
            continue
        rows, columns = _trace_line(x, y, 4 * height, 2 * across, DASHES[number % len(DASHES)])
        np.bitwise_or.at(bits, (rows // 4, columns // 2), DOTS[rows % 4, columns % 2])
        owner[rows // 4, columns // 2] = number
    return [
        [(chr(BRAILLE + b) if b else " ", k) for b, k in zip(*pair, strict=True)]
        for pair in zip(bits.tolist(), owner.tolist(), strict=True)
    ]


def _trace_line(x: Array, y: Array, height: int, across: int, dashes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the dots of a curve, (D,) rows from the top and (D,) columns: lines if x increases, otherwise points."""
    known = np.isfinite(x) & np.isfinite(y)  # (N,)
    u, v = x[known] * (across - 1), (1.0 - y[known]) * (height - 1)  # (N,) each, in dots
    if u.size > 1 and np.all(np.diff(u) > 0.0):
        lengths = np.maximum(np.abs(np.diff(u)), np.abs(np.diff(v)))  # (N−1,)
        along = np.append(0.0, np.cumsum(lengths))  # (N,)  the number of dots up to each value
        steps = np.arange(np.floor(along[-1]) + 1)  # (D,)
        steps = steps[np.resize(dashes, steps.size) > 0]
        u, v = np.interp(steps, along, u), np.interp(steps, along, v)
    return np.rint(v).astype(int), np.rint(u).astype(int)


def draw_bars(part: Bars, width: int) -> list[str]:
    """Return the lines of a bar chart; the longest bar takes all the room."""
    labels = [escape_line(str(label)) for label in part.label.values]
    numbers = [format_value(value, part.value.kind) for value in part.value.values]
    left, right = (max(map(width_of, words)) for words in ([part.label.name, *labels], [part.value.name, *numbers]))
    room = max(1, min(width, WIDEST) - left - right - 4)
    most = max((abs(float(value)) for value in part.value.values), default=0.0) or 1.0
    lines = [f"  {pad(part.label.name, left)} {part.value.name.rjust(right)}"]
    for label, number, value in zip(labels, numbers, part.value.values, strict=True):
        bar = BAR * round(room * abs(float(value)) / most)
        lines.append(f"  {pad(label, left)} {number.rjust(right)} {bar}".rstrip())
    return lines


def _find_cells(places: Array, cells: int) -> Array:
    """Return the index of the cell of each place from 0 to 1, with the range divided into even cells."""
    return np.asarray(np.clip(np.rint(places * (cells - 1)), 0, cells - 1).astype(int))
