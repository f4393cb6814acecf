"""Scores, cloze tests and comparisons with a corpus as results of the Python API, which a notebook shows."""

from __future__ import annotations

from html import escape

from charlstm.inspection.cloze import Cloze
from charlstm.inspection.novelty import Novelty
from charlstm.inspection.score import Score
from charlstm.inspection.view import Column, Kind, Table
from charlstm.render import html
from charlstm.render.numbers import format_fact, format_value
from charlstm.render.results import FRAME, MOST_CHARACTERS, MOST_ROWS, ViewResult, build_sign, note_more, style_cell


class ScoreResult(Score):
    """A score that shows itself in a notebook; see `Score` for its numbers."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Return the score, and the first 2,000 characters shaded by surprisal."""
        signs = zip(self.text[:MOST_CHARACTERS], self.surprise, strict=False)
        strip = "".join(
            build_sign(character, float(bits), f"{n}: {format_value(bits, Kind.BITS)} bits")
            for n, (character, bits) in enumerate(signs)
        )
        more = note_more(self.characters - MOST_CHARACTERS)
        return f'<div style="{FRAME}"><div>{escape(repr(self)[1:-1])}</div><div>{strip}</div>{more}</div>'


class ClozeResult(Cloze):
    """Answered questions that show themselves in a notebook; see `Cloze` for their numbers."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Return the accuracy, and a table of the first 100 questions."""
        rows = min(len(self.questions), MOST_ROWS)
        table = Table(
            (
                Column("prompt", [question.prompt for question in self.questions], Kind.TEXT),
                Column("answer", [question.answer for question in self.questions], Kind.TEXT),
                Column("predicted", self.predicted, Kind.TEXT),
                Column("correct", [format_fact(bool(one)) for one in self.correct], Kind.TEXT),
                Column("probability", self.probability, Kind.PERCENT),
                Column("rank", self.rank, Kind.WHOLE),
            )
        )
        more = note_more(len(self.questions) - rows, "more question")
        shown = html.build_table(table, rows, style_cell)
        return f'<div style="{FRAME}"><div>{escape(repr(self)[1:-1])}</div>{shown}{more}</div>'


class NoveltyResult(Novelty):
    """A comparison with a corpus that shows itself in a notebook; see `Novelty` for its numbers."""

    def _repr_html_(self) -> str:
        """Return the view of the comparison."""
        return ViewResult(*self.view())._repr_html_()
