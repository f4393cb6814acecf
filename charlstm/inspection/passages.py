"""Find the most surprising passages of a text, or those that two models predict most differently, in one pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from charlstm.base.parameters import Array
from charlstm.base.symbols import END

WINDOW = 24
COUNT = 10
DIGITS = 9


class Passage(NamedTuple):
    """A few characters of a text.

    Attributes
    ----------
    line, column
        Where the passage starts, both counted from 1.
    text
        The characters.
    bits_per_character : tuple of R float
        Mean surprisal for each model, in bits.
    """

    line: int
    column: int
    text: str
    bits_per_character: tuple[float, ...]

    @property
    def weight(self) -> float:
        """Mean surprisal for one model; absolute difference between the first two of several."""
        return float(_weigh(np.array(self.bits_per_character)))


class PassageFinder:
    """Reads a text in pieces and keeps the passages with the largest weight.

    A passage is a window of 24 characters, or a whole shorter text, that weighs more than all windows that overlap with
    it; of equal ones the first. So the result does not depend on how the text is cut into pieces.

    Parameters
    ----------
    newlines_at_end
        Number of newlines for which an end symbol stands.
    """

    def __init__(self, newlines_at_end: int = 0) -> None:
        self._newlines_at_end = newlines_at_end
        self.best: list[Passage] = []
        self._text = ""
        self._rows: Array = np.empty((0, 0))
        self._line, self._column = 1, 1  # of the first character that is kept
        self._examined = 0  # index of the first window that has not been examined

    def add(self, text: str, rows: Array) -> None:
        """Read the next characters.

        Parameters
        ----------
        text
            N characters.
        rows : (R, N) array
            The surprisal for each model, in bits; NaN counts as 0.
        """
        rows = np.nan_to_num(rows, nan=0.0)  # (R, N)
        self._rows = np.concatenate([self._rows, rows], axis=1) if self._text else rows
        self._text += text
        self._examine(WINDOW, len(self._text) - 2 * (WINDOW - 1))
        self._drop(self._examined - (WINDOW - 1))

    def finish(self) -> list[Passage]:
        """Return the passages with the largest weight, best first, at the end of the text."""
        window = min(WINDOW, len(self._text))
        if window:
            self._examine(window, len(self._text) - (window - 1))
        return self.best

    def _examine(self, window: int, stop: int) -> None:
        """Examine the windows before the one that starts at `stop`."""
        if stop <= self._examined:
            return
        sums = sliding_window_view(self._rows, window, axis=1).sum(axis=2)  # (R, M)
        weights = _weigh(sums).round(DIGITS)  # (M,)
        reach = max(1, window - 1)  # number of windows on each side that overlap
        padding = np.full(reach, -np.inf)
        padded = np.concatenate([padding, weights, padding])  # (M + 2 · reach,)
        largest = sliding_window_view(padded, reach).max(axis=1)  # (M + reach + 1,)
        before, after = largest[: len(weights)], largest[reach + 1 :]  # (M,) each
        peaks = np.flatnonzero((weights > 0) & (weights > before) & (weights >= after))
        peaks = peaks[(peaks >= self._examined) & (peaks < stop)]
        order = peaks[np.argsort(-weights[peaks], kind="stable")][:COUNT]
        found = [*self.best, *(self._build(int(n), window, sums[:, n]) for n in order)]
        self.best = sorted(found, key=lambda passage: (-round(passage.weight, DIGITS), passage[:2]))[:COUNT]
        self._examined = stop

    def _build(self, n: int, window: int, sums: Array) -> Passage:
        line, column = self._find_place(n)
        return Passage(line, column, self._text[n : n + window], tuple((sums / window).tolist()))

    def _find_place(self, n: int) -> tuple[int, int]:
        newlines, ends = (self._text.count(character, 0, n) for character in ("\n", END))
        last = max(self._text.rfind(character, 0, n) for character in ("\n", END))
        return self._line + newlines + ends * self._newlines_at_end, self._column + n if last < 0 else n - last

    def _drop(self, count: int) -> None:
        """Drop the first characters, which overlap with no window that is still to be examined."""
        if count > 0:
            self._line, self._column = self._find_place(count)
            self._text, self._rows = self._text[count:], self._rows[:, count:]
            self._examined -= count


def _weigh(bits: Array) -> Array:
    """Return the weight of windows: (R, …) → (…)."""
    return np.asarray(bits[0] if len(bits) == 1 else np.abs(bits[1] - bits[0]))
