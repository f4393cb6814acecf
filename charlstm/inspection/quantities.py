"""Units and quantities of a network: their names, how to read their values, and which units to look at first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from charlstm.base.errors import ConfigError, named, show_value
from charlstm.base.parameters import Array
from charlstm.inspection.trace import Trace
from charlstm.inspection.view import Kind
from charlstm.network.cell import Cell
from charlstm.network.config import NetworkConfig

FIRST_UNITS = 3


class Unit(NamedTuple):
    """A unit of a network: its layer and its number in the layer, both counted from 0."""

    layer: int
    number: int

    def __str__(self) -> str:
        return f"{self.layer}:{self.number}"


def find_units(names: Iterable[str], config: NetworkConfig, option: str = "units") -> list[Unit]:
    """Return the units that names stand for: «L:N» names one unit, «N» one unit in every layer.

    Raises
    ------
    ConfigError
        If a name has another form, or the network has no such unit.

    Examples
    --------
    >>> [str(unit) for unit in find_units(["1:0", "2"], NetworkConfig(layers=2))]
    ['1:0', '0:2', '1:2']
    """
    return [unit for name in names for unit in _find(name, config, option)]


def _find(name: str, config: NetworkConfig, option: str) -> list[Unit]:
    found = re.fullmatch(r"(?:(\d{1,18}):)?(\d{1,18})", name, re.ASCII)
    if found is None:
        raise ConfigError(
            f"{named(option)} names the unit {show_value(name)}; it must be layer:number, such as 0:17, or a number for"
            " every layer"
        )
    number = int(found[2])
    layers = range(config.layers) if found[1] is None else [int(found[1])]
    if number >= config.hidden:
        raise ConfigError(
            f"there is no unit {number}; the {config.hidden} units of a layer are numbered 0 to {config.hidden - 1}"
        )
    if layers[-1] >= config.layers:
        raise ConfigError(f"there is no layer {layers[-1]}; the layers are numbered 0 to {config.layers - 1}")
    return [Unit(layer, number) for layer in layers]


def list_units(config: NetworkConfig) -> list[Unit]:
    """Return all units, layer by layer."""
    return [Unit(layer, number) for layer in range(config.layers) for number in range(config.hidden)]


def kind_of(cell: Cell, quantity: str) -> Kind:
    """Return the kind of a quantity's values: logistic gates lie between 0 and 1, the others around 0."""
    return Kind.SHARE if quantity in cell.logistic else Kind.SIGNED


def squash_memories(trace: Trace) -> Array:
    """Return the memory of every unit as `Cell.squash_memory` bounds it: (L, N, H)."""
    return np.stack([trace.cell.squash_memory(layer) for layer in trace.layers])


def find_most_active(trace: Trace, layer: int, count: int) -> list[Unit]:
    """Return the units of a layer with the largest mean absolute hidden state, largest first."""
    activity = np.abs(trace.layers[layer]["h"]).mean(axis=0)  # (H,)
    return [Unit(layer, int(number)) for number in np.argsort(-activity, kind="stable")[:count]]


def find_most_varied(trace: Trace) -> list[Unit]:
    """Return the three units, of all layers, whose memory has the largest standard deviation over the text."""
    return _find_largest(squash_memories(trace).std(axis=1))


def find_steadiest(trace: Trace) -> list[Unit]:
    """Return the three units, of all layers, whose memory takes distinct values and keeps each for long.

    The score is the standard deviation of the memory minus its mean absolute change from one character to the next.
    """
    memory = squash_memories(trace)  # (L, N, H)
    changes = np.abs(np.diff(memory, axis=1)).sum(axis=1) / memory.shape[1]  # (L, H)
    return _find_largest(memory.std(axis=1) - changes)


def _find_largest(scores: Array) -> list[Unit]:
    """Return the units with the largest of (L, H) scores, largest first."""
    order = np.argsort(-scores, axis=None, kind="stable")[:FIRST_UNITS]
    return [Unit(*map(int, divmod(int(place), scores.shape[1]))) for place in order]
