"""The view of what would be: without each unit, or with memories set, held, cut off, or taken from another text.

Cause, not correlation: the network itself is changed and reads the text again. A unit is cut off by taking away all
that it tells others. It is held by opening its forget gate and shutting its input gate for good, so that c stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.trace import REACH, last_stretch, start
from charlstm.inspection.unit import Unit, every_unit, units_named
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.model.model import Model, Reader
from charlstm.network.cells import cells_that
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.network.network import Network
from charlstm.parameters import Array, Buffers
from charlstm.text.vocabulary import name

GUESSES = 5
SHOWN = 10
LONGEST = 60
SURE = 1e4  # a bias that opens or shuts a gate in any float type


class Setting(NamedTuple):
    """A unit whose memory becomes a value before the character at a position is read."""

    unit: Unit
    value: float
    position: int


class Holding(NamedTuple):
    """A unit whose memory stays as it is from before the character at a position on."""

    unit: Unit
    position: int


class Changes(NamedTuple):
    """What is changed while a text is read.

    Attributes
    ----------
    set
        Memories set.
    freeze
        Memories held.
    without
        Units cut off, all the time.
    swap
        A text whose memory takes the place of the text's own, before the character at `swap_at` is read.
    swap_at
        That position.
    """

    set: Sequence[Setting] = ()
    freeze: Sequence[Holding] = ()
    without: Sequence[Unit] = ()
    swap: str | None = None
    swap_at: int = 0


def changes(
    model: Model,
    text: str,
    set_: Sequence[str],
    freeze: Sequence[str],
    without: Sequence[str],
    swap: str | None,
    at: int | None,
) -> Changes:
    """Return changes as a person writes them: «L:N=value@position», «L:N@position», «L:N», a text and a position.

    A position that is not given is the text's last character.

    Raises
    ------
    ConfigError
        If one is not written so, or names what is not there.
    """
    config = model.network.config
    settings = []
    for words in set_:
        found = re.fullmatch(r"([^=@]+)=([-+]?\d+(?:\.\d*)?)(?:@(\d+))?", words, re.ASCII)
        if found is None:
            raise ConfigError(f"{words!r} sets nothing; write unit=value@position, such as 0:17=-1@40")
        settings += [Setting(unit, float(found[2]), _place(found[3], text)) for unit in units_named(found[1], config)]
    holdings = []
    for words in freeze:
        name, _, place = words.partition("@")
        if place and not re.fullmatch(r"\d+", place, re.ASCII):
            raise ConfigError(f"{words!r} freezes nothing; write unit@position, such as 0:17@40")
        holdings += [Holding(unit, _place(place, text)) for unit in units_named(name, config)]
    cut = [unit for name in without for unit in units_named(name, config)]
    return Changes(settings, holdings, cut, swap, _place(None if at is None else str(at), text))


def _place(digits: str | None, text: str) -> int:
    place = int(digits) if digits else len(text) - 1
    if place >= len(text):
        raise ConfigError(f"there is no character {place} in the text; its {len(text)} are numbered from 0")
    return place


def patch(model: Model, text: str, made: Changes) -> View:
    """Return what is predicted after a text as it is, and with changes; without any, with each unit cut off in turn.

    Raises
    ------
    ConfigError
        If a unit without a gate that keeps is to be held.
    """
    if not (made.set or made.freeze or made.without or made.swap is not None):
        return without_each(model, text)
    before, after = read_on(model, text), read_on(model, text, made)
    chances = [np.exp(log_softmax(reader.logits.astype(np.float64)))[0] for reader in (before, after)]  # (V,) each
    order = np.argsort(-np.maximum(*chances), kind="stable")[: 2 * GUESSES]
    characters = model.vocabulary.decode(order)
    guesses = (
        Column("next", list(characters), Kind.CHARACTER),
        Column("as it is", chances[0][order], Kind.PERCENT),
        Column("changed", chances[1][order], Kind.PERCENT),
    )
    ways = ("as it is", "changed")
    lines = Column("likeliest continuation", [continuation(model, reader) for reader in (before, after)], Kind.TEXT)
    return View({"what is written": Table((Column("", ways, Kind.TEXT), lines)), "what is predicted": Table(guesses)})


def without_each(model: Model, text: str) -> View:
    """Return how the prediction after a text changes with each unit cut off, for the last 300 characters of it.

    The change is the Kullback-Leibler divergence of the prediction without the unit from the one as it is.
    """
    begun = start(model)
    begun.read(model.vocabulary.encode(text)[:-REACH, None])
    predicted = log_softmax(logits_without_each(begun, text[-REACH:]).astype(np.float64))  # (1 + U, V)
    whole, without = predicted[0], predicted[1:]
    bits = (np.exp(whole) * (whole - without)).sum(axis=1) / NATS_PER_BIT  # (U,)
    order = np.argsort(-bits, kind="stable")  # (U,)
    every, best, likeliest = every_unit(model.network.config), int(whole.argmax()), without[order].argmax(axis=1)
    expected = name(model.vocabulary.character(best))
    columns = (
        Column("without", [str(every[k]) for k in order], Kind.TEXT),
        Column("change in bits", bits[order]),
        Column("its probability", np.exp(without[order, best]), Kind.PERCENT),
        Column("likeliest then", [name(model.vocabulary.character(k)) for k in likeliest], Kind.TEXT),
        Column("probability", np.exp(without[order, likeliest]), Kind.PERCENT),
    )
    return View(
        {f"{expected} is predicted; without each unit": Table(columns, head=SHOWN)},
        (
            f"As it is, {expected} has a probability of {np.exp(whole[best]):.1%}.",
            *[f"Each unit is cut off for the last {REACH:,} of the {len(text):,} characters."] * (len(text) > REACH),
        ),
    )


def logits_without_each(begun: Reader, text: str) -> Array:
    """Return the prediction after a text as it is, then with each unit cut off alone: (1 + U, V) logits.

    Parameters
    ----------
    begun
        A reader that stands where the text begins.
    text
        One character or more.
    """
    model, every = begun.model, every_unit(begun.model.network.config)
    state, stretch = last_stretch(begun, text)
    state = np.repeat(state, 1 + len(every), axis=2)  # (L, S, B, H)
    tells = np.ones_like(state[:, 0])  # (L, B, H)
    for row, (layer, number) in enumerate(every, start=1):
        tells[layer, row, number] = 0.0
    buffers = Buffers(state.dtype)
    weights = model.network.pack(1 + len(every), buffers)
    logits = np.zeros(0)
    for index in model.vocabulary.encode(stretch):
        state[:, 0] *= tells
        done = model.network.forward(np.full((1, 1 + len(every)), index), state, tells, buffers, weights)
        state, logits = done.state, done.logits[0]
    return logits


def read_on(model: Model, text: str, made: Changes = Changes()) -> Reader:  # noqa: B008 - a frozen value
    """Return a reader that has read a text while the network was changed.

    Parameters
    ----------
    model
        Whose network reads.
    text
        One character or more.
    made
        What is changed.
    """
    model = replace(model, network=cut_off(model.network, made.without))
    memory = model.network.cell.states.index(model.network.cell.memory)
    taken = start(model)
    if made.swap is not None:
        taken.read(model.vocabulary.encode(made.swap, "the other text")[:, None])
    reader = start(model)
    for place, index in enumerate(model.vocabulary.encode(text)):
        if made.swap is not None and place == made.swap_at:
            reader.state[:, memory] = taken.state[:, memory]
        for setting in made.set:
            if setting.position == place:
                reader.state[setting.unit.layer, memory, 0, setting.unit.number] = setting.value
        held_here = [holding.unit for holding in made.freeze if holding.position <= place]
        if any(holding.position == place for holding in made.freeze):
            state, logits = reader.state, reader.logits
            reader = Reader(replace(model, network=held(model.network, held_here)))
            reader.state, reader.logits = state, logits
        reader.read(np.array([[index]]))
    return reader


def cut_off(network: Network, units: Sequence[Unit]) -> Network:
    """Return a network in which nothing reads what some units tell: their rows of all weights are zero."""
    other = network.with_weights(network.parameters.flat)
    for layer, number in units:
        above = f"layer{layer + 1}/U" if layer + 1 < network.config.layers else "output/W"
        other.parameters[f"layer{layer}/W"][number] = 0.0
        other.parameters[above][number] = 0.0
    return other


def held(network: Network, units: Sequence[Unit]) -> Network:
    """Return a network in which some units keep their memory as it is.

    Raises
    ------
    ConfigError
        If the cell has no gate that keeps.
    """
    cell = network.cell
    if cell.forget_gate is None:
        others = cells_that(lambda cell: cell.forget_gate is not None)
        raise ConfigError(f"the {network.config.cell} has no gate that could hold a memory; give a model of {others}")
    other = network.with_weights(network.parameters.flat)
    for layer, number in units:
        for gate, bias in ((cell.forget_gate, SURE), (cell.input_gate, -SURE)):
            if gate is not None:
                for name in "UWb":
                    blocks = other.split_gates(other.parameters[f"layer{layer}/{name}"])  # (G, D, H)
                    blocks[cell.gates.index(gate), :, number] = bias if name == "b" else 0.0
    return other


def continuation(model: Model, reader: Reader) -> str:
    """Return the likeliest text after what a reader has read, to the end of the line or through a full stop."""
    written = ""
    while len(written) < LONGEST and not written.endswith((".", "\n")):
        index = int(reader.logits[0].argmax())
        written += model.vocabulary.character(index)
        reader.read(np.array([[index]]))
    return written
