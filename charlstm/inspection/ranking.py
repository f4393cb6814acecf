"""Score how well values separate the characters of a text by a label, and how well chance would.

A yes-or-no label is scored by the area under the ROC curve: the probability that the value is higher at a random
character inside than at a random one outside (Mann & Whitney 1947). ½ is no separation, 1 and 0 are perfect. A numeric
label is scored by the rank correlation (Spearman 1904): 0 is none, 1 and −1 are perfect.

The best of many units scores well by chance. To measure how well, the labels are shifted along the text, which keeps
their rhythm and breaks every link to the units, and the best score of all units is taken, for many shifts over the
whole text. Shifted labels need a continuation after their end. If they start over, labels on both sides of the seam are
unrelated. This loses the covariance across the seam, and the 95th percentile is too low. If they continue with their
mirror image, labels at the same distance from the seam are equal. This adds covariance, and the percentile is too high.
Let the autocorrelations of the label and of a unit be exp(−k/l) and exp(−k/r) at a distance of k. With a = l·r/(l + r),
the covariance across a seam is proportional to Σ_k k·exp(−k/a) ≈ a². The first continuation has none of it; the second
has Σ_jk exp(−(j + k)/r − |j − k|/l) ≈ a·r. The threshold is the mean of both percentiles with the weights 1 − a/r and
a/r = l/(l + r), where r belongs to the slowest unit; the weight of the mirror image is at most ½. In a long text the
percentiles agree, and the mirror image is left out. In a text of less than about 17·a characters, shifts are too much
alike to replace independent labels, and the threshold is too low. benchmarks/chance.py measures how often the best unit
exceeds the threshold for labels that are independent of the text.

The values arrive in blocks, and the text is read twice. The first time a sample of the values is kept, which divides
them into bins of equal size: all values of a short text, one to a bin, or 1,024 bins for a long one. Values in the same
bin count as equal. The second time the values in each bin are counted, with their labels.

A score differs by less than 0.001 from that without bins. For an area: a pair of characters counts wrongly, by ½, only
if both are in the same bin. If p_k of the characters inside and q_k of those outside are in bin k, the area is wrong by
at most ½·Σ p_k·q_k ≤ ½·max q_k, where q is the larger group. It has at least half of all characters, so that
q_k ≤ 2/1024.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from charlstm.base.parameters import Array
from charlstm.base.randomness import Purpose, generator

BINS = 1024
SAMPLE = 8192  # characters whose values choose the bins
SHIFTS = 99  # with each of the two continuations
LEVEL = 0.95
LONGEST = 0.06  # a, as a share of the text, up to which the threshold holds
NEGLIGIBLE = 0.001  # covariance across the seam, as a share of the variance, up to which labels only start over


class Ranking(NamedTuple):
    """How well each unit separates by a label.

    Attributes
    ----------
    scores : (U,) array
        Area under the ROC curve minus ½, or rank correlation; signed. NaN where the label is the same everywhere.
    threshold : float
        95th percentile of the largest absolute score of all units under shifted labels. The best unit exceeds it in 5 %
        of cases if the labels are independent of the text.
    yes_or_no : bool
        True: the scores are areas; False: correlations.
    text_is_short : bool
        True: label and units change so slowly for this text that the threshold is too low.
    """

    scores: Array
    threshold: float
    yes_or_no: bool
    text_is_short: bool = False

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

    def shift(self, starts: Array, T: int, mirror: bool) -> Array:
        """Return T codes from some characters on: (B, T) float32.

        Parameters
        ----------
        starts : (B,) array
            Numbers of characters; the labels repeat after 2·N.
        T
            At most N.
        mirror
            True: the labels continue in reverse after the last one. False: they start over.
        """
        halves = (self.codes, self.codes[::-1] if mirror else self.codes)  # (N,) each
        codes = np.empty((len(starts), T), self.codes.dtype)  # (B, T)
        half, place = np.divmod(starts % (2 * self.count), self.count)  # (B,) each
        within = place <= self.count - T  # (B,)
        for which, run in enumerate(halves):
            rows = within & (half == which)  # (B,)
            codes[rows] = sliding_window_view(run, T)[place[rows]]
        for row in np.flatnonzero(~within):
            rest = halves[half[row]][place[row] :]
            codes[row] = np.concatenate([rest, halves[1 - half[row]][: T - len(rest)]])
        return codes.astype(np.float32)


def rank_units(blocks: Iterable[Array], labels: Mapping[str, Labels]) -> dict[str, Ranking]:
    """Score units by each label.

    Parameters
    ----------
    blocks : iterable of (T, U) arrays
        The values of each unit, block by block, N characters in all. They are read twice, so give a list or another
        iterable that starts anew. Few large blocks are faster than many small ones.
    labels
        Name → N labels.
    """
    N = next(iter(labels.values())).count
    positions = _choose_positions(N)  # (M,)
    sample = _sample(blocks, positions)  # (M, U)
    histogram = _Histogram(sample, positions, labels)
    for values in _split(sample) if len(sample) == N else blocks:
        histogram.add(values)
    no_scores = np.full(sample.shape[1], np.nan)  # (U,)
    return {
        name: histogram.rank(name) if one.scale else Ranking(no_scores, np.nan, one.yes_or_no)
        for name, one in labels.items()
    }


def _choose_positions(N: int) -> Array:
    """Return random characters of a text in their order, or all of a short one: (M,)."""
    return np.arange(N) if N <= SAMPLE else np.sort(generator(0, Purpose.CHANCE).choice(N, SAMPLE, replace=False))


def _sample(blocks: Iterable[Array], positions: Array) -> Array:
    """Return the values at (M,) characters: (M, U)."""
    found, read = [], 0
    for values in blocks:
        first, stop = np.searchsorted(positions, (read, read + len(values)))
        found.append(values[positions[first:stop] - read])
        read += len(values)
    return np.concatenate(found)


class _Histogram:
    """The histogram of values that arrive in blocks, with the sums of their labels.

    Parameters
    ----------
    sample : (M, U) array
        Values that choose the bins.
    positions : (M,) array
        Their characters.
    labels
        Name → N labels.
    """

    def __init__(self, sample: Array, positions: Array, labels: Mapping[str, Labels]) -> None:
        N, (M, U) = next(iter(labels.values())).count, sample.shape
        self._labels = {name: one for name, one in labels.items() if one.scale}
        K = min(M, BINS)
        self._edges = np.sort(sample, axis=0)[np.arange(1, K) * M // K - 1].T.copy()  # (U, K − 1)  the largest in a bin
        self._read, self._rank_sums = 0, np.zeros(U)
        self._counts = np.zeros((U, K))  # (U, K)
        self._sums = {name: np.zeros_like(self._counts) for name in self._labels}
        # The ranks among all values are known only at the end; for shifted labels those in the sample are close enough.
        known = np.zeros((U, K))  # (U, K)
        for values in _split(sample):
            known += self._count(self._find(values))
        self._ranks = (_centred_ranks(known) / M).astype(np.float32)  # (U, K)
        random, strata = generator(1, Purpose.CHANCE), np.arange(SHIFTS)  # (SHIFTS,)
        self._shifts = {
            mirror: ((strata + random.random(SHIFTS)) * period / SHIFTS).astype(np.intp)
            for mirror, period in ((False, N), (True, 2 * N))
        }  # (SHIFTS,) each, spread evenly
        slowest = max(map(_measure_persistence, sample.T))
        persistence = {name: _measure_persistence(one.codes[positions]) for name, one in self._labels.items()}
        across = {name: one * slowest / max(1.0, one + slowest) / M for name, one in persistence.items()}  # a / N
        self._weights = {name: _weigh(one, slowest, across[name]) for name, one in persistence.items()}
        self._short = {name for name, share in across.items() if share > LONGEST}
        self._shifted_sums = {
            name: {mirror: np.zeros((SHIFTS, U)) for mirror, weight in weights.items() if weight}
            for name, weights in self._weights.items()
        }

    def add(self, values: Array) -> None:
        """Count the next block, a (T, U) array."""
        T, U = values.shape
        bins = self._find(values)  # (U, T)
        self._counts += self._count(bins)
        ranks = self._ranks.take(bins)  # (U, T)
        for name, labels in self._labels.items():
            codes = labels.codes[self._read : self._read + T]  # (T,)
            some = np.flatnonzero(codes)
            self._sums[name] += self._count(bins[:, some], None if labels.yes_or_no else np.tile(codes[some], U))
            # Σ ranks·(code − middle): the middle is subtracted at the end
            for mirror, sums in self._shifted_sums[name].items():
                sums += labels.shift(self._read + self._shifts[mirror], T, mirror) @ ranks.T
        self._rank_sums += ranks.sum(axis=1, dtype=np.float64)
        self._read += T

    def rank(self, name: str) -> Ranking:
        """Return the scores of the units by a label."""
        labels, ranks = self._labels[name], _centred_ranks(self._counts)  # (U, K)
        values = labels.unit * self._sums[name] - labels.middle * self._counts  # (U, K)
        norms = np.sqrt((self._counts * ranks * ranks).sum(axis=1))  # (U,)
        scale = labels.scale * (np.ones_like(norms) if labels.yes_or_no else norms)  # (U,)

        def score(sums: Array) -> Array:
            """Return the scores (…, U) of sums of ranks times labels."""
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(scale > 0, sums / scale, 0.0)

        threshold = 0.0
        for mirror, sums in self._shifted_sums[name].items():
            shifted = score(self._read * labels.unit * (sums - labels.middle * self._rank_sums))  # (SHIFTS, U)
            threshold += self._weights[name][mirror] * _percentile(np.abs(shifted).max(axis=1))
        return Ranking(score((ranks * values).sum(axis=1)), threshold, labels.yes_or_no, name in self._short)

    def _find(self, values: Array) -> Array:
        """Return the bins of (T, U) values, numbered through all units: (U, T)."""
        K = self._edges.shape[1] + 1
        pairs = zip(self._edges, values.T, strict=True)
        return np.stack([edges.searchsorted(row) + unit * K for unit, (edges, row) in enumerate(pairs)])

    def _count(self, bins: Array, weights: Array | None = None) -> Array:
        """Return the number of values in each bin, or the sum of their weights: (U, K)."""
        return np.asarray(np.bincount(bins.reshape(-1), weights, self._counts.size).reshape(self._counts.shape))


def rank_correlation(one: Array, other: Array) -> float:
    """Return Spearman's rank correlation of two (N,) arrays; 0 if one of them is constant.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 5.0, 9.0]), np.array([2.0, 3.0, 100.0]))
    1.0
    """
    a, b = _rank(one), _rank(other)  # (N,) each
    return float(a @ b / (np.sqrt((a @ a) * (b @ b)) or 1.0))


def _measure_persistence(series: Array) -> int:
    """Return the distance at which the autocorrelation of an (M,) series falls below 1/e; 0 if it is constant."""
    spectrum = np.fft.rfft(series - series.mean(dtype=np.float64), 2 * len(series))
    covariances = np.fft.irfft(np.abs(spectrum) ** 2)[: len(series)]  # (M,)
    return int(np.argmax(covariances < covariances[0] / np.e))


def _weigh(label: float, unit: float, across: float) -> dict[bool, float]:
    """Return the weights of labels that start over and of those that turn back, from persistences and a / N."""
    weight = min(0.5, label / max(1.0, label + unit)) if across > NEGLIGIBLE else 0.0
    return {False: 1.0 - weight, True: weight}


def _split(values: Array) -> list[Array]:
    """Return (N, U) values in blocks of at most as many as there are bins."""
    return np.array_split(values, -(-len(values) // BINS))


def _percentile(best: Array) -> float:
    """Return the score that a further one exceeds with the probability 1 − LEVEL, from (SHIFTS,) scores like it."""
    return float(np.sort(best)[round(LEVEL * (len(best) + 1)) - 1])


def _centred_ranks(counts: Array) -> Array:
    """Return the mean rank of the values in each bin minus that of all values, from (…, K) counts of ascending bins."""
    return np.asarray(np.cumsum(counts, axis=-1) - counts / 2.0 - counts.sum(axis=-1, keepdims=True) / 2.0)


def _rank(values: Array) -> Array:
    """Return the rank of each value minus the mean rank, equal values sharing theirs: (N,) float64."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(_centred_ranks(count)[place.reshape(-1)])
