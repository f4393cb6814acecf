"""The view of the gates: a row a character, what was predicted, and the six quantities of each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.trace import Trace
from charlstm.inspection.unit import Unit
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.network.cell import Cell

GUESSES = 3


def gates(trace: Trace, units: Sequence[Unit] = (), show: Sequence[str] = (), most_active: int = 0) -> View:
    """Return the view: the mean over units, or the exact values of some.

    Parameters
    ----------
    trace
        What the network did.
    units
        Which units to show; none: the mean over all of a layer.
    show
        Names of the quantities to show; none: all.
    most_active
        Show as many units of each layer whose hidden state is largest, by its mean absolute value.

    Raises
    ------
    ConfigError
        If there is no such quantity.
    """
    known = tuple(trace.layers[0])
    for name in show:
        if name not in known:
            raise ConfigError(f"there is no quantity {name!r}; this network has {', '.join(known)}")
    chosen = [*units, *(unit for layer in range(len(trace.layers)) for unit in _active(trace, layer, most_active))]
    columns = [
        Column("char", list(trace.text), Kind.CHARACTER),
        Column("bits", trace.surprise, Kind.BITS),
        *(Column("", guesses, Kind.GUESS, "predicted next") for guesses in zip(*trace.likeliest(GUESSES), strict=True)),
    ]
    for number, layer in enumerate(trace.layers):
        mine = [unit.number for unit in chosen if unit.layer == number]
        groups = {f"layer {number}, unit {unit}": {name: layer[name][:, unit] for name in layer} for unit in mine}
        if not chosen:
            hidden = layer["h"].shape[1]
            means = {name: values.mean(axis=1, dtype=np.float64) for name, values in layer.items()}  # (N,) each
            groups = {f"layer {number}, mean of {hidden} units": means}
        for group, quantities in groups.items():
            columns += [
                Column(name, values, kind_of(trace.cell, name), group)
                for name, values in quantities.items()
                if name in (show or known)
            ]
    return View({"gates": Table(tuple(columns))}, exact=trace)


def kind_of(cell: Cell, quantity: str) -> Kind:
    """Return how the values of a quantity are to be read: logistic gates lie between 0 and 1, the others around 0."""
    return Kind.SHARE if quantity in cell.logistic else Kind.SIGNED


def _active(trace: Trace, layer: int, count: int) -> list[Unit]:
    activity = np.abs(trace.layers[layer]["h"]).mean(axis=0)  # (H,)
    return [Unit(layer, int(number)) for number in np.argsort(-activity, kind="stable")[:count]]
