"""The view of single units: the text itself, once for every unit, coloured by what the unit holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.gates import kind_of
from charlstm.inspection.trace import Trace
from charlstm.inspection.unit import Unit
from charlstm.inspection.view import Column, Strip, View
from charlstm.parameters import Array

MEMORY = "memory"
SHOWN = 3


def cell(trace: Trace, units: Sequence[Unit] = (), quantity: str = MEMORY) -> View:
    """Return the text coloured by units, one above another.

    Parameters
    ----------
    trace
        What the network did.
    units
        Which units to show; none: those whose memory changes most over the text.
    quantity
        What colours: a gate or state by its name, or «memory»: the memory of the cell, between −1 and 1.

    Raises
    ------
    ConfigError
        If there is no such quantity.
    """
    known = (MEMORY, *trace.layers[0])
    if quantity not in known:
        raise ConfigError(f"there is no quantity {quantity!r}; this network has {', '.join(known)}")
    values = memory(trace) if quantity == MEMORY else [layer[quantity] for layer in trace.layers]  # (N, H) each
    name = trace.cell.memory_label if quantity == MEMORY else quantity
    rows = [
        Column(f"{unit} {name}", values[unit.layer][:, unit.number], kind_of(trace.cell, quantity))
        for unit in units or liveliest(trace)
    ]
    return View({"cell": Strip(trace.text, tuple(rows))})


def memory(trace: Trace) -> list[Array]:
    """Return what the units of each layer remember, as `Cell.squash_memory` bounds it: (N, H) each."""
    return [trace.cell.squash_memory(layer) for layer in trace.layers]


def liveliest(trace: Trace) -> list[Unit]:
    """Return the units of all layers whose memory varies most."""
    return _largest(np.stack([values.std(axis=0) for values in memory(trace)]))


def steadiest(trace: Trace) -> list[Unit]:
    """Return the units of all layers whose memory takes one value and then another, and holds each for long.

    Its spread is large and its steps are small: the standard deviation less the mean step between characters.
    """
    held = np.stack(memory(trace))  # (L, N, H)
    steps = np.abs(np.diff(held, axis=1)).sum(axis=1) / held.shape[1]  # (L, H)
    return _largest(held.std(axis=1) - steps)


def _largest(scores: Array) -> list[Unit]:
    """Return the units with the largest of scores (L, H)."""
    order = np.argsort(-scores, axis=None, kind="stable")[:SHOWN]
    return [Unit(*map(int, divmod(int(place), scores.shape[1]))) for place in order]
