"""How well values tell where in a text something is the case, and how well luck would.

A yes-or-no question is scored by the area under the ROC curve: the probability that the value is higher at a random
character inside than at a random one outside (Mann & Whitney 1947). ½ says nothing, 1 and 0 tell apart without fault. A
question whose answer is a number is scored by the rank correlation (Spearman 1904), 0 for none, 1 and −1 for a perfect
one.

The best of many units scores well by luck. How well, is measured: the answers are shifted round the text, which keeps
their rhythm and breaks every link to the units, and the best score of all units is noted, for many shifts. Only one in
twenty of these is above the chance level.

The values go by, and only how many fell on which step of a scale is kept. Of a text of one block each value has a step
of its own. Of a longer one there are a thousand steps, close together where the values of the first block are, and
values on the same one count as equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from charlstm.parameters import Array
from charlstm.randomness import Purpose, generator

STEPS = 1024
STEPS_EACH = 64  # so many to a factor of e, away from the middle
SPREAD = 8.0  # so many times closer than the deviation the steps are even
LEAST_SPREAD = 0.005
SHIFTS = 199
RENEWED_AFTER = 1.1
LEVEL = 0.95


class Ranking(NamedTuple):
    """How well each unit answers a question.

    Attributes
    ----------
    scores : (U,) array
        Area under the ROC curve less ½, or rank correlation; with its sign. NaN where the text does not ask.
    chance : float
        The size that the best of all units reaches by luck in one of twenty cases.
    yes_or_no : bool
        Which of the two the scores are.
    """

    scores: Array
    chance: float
    yes_or_no: bool

    def shown(self) -> Array:
        """Return the scores as they are told: areas, or correlations, of either sign counted as good; (U,)."""
        return np.abs(self.scores) + 0.5 * self.yes_or_no


class Answers:
    """A question's answers at the characters of a text, in a byte or two each.

    Parameters
    ----------
    answers : (N,) array
        0 and 1, or numbers.

    Attributes
    ----------
    count : int
        How many there are (N).
    yes_or_no : bool
        Whether they are 0 and 1.
    codes : (N,) array
        The answers 0 and 1; or the place of each among all numbers, counted from the middle, in units of `unit`: a half
        of one, or more where that would need more than 16 bits.
    unit, middle : float
        What is scored are the codes less the middle, in these units.
    scale : float
        What a sum of places times answers is divided by, besides the size of the places where they are numbers.
    """

    def __init__(self, answers: Array) -> None:
        distinct, counts = np.unique(answers, return_counts=True)
        self.count = len(answers)
        self.yes_or_no = bool(np.isin(distinct, (0, 1)).all())
        if self.yes_or_no:
            self.codes = answers.astype(bool)  # (N,)
            self.unit, self.middle = 1.0, float(answers.mean())
            inside = float(answers.sum())
            self.scale = inside * (self.count - inside)
            return
        self.unit, self.middle = max(0.5, self.count / (2 * np.iinfo(np.int16).max)), 0.0
        codes = np.rint(_middles(counts) / self.unit).astype(np.int16)  # (distinct,)
        self.codes = codes.take(distinct.searchsorted(answers))  # (N,)
        self.scale = self.unit * float(np.sqrt((counts * codes.astype(float) ** 2).sum()))

    def shifted(self, begins: Array, T: int) -> Array:
        """Return what is scored of T answers from some characters on, counted round the text: (B, T) float32."""
        begins = begins % self.count  # (B,)
        codes = sliding_window_view(self.codes, T)[np.minimum(begins, self.count - T)]  # (B, T)
        for row in np.flatnonzero(begins > self.count - T):
            codes[row] = self.codes.take(np.arange(begins[row], begins[row] + T), mode="wrap")
        scored: Array = np.multiply(codes, np.float32(self.unit), dtype=np.float32)  # (B, T)
        scored -= np.float32(self.middle)
        return scored


def rank(blocks: Iterable[Array], asked: Mapping[str, Answers]) -> dict[str, Ranking]:
    """Score units by each question.

    Parameters
    ----------
    blocks : iterable of (T, U) arrays
        What each unit holds at each character, block after block; N characters in all. A few large blocks are read
        faster than many small ones.
    asked
        Name of a question → its N answers.
    """
    others = iter(blocks)
    first = next(others)
    tally = _Tally(first, asked)
    for values in chain([first], others):
        tally.add(values)
    unasked = np.full(first.shape[1], np.nan)  # (U,)
    return {
        name: tally.ranking(name) if answers.scale else Ranking(unasked, np.nan, answers.yes_or_no)
        for name, answers in asked.items()
    }


class _Tally:
    """What is kept of values that go by.

    Parameters
    ----------
    first : (T, U) array
        The first block.
    asked
        The questions.
    """

    def __init__(self, first: Array, asked: Mapping[str, Answers]) -> None:
        N, U = next(iter(asked.values())).count, first.shape[1]
        self._asked = {name: answers for name, answers in asked.items() if answers.scale}
        self._scale: _OfOneBlock | _OfMany = _OfOneBlock(first) if len(first) == N else _OfMany(first)
        self._read, self._renewed = 0, 0
        self._counts = np.zeros((U, self._scale.steps))  # (U, K)
        self._places = np.zeros(0, np.float32)
        self._sums = {name: np.zeros_like(self._counts) for name in self._asked}
        self._shifts = generator(0, Purpose.CHANCE).integers(max(1, N // 10), max(2, N - N // 10), SHIFTS)  # (SHIFTS,)
        self._by_luck = {name: np.zeros((SHIFTS, U)) for name in self._asked}

    def add(self, values: Array) -> None:
        """Count the next block, a (T, U) array."""
        T, U = values.shape
        step = self._scale.of(values) + np.arange(U)[:, None] * self._scale.steps  # (U, T)
        shape = self._counts.shape
        self._counts += np.bincount(step.reshape(-1), minlength=self._counts.size).reshape(shape)
        begins = self._read - self._shifts  # (SHIFTS,)
        self._read += T
        if self._read >= self._renewed * RENEWED_AFTER:
            # Places among all values are known only in the end; for luck those among the values so far will do.
            self._places = (_middles(self._counts) / self._read).astype(np.float32)  # (U, K)
            self._renewed = self._read
        places = self._places.take(step)  # (U, T)
        for name, answers in self._asked.items():
            codes = answers.codes[self._read - T : self._read]  # (T,)
            some = np.flatnonzero(codes)
            weights = None if answers.yes_or_no else np.tile(codes[some], U)
            self._sums[name] += np.bincount(step[:, some].reshape(-1), weights, self._counts.size).reshape(shape)
            self._by_luck[name] += answers.shifted(begins, T) @ places.T  # (SHIFTS, U)

    def ranking(self, name: str) -> Ranking:
        """Return how well the units answer a question."""
        answers, middles = self._asked[name], _middles(self._counts)  # (U, K)
        scored = answers.unit * self._sums[name] - answers.middle * self._counts  # (U, K)
        sums = (middles * scored).sum(axis=1)  # (U,)
        sizes = np.sqrt((self._counts * middles * middles).sum(axis=1))  # (U,)
        scale = answers.scale * (np.ones_like(sizes) if answers.yes_or_no else sizes)  # (U,)
        scores = np.concatenate([sums[None], self._read * self._by_luck[name]])  # (1 + SHIFTS, U)
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = np.where(scale > 0, scores / scale, 0.0)
        chance = float(np.quantile(np.abs(scores[1:]).max(axis=1), LEVEL))
        return Ranking(scores[0], chance, answers.yes_or_no)


def rank_correlation(one: Array, other: Array) -> float:
    """Return Spearman's correlation of two (N,) arrays; 0 where one of them is constant."""
    a, b = _ranks(one), _ranks(other)  # (N,) each
    return float(a @ b / (np.sqrt((a @ a) * (b @ b)) or 1.0))


class _OfOneBlock:
    """A scale on which each of the values that it is made of has a step of its own."""

    def __init__(self, values: Array) -> None:
        self._sorted = np.sort(values, axis=0).T  # (U, T)
        self.steps = len(values) + 1

    def of(self, values: Array) -> Array:
        """Return the steps of (T, U) values: (U, T)."""
        return np.stack([known.searchsorted(row) for known, row in zip(self._sorted, values.T, strict=True)])


class _OfMany:
    """A scale for values like those that it is made of: even steps near their mean, ever wider ones away from it."""

    def __init__(self, values: Array) -> None:
        self._mean = values.mean(axis=0)[:, None]  # (U, 1)
        self._spread = np.maximum(values.std(axis=0)[:, None] / SPREAD, LEAST_SPREAD).astype(values.dtype)  # (U, 1)
        self.steps = STEPS

    def of(self, values: Array) -> Array:
        """Return the steps of (T, U) values: (U, T)."""
        far = np.arcsinh((values.T - self._mean) / self._spread)  # (U, T)
        return np.asarray(np.clip(STEPS_EACH * far + STEPS // 2, 0, STEPS - 1).astype(np.intp))


def _middles(counts: Array) -> Array:
    """Return the place of values among all, counted from the middle, of how often each of them occurs: (…, K)."""
    return np.asarray(np.cumsum(counts, axis=-1) - counts / 2.0 - counts.sum(axis=-1, keepdims=True) / 2.0)


def _ranks(values: Array) -> Array:
    """Return the place of each value among all, equal ones sharing theirs, counted from the middle: (N,) float64."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(_middles(count)[place.reshape(-1)])
