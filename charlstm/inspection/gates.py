"""The view of the gates: one row per character with its surprisal, the predictions and the quantities of each layer."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from charlstm.base.config import check_choice, check_whole
from charlstm.inspection.quantities import Unit, find_most_active, find_units, kind_of
from charlstm.inspection.trace import Trace
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.model.model import Model

GUESSES = 3


def view_gates(
    model: Model, trace: Trace, units: Sequence[str] = (), show: str | None = None, most_active: int = 0
) -> View:
    """Return the values of some units, or the mean over the units of each layer.

    Parameters
    ----------
    model
        The model that read the text.
    trace
        What it did.
    units
        Names of the units to show; see `find_units`.
    show
        Names of the quantities to show, separated by commas; None shows all.
    most_active
        Number of units of each layer to show besides: those with the largest mean absolute hidden state.

    Raises
    ------
    ConfigError
        If there is no such unit or quantity.
    """
    known = tuple(trace.layers[0])
    names = [check_choice("show", name, known) for name in show.split(",")] if show else known
    selected = find_units(units, model.network.config)
    check_whole("most_active", most_active, 0)
    for layer in range(len(trace.layers)):
        selected += find_most_active(trace, layer, most_active)
    return View({"gates": build_table(trace, selected, names)}, exact=trace)


def build_table(trace: Trace, units: Sequence[Unit] = (), names: Collection[str] = ()) -> Table:
    """Return the table: one row per character.

    Parameters
    ----------
    trace
        What the network did.
    units
        Units to show; without units the mean over each layer.
    names
        Quantities to show; without names all.
    """
    columns = _build_prediction_columns(trace)
    for number, layer in enumerate(trace.layers):
        if units:
            mine = [unit.number for unit in units if unit.layer == number]
            groups = {f"layer {number}, unit {unit}": {name: layer[name][:, unit] for name in layer} for unit in mine}
        else:
            means = {name: values.mean(axis=1, dtype=np.float64) for name, values in layer.items()}  # (N,) each
            groups = {f"layer {number}, mean of {layer['h'].shape[1]} units": means}
        columns += [
            Column(name, values, kind_of(trace.cell, name), group)
            for group, quantities in groups.items()
            for name, values in quantities.items()
            if name in (names or layer)
        ]
    return Table(tuple(columns))


def _build_prediction_columns(trace: Trace) -> list[Column]:
    """Return the columns that say what was read and what was predicted to follow."""
    guesses = zip(*trace.most_probable(GUESSES), strict=True)
    return [
        Column("char", list(trace.text), Kind.CHARACTER),
        Column("bits", trace.surprise, Kind.BITS),
        *(Column("", guess, Kind.GUESS, "predicted next") for guess in guesses),
    ]
