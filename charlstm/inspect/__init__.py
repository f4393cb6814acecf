"""Looking into a network: one trace of a text, and views of it, one file each."""

from __future__ import annotations

from charlstm.inspect.cell import cell
from charlstm.inspect.gates import gates
from charlstm.inspect.history import history
from charlstm.inspect.like import like
from charlstm.inspect.memory import memory_kept
from charlstm.inspect.questions import QUESTIONS
from charlstm.inspect.saturation import saturation
from charlstm.inspect.summary import summary
from charlstm.inspect.trace import Trace, trace
from charlstm.inspect.unit import Unit, every_unit, units_named
from charlstm.inspect.units import units
from charlstm.inspect.view import Bars, Column, Curves, Facts, Kind, Part, Strip, Table, View, columns_of

__all__ = [
    "QUESTIONS",
    "Bars",
    "Column",
    "Curves",
    "Facts",
    "Kind",
    "Part",
    "Strip",
    "Table",
    "Trace",
    "Unit",
    "View",
    "cell",
    "columns_of",
    "every_unit",
    "gates",
    "history",
    "like",
    "memory_kept",
    "saturation",
    "summary",
    "trace",
    "units",
    "units_named",
]
