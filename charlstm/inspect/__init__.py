"""Looking into a network: one trace of a text, and views of it, one file each."""

from __future__ import annotations

from charlstm.inspect.cell import cell
from charlstm.inspect.cloze import Cloze, Question, answered, cloze, questions_in
from charlstm.inspect.gates import gates, kind_of
from charlstm.inspect.gradients import gradients
from charlstm.inspect.history import history
from charlstm.inspect.like import like
from charlstm.inspect.memory import memory_kept
from charlstm.inspect.novelty import Novelty, novelty
from charlstm.inspect.order import alike
from charlstm.inspect.patch import Changes, Holding, Setting, changes, patch
from charlstm.inspect.questions import QUESTIONS
from charlstm.inspect.saturation import saturation
from charlstm.inspect.score import Score, Scorer, Text, score, scores
from charlstm.inspect.summary import summary
from charlstm.inspect.trace import Trace, trace
from charlstm.inspect.unit import Unit, every_unit, units_named
from charlstm.inspect.units import units
from charlstm.inspect.view import Bars, Column, Curves, Facts, Kind, Part, Strip, Table, View, columns_of
from charlstm.inspect.why import why

__all__ = [
    "QUESTIONS",
    "Bars",
    "Changes",
    "Cloze",
    "Column",
    "Curves",
    "Facts",
    "Holding",
    "Kind",
    "Novelty",
    "Part",
    "Question",
    "Score",
    "Scorer",
    "Setting",
    "Strip",
    "Table",
    "Text",
    "Trace",
    "Unit",
    "View",
    "alike",
    "answered",
    "cell",
    "changes",
    "cloze",
    "columns_of",
    "every_unit",
    "gates",
    "gradients",
    "history",
    "kind_of",
    "like",
    "memory_kept",
    "novelty",
    "patch",
    "questions_in",
    "saturation",
    "score",
    "scores",
    "summary",
    "trace",
    "units",
    "units_named",
    "why",
]
