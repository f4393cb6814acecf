"""The passages of a text that surprise most, or that two readers take most differently, found as the text goes by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from charlstm.parameters import Array

WINDOW = 24
KEPT = 10
DIGITS = 9


class Passage(NamedTuple):
    """A few characters of a text.

    Attributes
    ----------
    line, column
        Where it begins, both counted from 1.
    text
        The characters.
    bits_per_character : tuple of R float
        Mean surprise of each reader, in bits.
    """

    line: int
    column: int
    text: str
    bits_per_character: tuple[float, ...]

    @property
    def weight(self) -> float:
        """How surprising it is for one reader; how far apart the first two are."""
        return float(_weight(np.array(self.bits_per_character)))


class Passages:
    """Watches a text go by and keeps the passages that weigh most.

    A passage is `WINDOW` characters (or the whole of a shorter text) that weigh more than all others of this length
    that overlap with them; of equals the first. So it makes no difference in what pieces the text comes.
    """

    def __init__(self) -> None:
        self.best: list[Passage] = []
        self._text = ""
        self._rows: Array = np.empty((0, 0))
        self._line, self._column = 1, 1  # of the first character that is still held
        self._judged = 0  # windows from there on that are judged already

    def add(self, text: str, rows: Array) -> None:
        """Take the next characters.

        Parameters
        ----------
        text
            N characters.
        rows : (R, N) array
            The surprise of each reader, in bits; NaN counts as 0.
        """
        rows = np.nan_to_num(rows, nan=0.0)  # (R, N)
        self._rows = np.concatenate([self._rows, rows], axis=1) if self._text else rows
        self._text += text
        self._judge(WINDOW, len(self._text) - 2 * (WINDOW - 1))
        self._forget(self._judged - (WINDOW - 1))

    def end(self) -> list[Passage]:
        """Return the best of all, best first, now that nothing more comes."""
        window = min(WINDOW, len(self._text))
        if window:
            self._judge(window, len(self._text) - (window - 1))
        return self.best

    def _judge(self, window: int, stop: int) -> None:
        """Judge the windows up to one that begins at `stop`."""
        if stop <= self._judged:
            return
        sums = sliding_window_view(self._rows, window, axis=1).sum(axis=2)  # (R, M)
        weights = _weight(sums).round(DIGITS)  # (M,)
        reach = max(1, window - 1)  # windows on each side that overlap
        around = np.full(reach, -np.inf)
        largest = sliding_window_view(np.concatenate([around, weights, around]), reach).max(axis=1)  # (M + reach + 1,)
        before, after = largest[: len(weights)], largest[reach + 1 :]  # (M,) each
        peaks = np.flatnonzero((weights > 0) & (weights > before) & (weights >= after))
        peaks = peaks[(peaks >= self._judged) & (peaks < stop)]
        order = peaks[np.argsort(-weights[peaks], kind="stable")][:KEPT]
        found = [self._passage(int(n), window, sums[:, n]) for n in order]
        places = [*self.best, *found]
        self.best = sorted(places, key=lambda passage: (-round(passage.weight, DIGITS), passage[:2]))[:KEPT]
        self._judged = stop

    def _passage(self, n: int, window: int, sums: Array) -> Passage:
        line, column = self._place(n)
        return Passage(line, column, self._text[n : n + window], tuple((sums / window).tolist()))

    def _place(self, n: int) -> tuple[int, int]:
        newlines = self._text.count("\n", 0, n)
        column = n - self._text.rindex("\n", 0, n) if newlines else self._column + n
        return self._line + newlines, column

    def _forget(self, count: int) -> None:
        """Let go of characters that no window to come begins near."""
        if count > 0:
            self._line, self._column = self._place(count)
            self._text, self._rows = self._text[count:], self._rows[:, count:]
            self._judged -= count


def _weight(bits: Array) -> Array:
    """Return how much windows weigh: (R, …) → (…)."""
    return np.asarray(bits[0] if len(bits) == 1 else np.abs(bits[1] - bits[0]))
