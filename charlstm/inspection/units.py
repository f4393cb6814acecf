"""The view of what each unit tracks: how well its memory tells where in a text something is the case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.questions import QUESTIONS, matching
from charlstm.inspection.ranking import Answers, Ranking, rank
from charlstm.inspection.trace import read
from charlstm.inspection.unit import every_unit
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.model.model import BLOCK, Model
from charlstm.parameters import Array

SHOWN = 10


def units(model: Model, text: str, match: str | None = None, question: str | None = None) -> View:
    """Rank all units by how well their memory answers a question, or find the best unit for each built-in question.

    Parameters
    ----------
    model
        Whose units are asked.
    text
        What it reads, block by block: its length costs no memory but for the answers, a byte or two a character each.
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
    asks = QUESTIONS if match is None else {f"inside {match}": lambda text: matching(text, match)}
    asked = {name: Answers(ask(text)) for name, ask in asks.items() if question in (None, name)}
    if question is not None or match is not None:
        ((name, answers),) = asked.items()
        if not answers.scale:
            raise ConfigError(f"the text answers {name!r} the same at every character; give one where it differs")
    rankings = rank(memories(model, text), asked)
    single = match is not None or question is not None
    parts = _ranked(model, *rankings.items()) if single else _best(model, rankings)
    remarks = ["Chance is what the best of all units reaches by luck in one of twenty cases."]
    if not single and any(np.isnan(ranking.scores).any() for ranking in rankings.values()):
        remarks.append("Where there is a dash, the text answers the question the same at every character.")
    return View(parts, tuple(remarks))


def memories(model: Model, text: str) -> Iterator[Array]:
    """Read a text and yield what every unit remembers, layer by layer, in blocks: (T, U) arrays.

    It is in the order of the memory as it is shown, but not crowded where that is near −1 or 1.
    """
    held, count = [], 0
    for _, layers in read(model, model.vocabulary.encode(text)):
        held.append(np.concatenate([model.network.cell.unsquash_memory(layer) for layer in layers], axis=1))  # (T, U)
        count += len(held[-1])
        if count >= BLOCK:
            yield np.concatenate(held)
            held, count = [], 0
    if held:
        yield np.concatenate(held)


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
