"""Curves and bars drawn with characters."""

from __future__ import annotations

import numpy as np

from charlstm.base.parameters import Array
from charlstm.inspection.view import Bars, Curves
from charlstm.render.characters import escape_line, pad, width_of, wrap_words
from charlstm.render.numbers import format_value

HEIGHT = 8
MARGIN = 8
WIDEST = 100
MARKS = ".o+x*#"
BAR = "█"


def plot_curves(part: Curves, width: int) -> list[str]:
    """Return the lines of a plot; later curves are drawn over earlier ones."""
    across = max(min(width, WIDEST) - MARGIN - 1, 1)
    x = np.asarray(part.x.values, float)  # (N,)
    ys = [np.asarray(column.values, float) for column in part.ys]  # (N,) each
    if part.log:
        ys = [np.log10(np.where(y > 0, y, np.nan)) for y in ys]
    known = np.concatenate([y[np.isfinite(y)] for y in ys])  # (K,)
    if not known.size:
        return ["  no values to plot"]
    low, high = float(known.min()), float(known.max())
    canvas = np.full((HEIGHT, across), " ")  # (HEIGHT, across)
    for mark, y in zip(MARKS, ys, strict=False):
        finite = np.isfinite(y)  # (N,)
        place = _find_cells(x[finite], float(x.min()), float(x.max()), across)  # (K,)
        canvas[HEIGHT - 1 - _find_cells(y[finite], low, high, HEIGHT), place] = mark
    labels = {0: _format_label(high, part.log), HEIGHT - 1: _format_label(low, part.log)}
    lines = [f"{labels.get(row, ''):>{MARGIN - 1}} |" + "".join(canvas[row]).rstrip() for row in range(HEIGHT)]
    first, last = (f"{value:,.4g}" if value % 1 else f"{value:,.0f}" for value in (x.min(), x.max()))
    first = f"{part.x.name}: {first}"
    legend = ", ".join(f"{mark} {column.name}" for mark, column in zip(MARKS, part.ys, strict=False))
    return [
        *(f"  {line}" for line in wrap_words(legend, min(width, WIDEST) - 2)),
        *lines,
        " " * MARGIN + "+" + "-" * across,
        " " * (MARGIN + 1) + first + last.rjust(across - len(first)),
    ]


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


def _format_label(value: float, log: bool) -> str:
    """Return the number at an end of the axis, of a logarithm or of the value itself, short enough for the margin."""
    number = 10.0**value if log else value
    if not log and (number == 0.0 or 0.1 <= abs(number) < 1000.0):
        return f"{number:.3f}"[: MARGIN - 1]
    labels = (f"{number:.{digits}e}".replace("e-0", "e-").replace("e+0", "e+") for digits in (2, 1, 0))
    return next(label for label in labels if len(label) < MARGIN)


def _find_cells(values: Array, low: float, high: float, cells: int) -> Array:
    """Return the index of the cell of each value, with the range from low to high divided into even cells."""
    share = (values / 2 - low / 2) / ((high / 2 - low / 2) or 1.0)  # (N,)  the halves of floats do not overflow
    return np.asarray(np.minimum((share * cells).astype(int), cells - 1))
