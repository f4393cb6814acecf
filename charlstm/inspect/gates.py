"""The view of the gates: a row a character, what was predicted, and the six quantities of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspect.trace import Trace
from charlstm.parameters import Array

GUESSES = 3


class Column(NamedTuple):
    """One column of numbers.

    Attributes
    ----------
    group
        What it belongs to: a layer, and a unit or the mean.
    name
        The quantity: f, i, o, c_tilde, c, h, …
    values : (N,) array
        Its value at every character.
    """

    group: str
    name: str
    values: Array


class Gates(NamedTuple):
    """A text and what happened in the network, ready to be drawn.

    Attributes
    ----------
    text
        The N characters.
    surprise : (N,) array
        Bits; NaN where nothing was predicted.
    guesses : list of N lists of (character, probability)
        The likeliest next characters, best first.
    columns : list of Column
        The activations.
    """

    text: str
    surprise: Array
    guesses: list[list[tuple[str, float]]]
    columns: list[Column]


def gates(trace: Trace, units: Sequence[int] = ()) -> Gates:
    """Return the view: the mean over units, or the exact values of some.

    Parameters
    ----------
    trace
        What the network did.
    units
        Numbers of units, counted from 0, shown in every layer; none: the mean over all.

    Raises
    ------
    ConfigError
        If there is no such unit.
    """
    columns = []
    for number, layer in enumerate(trace.layers):
        hidden = next(iter(layer.values())).shape[1]
        for unit in units:
            if not 0 <= unit < hidden:
                raise ConfigError(
                    f"there is no unit {unit}; the {hidden} units of a layer are numbered 0 to {hidden - 1}"
                )
            columns += [Column(f"layer {number}, unit {unit}", name, values[:, unit]) for name, values in layer.items()]
        if not units:
            columns += [
                Column(f"layer {number}, mean of {hidden} units", name, values.mean(axis=1, dtype=np.float64))
                for name, values in layer.items()
            ]
    return Gates(trace.text, trace.surprise, trace.likeliest(GUESSES), columns)
