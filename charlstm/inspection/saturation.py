"""The view of saturation: how often each unit's gates are nearly shut, and how often nearly open.

Source: Karpathy, Johnson & Fei-Fei 2015, "Visualizing and understanding recurrent networks".
"""

from __future__ import annotations

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.trace import read
from charlstm.inspection.unit import every_unit
from charlstm.inspection.view import Column, Curves, Kind, Table, View
from charlstm.model.model import Model
from charlstm.network.cells import cells_that
from charlstm.parameters import Array

SHUT, OPEN = 0.1, 0.9
MOST_OF_TIME = 0.9
SHOWN = 10


def saturation(model: Model, text: str) -> View:
    """Return for each layer, gate and unit the share of characters at which the gate is below 0.1, and above 0.9.

    The text is read block by block, so its length costs no memory.

    Raises
    ------
    ConfigError
        If the cell has no gates.
    """
    gates = list(model.network.cell.logistic)
    if not gates:
        others = cells_that(lambda cell: bool(cell.logistic))
        raise ConfigError(f"the {model.network.config.cell} has no gates that could saturate; give a model of {others}")
    shut, open_ = shares(model, text, gates)  # (L, G, H) each
    layers = range(len(shut))
    over = [(layer, gate) for layer in layers for gate in range(len(gates))]
    most = (shut > MOST_OF_TIME, open_ > MOST_OF_TIME)  # (L, G, H) each
    summary = (
        Column("layer", [layer for layer, _ in over], Kind.WHOLE),
        Column("gate", [gates[gate] for _, gate in over], Kind.TEXT),
        Column("below 0.1", [float(shut[place].mean()) for place in over], Kind.PERCENT),
        Column("above 0.9", [float(open_[place].mean()) for place in over], Kind.PERCENT),
        Column("units mostly shut", [int(most[0][place].sum()) for place in over], Kind.WHOLE),
        Column("units mostly open", [int(most[1][place].sum()) for place in over], Kind.WHOLE),
    )
    units = [Column("unit", [str(unit) for unit in every_unit(model.network.config)], Kind.TEXT)]
    for gate, name in enumerate(gates):
        units.append(Column("below 0.1", shut[:, gate].reshape(-1), Kind.PERCENT, name))
        units.append(Column("above 0.9", open_[:, gate].reshape(-1), Kind.PERCENT, name))
    scatter = {
        f"layer {layer}, gate {gates[gate]}": Curves(
            Column("share above 0.9:", open_[layer, gate], Kind.PERCENT),
            (Column("a unit; up: its share below 0.1", shut[layer, gate], Kind.PERCENT),),
        )
        for layer, gate in over
    }
    return View({"units": Table(tuple(units), head=SHOWN), "gates": Table(summary, keys=2), **scatter})


def shares(model: Model, text: str, gates: list[str]) -> tuple[Array, Array]:
    """Return the share of characters below and above, two (L, G, H) arrays."""
    config = model.network.config
    shut, open_ = np.zeros((2, config.layers, len(gates), config.hidden), np.int64)
    for _, layers in read(model, model.vocabulary.encode(text)):
        for number, layer in enumerate(layers):
            for gate, name in enumerate(gates):
                shut[number, gate] += (layer[name] < SHUT).sum(axis=0)
                open_[number, gate] += (layer[name] > OPEN).sum(axis=0)
    return shut / len(text), open_ / len(text)
