"""The view of what each unit tracks: how well its memory separates the characters where something is the case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from charlstm.base.config import check_choice
from charlstm.base.errors import ConfigError, named, show_value
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.inspection.quantities import list_units
from charlstm.inspection.questions import QUESTIONS, answer, match_pattern
from charlstm.inspection.ranking import Labels, Ranking, rank_units
from charlstm.inspection.span_search import search_span
from charlstm.inspection.trace import read_activations
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.model.model import BLOCK, Model

ROWS = 10
MOST_KEPT = 1 << 28  # bytes of values that are kept for the second reading
THRESHOLD = (
    "The threshold is the 95th percentile of the best unit under shifted labels; scores below it are not significant."
    " Scores are exact to 0.001."
)


def view_units(
    model: Model, text: str, match: str | None = None, question: str | None = None, like: str | None = None
) -> View:
    """Rank all units by how well their memory answers one question, or find the best unit for each built-in question.

    Parameters
    ----------
    model
        The model.
    text
        The text. It is read twice, block by block, and needs no memory but for the labels, a byte or two a character.
        A text that is so short that its values need at most 256 MB is read once.
    match
        A regular expression; the question is whether a character is inside a match.
    question
        Name of a built-in question.
    like
        A span of a text, «TEXT[a:b]»; see `search_span`.

    Raises
    ------
    ConfigError
        If more than one of match, question and like is given, one of them is invalid, or the answer is the same at
        every character of the text.
    """
    given = [
        named(name) for name, value in (("match", match), ("question", question), ("like", like)) if value is not None
    ]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} ask different questions; give one of them")
    if like is not None:
        return search_span(model, text, like)
    if not given:
        asked = [name for name in QUESTIONS if name != "position in document" or ("\n" in text and END in text)]
        labels = {name: Labels(answer(name, text)) for name in asked}
        rankings = rank_units(Memories(model, text), labels)
        dashes = any(np.isnan(ranking.scores).any() for ranking in rankings.values())
        remark = "A dash means that the answer is the same at every character of the text."
        table = _build_best_table(model, rankings)
        return View({"best unit for each question": table}, (THRESHOLD, *_remark(rankings), *[remark] * dashes))
    if match is not None:
        name, answers = f"inside {match}", match_pattern(text, match)
    else:
        name = check_choice("question", question, QUESTIONS)
        answers = answer(name, text)
    one = Labels(answers)
    if not one.scale:
        raise ConfigError(
            f"the answer to {show_value(name)} is the same at every character; give a text in which it differs"
        )
    ranking = rank_units(Memories(model, text), {name: one})[name]
    return View({name: _build_ranking_table(model, ranking)}, (THRESHOLD, *_remark({name: ranking})))


def _remark(rankings: Mapping[str, Ranking]) -> list[str]:
    """Return a remark that names the questions for which the text is too short; none if it is long enough for all."""
    names = [name for name, ranking in rankings.items() if ranking.text_is_short]
    if not names:
        return []
    return [
        f"The text is short for {', '.join(names)}: the answer and the units change so slowly that scores exceed the"
        " threshold by chance more often than in 5 % of cases; give a longer text."
    ]


class Memories:
    """The memory of every unit over a text, layer by layer, in blocks: (T, U) arrays.

    Each iteration reads the text, unless an earlier one could keep all values. The values have the order of the memory
    as it is shown, but are not crowded near −1 and 1.

    Parameters
    ----------
    model
        The model that reads.
    text
        The text.
    """

    def __init__(self, model: Model, text: str) -> None:
        self._model, self._ids = model, model.vocabulary.encode(text)  # (N,)
        size = len(self._ids) * len(list_units(model.network.config)) * np.dtype(np.float32).itemsize
        self._keeps, self._kept = size <= MOST_KEPT, list[Array]()

    def __iter__(self) -> Iterator[Array]:
        if not self._keeps:
            return self._read()
        self._kept = self._kept or list(self._read())
        return iter(self._kept)

    def _read(self) -> Iterator[Array]:
        blocks: list[Array] = []
        count, cell = 0, self._model.network.cell
        for _, layers in read_activations(self._model, self._ids, [cell.memory]):
            blocks.append(np.concatenate([cell.unsquash_memory(layer) for layer in layers], axis=1))  # (T, U)
            count += len(blocks[-1])
            if count >= BLOCK:
                yield np.concatenate(blocks)
                blocks, count = [], 0
        if blocks:
            yield np.concatenate(blocks)


def _build_ranking_table(model: Model, ranking: Ranking) -> Table:
    """Return one row per unit, best first."""
    order = np.argsort(-np.abs(ranking.scores), kind="stable")  # (U,)
    units = list_units(model.network.config)
    columns = (
        Column("unit", [str(units[k]) for k in order], Kind.TEXT),
        Column(ranking.measure, ranking.unsigned()[order], Kind.SHARE),
        Column("value is", ["higher" if ranking.scores[k] > 0 else "lower" for k in order], Kind.TEXT),
        Column("threshold", np.full(len(order), ranking.unsigned_threshold), Kind.SHARE),
        Column("significant", ["yes" if ranking.is_significant(k) else "no" for k in order], Kind.TEXT),
    )
    return Table(columns, head=ROWS)


def _build_best_table(model: Model, rankings: Mapping[str, Ranking]) -> Table:
    """Return one row per question, with the unit that answers it best."""
    units = list_units(model.network.config)
    rows: list[tuple[str, str, str, float, str, float, str]] = []
    for name, ranking in rankings.items():
        if np.isnan(ranking.scores).any():
            rows.append((name, "-", "-", np.nan, "-", np.nan, "-"))
            continue
        best = int(np.abs(ranking.scores).argmax())
        direction = "higher" if ranking.scores[best] > 0 else "lower"
        significant = "yes" if ranking.is_significant(best) else "no"
        score = float(ranking.unsigned()[best])
        rows.append(
            (name, str(units[best]), ranking.measure, score, direction, ranking.unsigned_threshold, significant)
        )
    names = ("question", "unit", "measure", "score", "value is", "threshold", "significant")
    kinds = (Kind.TEXT, Kind.TEXT, Kind.TEXT, Kind.SHARE, Kind.TEXT, Kind.SHARE, Kind.TEXT)
    columns = zip(names, zip(*rows, strict=True), kinds, strict=True)
    return Table(tuple(Column(name, list(values), kind) for name, values, kind in columns))
