"""How well values tell where in a text something is the case, and how well luck would.

A yes-or-no question is scored by the area under the ROC curve: the probability that the value is higher at a random
character inside than at a random one outside (Mann & Whitney 1947). ½ says nothing, 1 and 0 tell apart without fault. A
question whose answer is a number is scored by the rank correlation (Spearman 1904), 0 for none, 1 and −1 for a perfect
one.

The best of many units scores well by luck. How well, is measured: the answers are shifted round the text, which keeps
their rhythm and breaks every link to the units, and the best score of all units is noted, for many shifts. Only one in
twenty of these is above the chance level.

The values go by, and only how many fell between which edges is kept. The edges are all values of the first block and a
grid: within one block nothing is lost, and of a longer text values that fall between the same two edges count as equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import NamedTuple

import numpy as np

from charlstm.parameters import Array
from charlstm.randomness import Purpose, generator

EVEN = np.linspace(-1.0, 1.0, 257)  # (257,)
GRID = np.concatenate([EVEN, np.tanh(8.0 * EVEN)])  # what a saturated memory holds is told apart, too; (514,)
SHIFTS = 199
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
    """A question's answers at the characters of a text, in as few bytes as tell them apart.

    Parameters
    ----------
    answers : (N,) array
        0 and 1, or numbers.

    Attributes
    ----------
    yes_or_no : bool
        Whether they are 0 and 1.
    count : int
        How many there are (N).
    scale : float
        What a sum of places times answers is divided by, besides the size of the places where they are numbers.
    """

    def __init__(self, answers: Array) -> None:
        distinct = np.unique(answers)
        self._codes: Array = distinct.searchsorted(answers).astype(np.min_scalar_type(len(distinct) - 1))  # (N,)
        counts = np.bincount(self._codes, minlength=len(distinct))
        self.count = len(answers)
        self.yes_or_no = bool(np.isin(distinct, (0, 1)).all())
        self._worth = distinct - float(answers.mean()) if self.yes_or_no else _middles(counts)  # (distinct,)
        inside = float(answers.sum())
        of_numbers = float(np.sqrt((counts * self._worth**2).sum()))
        self.scale = inside * (self.count - inside) if self.yes_or_no else of_numbers

    def at(self, places: Array) -> Array:
        """Return the answers at some characters less their mean, of numbers their places, counted from the middle."""
        return np.asarray(self._worth.take(self._codes.take(places)))


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
    return {name: tally.ranking(name) for name in asked}


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
        self._asked = asked
        self._edges = _edges(first)  # (U, K − 1)
        U, N = first.shape[1], next(iter(asked.values())).count
        self._read = 0
        self._counts = np.zeros((U, self._edges.shape[1] + 1))  # (U, K)
        self._sums = {name: np.zeros_like(self._counts) for name in asked}
        self._shifts = generator(0, Purpose.CHANCE).integers(max(1, N // 10), max(2, N - N // 10), SHIFTS)  # (SHIFTS,)
        self._by_luck = {name: np.zeros((SHIFTS, U)) for name in asked}

    def add(self, values: Array) -> None:
        """Count the next block, a (T, U) array."""
        here = np.arange(self._read, self._read + len(values))  # (T,)
        between = _between(self._edges, values)  # (U, T)
        flat, shape = between.reshape(-1), self._counts.shape
        self._counts += np.bincount(flat, minlength=self._counts.size).reshape(shape)
        self._read += len(values)
        # Places among all values are known only in the end; for luck those among the values so far will do.
        places = (_middles(self._counts) / self._read).astype(np.float32).take(between)  # (U, T)
        for name, answers in self._asked.items():
            y = np.tile(answers.at(here), len(between))  # (U·T,)
            self._sums[name] += np.bincount(flat, y, self._counts.size).reshape(shape)
            shifted = answers.at((here - self._shifts[:, None]) % answers.count).astype(np.float32)  # (SHIFTS, T)
            self._by_luck[name] += shifted @ places.T  # (SHIFTS, U)

    def ranking(self, name: str) -> Ranking:
        """Return how well the units answer a question."""
        answers, middles = self._asked[name], _middles(self._counts)  # (U, K)
        sums = (middles * self._sums[name]).sum(axis=1)  # (U,)
        sizes = np.sqrt((self._counts * middles * middles).sum(axis=1))  # (U,)
        scale = answers.scale * (np.ones_like(sizes) if answers.yes_or_no else sizes)  # (U,)
        scores = np.concatenate([sums[None], self._read * self._by_luck[name]])  # (1 + SHIFTS, U)
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = np.where(scale > 0, scores / scale, 0.0 if answers.scale else np.nan)
        chance = float(np.quantile(np.abs(scores[1:]).max(axis=1), LEVEL))
        return Ranking(scores[0], chance, answers.yes_or_no)


def rank_correlation(one: Array, other: Array) -> float:
    """Return Spearman's correlation of two (N,) arrays; 0 where one of them is constant."""
    a, b = _ranks(one), _ranks(other)  # (N,) each
    return float(a @ b / (np.sqrt((a @ a) * (b @ b)) or 1.0))


def _edges(values: Array) -> Array:
    """Return between which values those to come are told apart: all of the first block, and a grid; (U, K − 1)."""
    grid = np.tile(GRID.astype(values.dtype)[:, None], (1, values.shape[1]))  # (514, U)
    return np.ascontiguousarray(np.sort(np.concatenate([values, grid]), axis=0).T)


def _between(edges: Array, values: Array) -> Array:
    """Return between which edges each value of each unit falls, the units' counted one after another: (U, T)."""
    rows = zip(edges, np.ascontiguousarray(values.T), strict=True)
    found = np.stack([some.searchsorted(row) for some, row in rows])  # (U, T)
    return np.asarray(found + np.arange(len(found))[:, None] * (edges.shape[1] + 1))


def _middles(counts: Array) -> Array:
    """Return the place of values among all, counted from the middle, of how often each of them occurs: (…, K)."""
    return np.asarray(np.cumsum(counts, axis=-1) - counts / 2.0 - counts.sum(axis=-1, keepdims=True) / 2.0)


def _ranks(values: Array) -> Array:
    """Return the place of each value among all, equal ones sharing theirs, counted from the middle: (N,) float64."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(_middles(count)[place.reshape(-1)])
