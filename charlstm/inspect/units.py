"""The view of what each unit tracks: how well its memory tells where in a text something is the case.

A yes-or-no question is scored by the area under the ROC curve: the probability that the unit's memory is higher at a
random character inside than at a random one outside (Mann & Whitney 1947). ½ says nothing, 1 and 0 tell apart without
fault. A question whose answer is a number is scored by the rank correlation (Spearman 1904), 0 for none, 1 and −1 for a
perfect one.

The best of many units scores well by luck. How well, is measured: the answers are shifted round the text, which keeps
their rhythm and breaks every link to the units, and the best score of all units is noted, for many shifts. Only one in
twenty of these is above the chance level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspect.cell import memory
from charlstm.inspect.questions import QUESTIONS, matching
from charlstm.inspect.trace import read
from charlstm.inspect.unit import every_unit
from charlstm.inspect.view import Column, Kind, Table, View
from charlstm.model import Model
from charlstm.parameters import Array
from charlstm.randomness import Purpose, generator

KEPT = 6_000_000  # numbers kept of a text, whatever its length and the network's size
PIECE = 256
SHIFTS = 199
TOGETHER = 25  # shifts in one product: fewer read the ranks more often, more need more memory
LEVEL = 0.95
SHOWN = 10


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


def units(model: Model, text: str, match: str | None = None, question: str | None = None) -> View:
    """Rank all units by how well their memory answers a question, or find the best unit for each built-in question.

    Parameters
    ----------
    model
        Whose units are asked.
    text
        What it reads. Of a long text, stretches spread evenly over it are scored, as much as a fixed memory holds.
    match
        A regular expression: who tells inside its matches from outside?
    question
        The name of a built-in question.

    Raises
    ------
    ConfigError
        If the pattern is none, both are given, or the text never answers yes, or always.
    """
    if match is not None and question is not None:
        raise ConfigError("a pattern and a question are both given; give one of them")
    kept = pieces(len(text), KEPT // len(every_unit(model.network.config)))  # (N,)
    asks = QUESTIONS if match is None else {f"inside {match}": lambda text: matching(text, match)}
    asked = {name: ask(text)[kept] for name, ask in asks.items() if question in (None, name)}  # (K,) each
    if question is not None or match is not None:
        ((name, answers),) = asked.items()
        if np.ptp(answers) == 0:
            raise ConfigError(f"the text answers {name!r} the same at every character; give one where it differs")
    rankings = rank(memories(model, text, kept), asked)
    read_of = f"{int(kept.sum()):,} of the {len(text):,} characters were scored" if not kept.all() else ""
    single = match is not None or question is not None
    parts = _ranked(model, *rankings.items()) if single else _best(model, rankings)
    remarks = ["Chance is what the best of all units reaches by luck in one of twenty cases."]
    if not single and any(np.isnan(ranking.scores).any() for ranking in rankings.values()):
        remarks.append("Where there is a dash, the text answers the question the same at every character.")
    return View(parts, tuple(remarks + ([f"{read_of}, in stretches spread evenly over it."] if read_of else [])))


def pieces(length: int, most: int) -> Array:
    """Return which characters of a text are kept: all, or stretches spread evenly over it; (N,) of truth values."""
    count = max(1, most // PIECE)
    if length <= count * PIECE:
        return np.ones(length, bool)
    kept = np.zeros(length, bool)  # (N,)
    for start in np.linspace(0, length - PIECE, count).astype(int):
        kept[start : start + PIECE] = True
    return kept


def memories(model: Model, text: str, kept: Array) -> Array:
    """Read a text and return the memory of every unit, layer by layer, at the characters that are kept: (K, U)."""
    blocks, start = [], 0
    for _, layers in read(model, model.vocabulary.encode(text)):
        values = np.concatenate([memory(layer) for layer in layers], axis=1)  # (T, U)
        blocks.append(values[kept[start : start + len(values)]])
        start += len(values)
    return np.concatenate(blocks)


def rank(values: Array, asked: Mapping[str, Array]) -> dict[str, Ranking]:
    """Score units by each question.

    Parameters
    ----------
    values : (N, U) array
        What each unit holds at each character.
    asked
        Name of a question → (N,) array, its answer at each character: 0 and 1, or numbers.
    """
    ranks = np.stack([_ranks(column) for column in values.T])  # (U, N)
    sizes = np.sqrt((ranks * ranks).sum(axis=1))  # (U,)
    rng = generator(0, Purpose.CHANCE)
    N = values.shape[0]
    shifts = [0, *rng.integers(max(1, N // 10), max(2, N - N // 10), SHIFTS).tolist()]
    together = [shifts[k : k + TOGETHER] for k in range(0, len(shifts), TOGETHER)]
    found = {}
    for name, answers in asked.items():
        yes_or_no = bool(np.isin(answers, (0, 1)).all())
        y = answers - answers.mean() if yes_or_no else _ranks(answers)  # (N,)
        inside = float(answers.sum())
        scale = inside * (N - inside) * np.ones_like(sizes) if yes_or_no else sizes * np.sqrt((y * y).sum())  # (U,)
        shifted = (np.stack([np.roll(y, shift) for shift in some]) for some in together)  # (TOGETHER, N) each
        scores = np.concatenate([rows @ ranks.T for rows in shifted])  # (1 + SHIFTS, U)
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = np.where(scale > 0, scores / scale, 0.0 if y.any() else np.nan)
        found[name] = Ranking(scores[0], float(np.quantile(np.abs(scores[1:]).max(axis=1), LEVEL)), yes_or_no)
    return found


def rank_correlation(one: Array, other: Array) -> float:
    """Return Spearman's correlation of two (N,) arrays; 0 where one of them is constant."""
    a, b = _ranks(one), _ranks(other)  # (N,) each
    return float(a @ b / (np.sqrt((a @ a) * (b @ b)) or 1.0))


def _ranks(values: Array) -> Array:
    """Return the place of each value among all, equal ones sharing theirs, counted from the middle: (N,) float64."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2.0  # (distinct,)
    return np.asarray(middle[place.reshape(-1)] - (len(values) + 1) / 2.0)


def _ranked(model: Model, named: tuple[str, Ranking]) -> dict[str, Table]:
    name, ranking = named
    order = np.argsort(-np.abs(ranking.scores), kind="stable")  # (U,)
    every = every_unit(model.network.config)
    above = np.abs(ranking.scores[order]) > ranking.chance  # (U,)
    columns = (
        Column("unit", [str(every[k]) for k in order], Kind.TEXT),
        _score(ranking, ranking.shown()[order]),
        Column("is", ["higher" if ranking.scores[k] > 0 else "lower" for k in order], Kind.TEXT),
        Column("chance", np.full(len(order), ranking.chance + 0.5 * ranking.yes_or_no), Kind.SHARE),
        Column("beats chance", ["yes" if yes else "no" for yes in above], Kind.TEXT),
    )
    return {name: Table(columns, head=SHOWN)}


def _score(ranking: Ranking, values: Array) -> Column:
    return Column("ROC area" if ranking.yes_or_no else "correlation", values, Kind.SHARE)


def _best(model: Model, rankings: Mapping[str, Ranking]) -> dict[str, Table]:
    every = every_unit(model.network.config)
    rows = []
    for name, ranking in rankings.items():
        if np.isnan(ranking.scores).any():
            rows.append((name, "-", "-", np.nan, "-", np.nan, "-"))
            continue
        best = int(np.abs(ranking.scores).argmax())
        measure, way = "ROC area" if ranking.yes_or_no else "correlation", ranking.scores[best] > 0
        level = ranking.chance + 0.5 * ranking.yes_or_no
        beyond = "yes" if abs(ranking.scores[best]) > ranking.chance else "no"
        score = float(ranking.shown()[best])
        rows.append((name, str(every[best]), measure, score, "higher" if way else "lower", level, beyond))
    names = ("question", "best unit", "measure", "score", "is", "chance", "beats chance")
    kinds = (Kind.TEXT, Kind.TEXT, Kind.TEXT, Kind.SHARE, Kind.TEXT, Kind.SHARE, Kind.TEXT)
    columns = [
        Column(name, list(values), kind)
        for name, kind, values in zip(names, kinds, zip(*rows, strict=True), strict=True)
    ]
    return {"what the units track": Table(tuple(columns))}
