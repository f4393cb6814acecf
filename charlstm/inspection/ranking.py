"""Score how well values separate the characters of a text by a label, and how well chance would.

A yes-or-no label is scored by the area under the ROC curve: the probability that the value is higher at a random
character inside than at a random one outside (Mann & Whitney 1947). ½ is no separation, 1 and 0 are perfect. A numeric
label is scored by the rank correlation (Spearman 1904): 0 is none, 1 and −1 are perfect.

The best of many units scores well by chance. To measure how well, the labels are shifted around the text, which keeps
their rhythm and breaks every link to the units, and the best score of all units is taken, for many shifts. The
threshold is the 95th percentile of these scores.

The values arrive in blocks, and only a histogram is kept of them. For a text of one block each value has a bin of its
own. For longer texts there are a thousand bins, narrow where the values of the first block are dense, and values in the
same bin count as equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from charlstm.base.parameters import Array
from charlstm.base.randomness import Purpose, generator

BINS = 1024
BINS_PER_E = 64  # bins per factor of e, away from the middle
SPREAD = 8.0  # the bins are even within the standard deviation divided by this
LEAST_SPREAD = 0.005
SHIFTS = 199
GROWTH = 1.1  # the ranks for shifted labels are renewed when the text read has grown by this factor
LEVEL = 0.95


class Ranking(NamedTuple):
    """How well each unit separates by a label.

    Attributes
    ----------
    scores : (U,) array
        Area under the ROC curve minus ½, or rank correlation; signed. NaN where the label is the same everywhere.
    threshold : float
        95th percentile of the largest absolute score of all units under shifted labels.
    yes_or_no : bool
        True: the scores are areas; False: correlations.
    """

    scores: Array
    threshold: float
    yes_or_no: bool

    @property
    def measure(self) -> str:
        """What the scores are."""
        return "ROC AUC" if self.yes_or_no else "correlation"

    def unsigned(self) -> Array:
        """Return areas of at least ½, or absolute correlations: (U,)."""
        return np.abs(self.scores) + 0.5 * self.yes_or_no

    @property
    def unsigned_threshold(self) -> float:
        """The threshold of the unsigned scores."""
        return self.threshold + 0.5 * self.yes_or_no

    def is_significant(self, unit: int) -> bool:
        """Return True if the score of a unit is above the threshold."""
        return bool(np.abs(self.scores[unit]) > self.threshold)


class Labels:
    """The labels of the characters of a text, in one or two bytes each.

    Parameters
    ----------
    labels : (N,) array
        0 and 1, or numbers.

    Attributes
    ----------
    count : int
        Number of labels (N).
    yes_or_no : bool
        True if the labels are 0 and 1.
    codes : (N,) array
        The labels 0 and 1; or the rank of each number, relative to the mean rank, in multiples of `unit`.
    unit, middle : float
        The score uses (code − middle) · unit. The unit is ½, or larger where ranks would not fit 16 bits.
    scale : float
        Divisor of a sum of ranks times labels; for numbers it is divided by the norm of the ranks as well. 0 if all
        labels are equal.
    """

    def __init__(self, labels: Array) -> None:
        distinct, counts = np.unique(labels, return_counts=True)
        self.count = len(labels)
        self.yes_or_no = bool(np.isin(distinct, (0, 1)).all())
        if self.yes_or_no:
            self.codes = labels.astype(bool)  # (N,)
            self.unit, self.middle = 1.0, float(labels.mean())
            inside = float(labels.sum())
            self.scale = inside * (self.count - inside)
            return
        self.unit, self.middle = max(0.5, self.count / (2 * np.iinfo(np.int16).max)), 0.0
        codes = np.rint(_centred_ranks(counts) / self.unit).astype(np.int16)  # (distinct,)
        self.codes = codes.take(distinct.searchsorted(labels))  # (N,)
        self.scale = self.unit * float(np.sqrt((counts * codes.astype(float) ** 2).sum()))

    def shift(self, starts: Array, T: int) -> Array:
        """Return T label values from some characters on, wrapping around the end of the text: (B, T) float32."""
        starts = starts % self.count  # (B,)
        codes = sliding_window_view(self.codes, T)[np.minimum(starts, self.count - T)]  # (B, T)
        for row in np.flatnonzero(starts > self.count - T):
            codes[row] = self.codes.take(np.arange(starts[row], starts[row] + T), mode="wrap")
        values: Array = np.multiply(codes, np.float32(self.unit), dtype=np.float32)  # (B, T)
        values -= np.float32(self.middle)
        return values


def rank_units(blocks: Iterable[Array], labels: Mapping[str, Labels]) -> dict[str, Ranking]:
    """Score units by each label.

    Parameters
    ----------
    blocks : iterable of (T, U) arrays
        The values of each unit, block by block, N characters in all. Few large blocks are faster than many small ones.
    labels
        Name → N labels.
    """
    others = iter(blocks)
    first = next(others)
    histogram = _Histogram(first, labels)
    for values in chain([first], others):
        histogram.add(values)
    no_scores = np.full(first.shape[1], np.nan)  # (U,)
    return {
        name: histogram.rank(name) if one.scale else Ranking(no_scores, np.nan, one.yes_or_no)
        for name, one in labels.items()
    }


class _Histogram:
    """The histogram of values that arrive in blocks, with the sums of their labels.

    Parameters
    ----------
    first : (T, U) array
        The first block.
    labels
        Name → N labels.
    """

    def __init__(self, first: Array, labels: Mapping[str, Labels]) -> None:
        N, U = next(iter(labels.values())).count, first.shape[1]
        self._labels = {name: one for name, one in labels.items() if one.scale}
        self._bins: _BinPerValue | _EvenBins = _BinPerValue(first) if len(first) == N else _EvenBins(first)
        self._read, self._renewed = 0, 0
        self._counts = np.zeros((U, self._bins.count))  # (U, K)
        self._ranks = np.zeros(0, np.float32)
        self._sums = {name: np.zeros_like(self._counts) for name in self._labels}
        self._shifts = generator(0, Purpose.CHANCE).integers(max(1, N // 10), max(2, N - N // 10), SHIFTS)  # (SHIFTS,)
        self._shifted_sums = {name: np.zeros((SHIFTS, U)) for name in self._labels}

    def add(self, values: Array) -> None:
        """Count the next block, a (T, U) array."""
        T, U = values.shape
        bins = self._bins.find(values) + np.arange(U)[:, None] * self._bins.count  # (U, T)
        shape = self._counts.shape
        self._counts += np.bincount(bins.reshape(-1), minlength=self._counts.size).reshape(shape)
        starts = self._read - self._shifts  # (SHIFTS,)
        self._read += T
        if self._read >= self._renewed * GROWTH:
            # The ranks among all values are known only at the end; for shifted labels those so far are close enough.
            self._ranks = (_centred_ranks(self._counts) / self._read).astype(np.float32)  # (U, K)
            self._renewed = self._read
        ranks = self._ranks.take(bins)  # (U, T)
        for name, labels in self._labels.items():
            codes = labels.codes[self._read - T : self._read]  # (T,)
            some = np.flatnonzero(codes)
            weights = None if labels.yes_or_no else np.tile(codes[some], U)
            self._sums[name] += np.bincount(bins[:, some].reshape(-1), weights, self._counts.size).reshape(shape)
            self._shifted_sums[name] += labels.shift(starts, T) @ ranks.T  # (SHIFTS, U)

    def rank(self, name: str) -> Ranking:
        """Return the scores of the units by a label."""
        labels, ranks = self._labels[name], _centred_ranks(self._counts)  # (U, K)
        values = labels.unit * self._sums[name] - labels.middle * self._counts  # (U, K)
        sums = (ranks * values).sum(axis=1)  # (U,)
        norms = np.sqrt((self._counts * ranks * ranks).sum(axis=1))  # (U,)
        scale = labels.scale * (np.ones_like(norms) if labels.yes_or_no else norms)  # (U,)
        scores = np.concatenate([sums[None], self._read * self._shifted_sums[name]])  # (1 + SHIFTS, U)
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = np.where(scale > 0, scores / scale, 0.0)
        threshold = float(np.quantile(np.abs(scores[1:]).max(axis=1), LEVEL))
        return Ranking(scores[0], threshold, labels.yes_or_no)


def rank_correlation(one: Array, other: Array) -> float:
    """Return Spearman's rank correlation of two (N,) arrays; 0 if one of them is constant.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 5.0, 9.0]), np.array([2.0, 3.0, 100.0]))
    1.0
    """
    a, b = _rank(one), _rank(other)  # (N,) each
    return float(a @ b / (np.sqrt((a @ a) * (b @ b)) or 1.0))


class _BinPerValue:
    """Bins, one for each of the values that they are made from."""

    def __init__(self, values: Array) -> None:
        self._sorted = np.sort(values, axis=0).T  # (U, T)
        self.count = len(values) + 1

    def find(self, values: Array) -> Array:
        """Return the bins of (T, U) values: (U, T)."""
        return np.stack([known.searchsorted(row) for known, row in zip(self._sorted, values.T, strict=True)])


class _EvenBins:
    """Bins that are even near the mean of the values that they are made from, and ever wider away from it."""

    def __init__(self, values: Array) -> None:
        self._mean = values.mean(axis=0)[:, None]  # (U, 1)
        self._spread = np.maximum(values.std(axis=0)[:, None] / SPREAD, LEAST_SPREAD).astype(values.dtype)  # (U, 1)
        self.count = BINS

    def find(self, values: Array) -> Array:
        """Return the bins of (T, U) values: (U, T)."""
        distance = np.arcsinh((values.T - self._mean) / self._spread)  # (U, T)
        return np.asarray(np.clip(BINS_PER_E * distance + BINS // 2, 0, BINS - 1).astype(np.intp))


def _centred_ranks(counts: Array) -> Array:
    """Return the mean rank of the values in each bin minus that of all values, from (…, K) counts of ascending bins."""
    return np.asarray(np.cumsum(counts, axis=-1) - counts / 2.0 - counts.sum(axis=-1, keepdims=True) / 2.0)


def _rank(values: Array) -> Array:
    """Return the rank of each value minus the mean rank, equal values sharing theirs: (N,) float64."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(_centred_ranks(count)[place.reshape(-1)])
