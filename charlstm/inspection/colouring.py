"""The view of single units: the text, coloured once per unit by one of its quantities."""

from __future__ import annotations

from collections.abc import Sequence

from charlstm.base.config import check_choice
from charlstm.inspection.quantities import find_most_varied, find_units, kind_of, squash_memories
from charlstm.inspection.trace import Trace
from charlstm.inspection.view import Column, Strip, View
from charlstm.model.model import Model

MEMORY = "memory"


def view_cell(model: Model, trace: Trace, units: Sequence[str] = (), by: str = MEMORY) -> View:
    """Return the text coloured by units.

    Parameters
    ----------
    model
        The model that read the text.
    trace
        What it did.
    units
        Names of the units to show; see `find_units`. Without names, the three units whose memory varies most.
    by
        Name of the quantity that colours the text; "memory" is the memory of the cell, bounded to −1 … 1: tanh(c) for
        the LSTM, h for the others.

    Raises
    ------
    ConfigError
        If there is no such unit or quantity.
    """
    check_choice("by", by, (MEMORY, *trace.layers[0]))
    values = squash_memories(trace) if by == MEMORY else [layer[by] for layer in trace.layers]  # (N, H) each
    label = trace.cell.memory_label if by == MEMORY else by
    rows = [
        Column(f"{unit} {label}", values[unit.layer][:, unit.number], kind_of(trace.cell, by))
        for unit in find_units(units, model.network.config) or find_most_varied(trace)
    ]
    return View({"cell": Strip(trace.text, tuple(rows))})
