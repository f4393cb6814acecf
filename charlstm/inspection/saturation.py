"""The view of saturation: how often the gates of each unit are nearly closed, and how often nearly open.

Source: Karpathy, Johnson & Fei-Fei 2015, "Visualizing and understanding recurrent networks".
"""

from __future__ import annotations

import numpy as np

from charlstm.base.errors import ConfigError
from charlstm.base.parameters import Array
from charlstm.inspection.quantities import list_units
from charlstm.inspection.trace import read_activations
from charlstm.inspection.view import Column, Curves, Kind, Table, View
from charlstm.model.model import Model
from charlstm.network.cells import cells_that

CLOSED, OPEN = 0.1, 0.9
MOSTLY = 0.9
ROWS = 10


def view_saturation(model: Model, text: str) -> View:
    """Return, for each layer, gate and unit, the share of characters with the gate below 0.1 and above 0.9.

    The text is read block by block, so a long text needs little memory.

    Raises
    ------
    ConfigError
        If the cell has no gates.
    """
    gates = list(model.network.cell.logistic)
    if not gates:
        others = cells_that(lambda cell: bool(cell.logistic))
        raise ConfigError(
            f"the {model.network.config.cell} has no gates; the view saturation needs a model of {others}"
        )
    closed, open_ = measure_saturation(model, text, gates)  # (L, G, H) each
    layers = range(len(closed))
    pairs = [(layer, gate) for layer in layers for gate in range(len(gates))]
    summary = (
        Column("layer", [layer for layer, _ in pairs], Kind.WHOLE),
        Column("gate", [gates[gate] for _, gate in pairs], Kind.TEXT),
        Column("below 0.1", [float(closed[pair].mean()) for pair in pairs], Kind.PERCENT),
        Column("above 0.9", [float(open_[pair].mean()) for pair in pairs], Kind.PERCENT),
        Column("units mostly closed", [int((closed[pair] > MOSTLY).sum()) for pair in pairs], Kind.WHOLE),
        Column("units mostly open", [int((open_[pair] > MOSTLY).sum()) for pair in pairs], Kind.WHOLE),
    )
    units = [Column("unit", [str(unit) for unit in list_units(model.network.config)], Kind.TEXT)]
    for gate, name in enumerate(gates):
        units.append(Column("below 0.1", closed[:, gate].reshape(-1), Kind.PERCENT, name))
        units.append(Column("above 0.9", open_[:, gate].reshape(-1), Kind.PERCENT, name))
    scatter = {
        f"layer {layer}, gate {gates[gate]}: one point per unit": Curves(
            Column("share above 0.9", open_[layer, gate], Kind.PERCENT),
            (Column("share below 0.1", closed[layer, gate], Kind.PERCENT),),
        )
        for layer, gate in pairs
    }
    return View({"units": Table(tuple(units), head=ROWS), "gates": Table(summary, keys=2), **scatter})


def measure_saturation(model: Model, text: str, gates: list[str]) -> tuple[Array, Array]:
    """Return the shares of characters with a gate below 0.1 and above 0.9: two (L, G, H) arrays."""
    config = model.network.config
    closed, open_ = np.zeros((2, config.layers, len(gates), config.hidden), np.int64)
    for _, layers in read_activations(model, model.vocabulary.encode(text)):
        for number, layer in enumerate(layers):
            for gate, name in enumerate(gates):
                closed[number, gate] += (layer[name] < CLOSED).sum(axis=0)
                open_[number, gate] += (layer[name] > OPEN).sum(axis=0)
    return closed / len(text), open_ / len(text)
