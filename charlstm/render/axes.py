"""The axes of plots: their range, and round numbers on them, linear or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array
from charlstm.inspection.view import Column, Curves, Kind

ROUND = (1.0, 2.0, 5.0, 10.0)
MOST_DIGITS = 9
MOST_FINE = 7  # steps of an axis with 1, 2 and 5 times a power of ten, which are all shown
FEWEST_DECADES = 4  # steps between the ticks of a long logarithmic axis


class Axis(NamedTuple):
    """An axis that begins with a round number and ends with one.

    Attributes
    ----------
    low, high : float
        Its ends, with the ticks between them.
    log : bool
        Whether it is logarithmic.
    ticks : tuple of float
        The round numbers on it, in ascending order.
    labels : tuple of str
        Each of them as the axis shows it.
    """

    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]
    labels: tuple[str, ...]

    def place(self, values: Sequence[float] | Array) -> Array:
        """Return where values are, from 0 (low) to 1 (high): (N,); NaN for those that the axis does not have."""
        low, high, x = self.low, self.high, np.asarray(values, float)  # (N,)
        if self.log:
            low, high, x = math.log10(low), math.log10(high), np.log10(np.where(x > 0.0, x, np.nan))
        x = np.where(np.isfinite(x), x, np.nan)
        return np.asarray((x / 2 - low / 2) / (high / 2 - low / 2))  # the halves of floats do not overflow


def find_axes(part: Curves, across: int, up: int) -> tuple[Axis, Axis] | None:
    """Return the axes of curves; None if there is no value to plot.

    Parameters
    ----------
    part
        The curves.
    across, up
        About the number of ticks on each axis.
    """
    xs, ys = [np.asarray(part.x.values, float)], [np.asarray(column.values, float) for column in part.ys]
    axes = []
    for values, log, count, kind in ((xs, part.log_x, across, part.x.kind), (ys, part.log, up, part.ys[0].kind)):
        flat = np.concatenate(values)  # (K,)
        known = flat[np.isfinite(flat) & ((flat > 0.0) | (not log))]  # (K,)
        if not known.size:
            return None
        axes.append(find_axis(float(known.min()), float(known.max()), count, log, kind))
    return axes[0], axes[1]


def find_axis(low: float, high: float, count: int = 4, log: bool = False, kind: Kind = Kind.NUMBER) -> Axis:
    """Return an axis that has a range of finite numbers, which are positive if it is logarithmic.

    Parameters
    ----------
    low, high
        Ends of the range.
    count
        About the number of steps between its ticks.
    log
        Whether it is logarithmic.
    kind
        Kind of the values, which decides how they are written.

    Examples
    --------
    >>> find_axis(0.3, 9.7).labels, find_axis(3, 4_000, log=True).labels
    (('0', '5', '10'), ('1', '10', '100', '1,000', '10,000'))
    """
    ends = _find_decades(low, high) if log else _find_multiples(low, high, count)
    if not all(map(math.isfinite, ends)) or ends[0] == ends[-1] or (log and ends[0] == 0.0):
        ends = [low, high]  # at the ends of what floats can hold
    step = -(-(len(ends) - 1) // max(count, FEWEST_DECADES)) if log and len(ends) > MOST_FINE + 1 else 1
    ticks = ends[::step]
    return Axis(ends[0], ends[-1], log, tuple(ticks), tuple(_write(ticks, kind)))


def _find_multiples(low: float, high: float, count: int) -> list[float]:
    """Return multiples of a round number, from the last one below a range to the first one above it."""
    span = high / count - low / count or abs(high) / 2 or 1.0
    size = 10.0 ** math.floor(math.log10(span)) or span
    step = size * next(round_ for round_ in ROUND if span <= round_ * size * 1.0001)
    if not math.isfinite(step) or abs(low) / step > 2.0**50:
        return [low, high]
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * k for k in range(first, max(last, first + 1) + 1)]


def _find_decades(low: float, high: float) -> list[float]:
    """Return powers of ten, or where they are few 1, 2 and 5 times each, around a range of positive numbers."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if last - first > 2:
        return [_round(1, k) for k in range(first, last + 1)]
    ticks = [_round(digit, k) for k in range(first - 1, last + 2) for digit in (1, 2, 5)]
    start = max((n for n, tick in enumerate(ticks) if tick <= low), default=0)
    end = next((n for n, tick in enumerate(ticks) if tick >= high and n > start), len(ticks) - 1)
    return ticks[start : end + 1]


def _round(digit: int, power: int) -> float:
    """Return digit × 10^power as the nearest float; infinity beyond the largest one."""
    return float(f"{digit}e{power}")


def _write(ticks: Sequence[float], kind: Kind) -> list[str]:
    """Return ticks as text, all with the digits that the distance of the closest two needs."""
    if kind is Kind.PERCENT:
        return [f"{label}%" for label in _write([100.0 * tick for tick in ticks], Kind.NUMBER)]
    most, least = max(map(abs, ticks)), min((abs(tick) for tick in ticks if tick), default=1.0)
    if most >= 1e7 or least < 1e-4:
        return [f"{tick:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e") for tick in ticks]
    return [_write_shortest(tick) for tick in ticks]


def _write_shortest(tick: float) -> str:
    whole = f"{tick:,.{MOST_DIGITS}f}".rstrip("0").rstrip(".")
    return "0" if whole == "-0" else whole


def name_axis(column: Column, log: bool) -> str:
    """Return the name of an axis, with its scale where that is logarithmic."""
    return f"{column.name} (log scale)" if log else column.name
