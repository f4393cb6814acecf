"""A unit of a network by its name, such as 0:17: layer 0, unit 17."""

from __future__ import annotations

import re
from typing import NamedTuple

from charlstm.errors import ConfigError
from charlstm.network.config import NetworkConfig


class Unit(NamedTuple):
    """Layer and number, both counted from 0."""

    layer: int
    number: int

    def __str__(self) -> str:
        return f"{self.layer}:{self.number}"


def units_named(name: str, config: NetworkConfig) -> list[Unit]:
    """Return the unit that «L:N» names, or the units that «N» names, one of every layer.

    Raises
    ------
    ConfigError
        If it names none of this network.
    """
    found = re.fullmatch(r"(?:(\d+):)?(\d+)", name, re.ASCII)
    if found is None:
        raise ConfigError(f"{name!r} names no unit; write layer:number, such as 0:17, or a number for every layer")
    number = int(found[2])
    layers = range(config.layers) if found[1] is None else [int(found[1])]
    if number >= config.hidden:
        raise ConfigError(
            f"there is no unit {number}; the {config.hidden} units of a layer are numbered 0 to {config.hidden - 1}"
        )
    if layers[-1] >= config.layers:
        raise ConfigError(f"there is no layer {layers[-1]}; the layers are numbered 0 to {config.layers - 1}")
    return [Unit(layer, number) for layer in layers]


def every_unit(config: NetworkConfig) -> list[Unit]:
    """Return all units, layer by layer."""
    return [Unit(layer, number) for layer in range(config.layers) for number in range(config.hidden)]
