"""The view of interventions: how the prediction changes without a unit, or with other gates or cell states.

The network itself is changed and reads the text again, so that the effect is causal. A unit is ablated by setting the
weights from its output to zero. A gate is forced to a value by setting its weights to zero and its bias to the logit of
the value. A unit is frozen by forcing its forget gate to 1 and its input gate to 0: its cell state stays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from charlstm.base.config import check_choice, check_number, check_whole
from charlstm.base.errors import ConfigError, named, show_value
from charlstm.base.parameters import Array, Buffers
from charlstm.base.symbols import END
from charlstm.inspection.continuation import write_greedily
from charlstm.inspection.quantities import Unit, find_units, list_units
from charlstm.inspection.trace import REACH, find_last_stretch, start_reader
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.model.model import Model, Reader
from charlstm.network.cell import Cell
from charlstm.network.cells import cells_that
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.network.network import Network
from charlstm.text.vocabulary import name

GUESSES = 5
ROWS = 10
LONGEST = 60
LARGEST_STATE = float(np.finfo(np.float32).max)
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
POSITION = r"(?:@(\d{1,18}))?"
SET_FORM = "unit=value@position, such as 0:17=-1@40"
FREEZE_FORM = "unit@position, such as 0:17@40"
GATE_FORM = "gate:unit=value@position, such as f:0:17=1@40, or gate:unit=value for the whole text"
WITHOUT_FORM = "unit@position, such as 0:17@40, or unit for the whole text"
START = -1  # the position before whatever opens the text: what starts there holds for the whole text
SATURATED = 1e4  # a bias that makes a gate 0 or 1 in any float type


class StateEdit(NamedTuple):
    """Set the memory of a unit to a value before the character at a position is read."""

    unit: Unit
    value: float
    position: int


class Freeze(NamedTuple):
    """Keep the memory of a unit as it is before the character at a position is read."""

    unit: Unit
    position: int


class ForcedGate(NamedTuple):
    """Force a logistic gate of a unit to a value, 0 to 1, from the character at a position on."""

    gate: str
    unit: Unit
    value: float
    position: int = START


class Ablation(NamedTuple):
    """Ablate a unit from the character at a position on."""

    unit: Unit
    position: int = START


class Interventions(NamedTuple):
    """What is changed while a text is read.

    A gate has the value that starts last. Of two that start at the same position, it has the later one; the values that
    freeze a unit come before those of `gates`.

    Attributes
    ----------
    edits
        Cell states to set.
    freezes
        Cell states to keep.
    gates
        Gates to force to a value.
    ablations
        Units to ablate.
    swap
        A text whose memory replaces that of the text before the character at `swap_at` is read; None: no text.
    swap_at
        That position.
    """

    edits: Sequence[StateEdit] = ()
    freezes: Sequence[Freeze] = ()
    gates: Sequence[ForcedGate] = ()
    ablations: Sequence[Ablation] = ()
    swap: str | None = None
    swap_at: int = 0


def view_patch(
    model: Model,
    text: str,
    set_: Sequence[str] = (),
    freeze: Sequence[str] = (),
    gate: Sequence[str] = (),
    without: Sequence[str] = (),
    swap_memory: str | None = None,
    at: int | None = None,
) -> View:
    """Return the prediction after a text with and without interventions; without any, the effect of ablating each unit.

    A gate has the value that starts last. Of two that start at the same character, it has the one that is given last;
    so has a cell state that is set twice.

    Parameters
    ----------
    model
        The model.
    text
        One character or more.
    set_
        Cell states to set: «L:N=value@position».
    freeze
        Units to freeze: «L:N@position».
    gate
        Logistic gates of units to force to a value, 0 to 1, from a position on: «gate:L:N=value@position». Without a
        position, over the whole text.
    without
        Units to ablate from a position on: «L:N@position». Without a position, over the whole text.
    swap_memory
        A text whose memory is patched in.
    at
        Position at which it is patched in. Like that of `set_` and `freeze`, it is by default that of the last
        character.

    Raises
    ------
    ConfigError
        If an intervention has another form, names a unit, gate or position that does not exist, or freezes a unit
        without a forget gate.
    """
    if at is not None and swap_memory is None:
        raise ConfigError(f"{named('at')} is the position for {named('swap_memory')}; give both")
    if swap_memory is None and not (set_ or freeze or gate or without):
        return _compare_ablations(model, text)
    changes = parse_interventions(model, text, set_, freeze, gate, without, swap_memory, at)
    before, after = read_with(model, text), read_with(model, text, changes)
    chances = [np.exp(log_softmax(reader.logits.astype(np.float64)))[0] for reader in (before, after)]  # (V,) each
    order = np.argsort(-np.maximum(*chances), kind="stable")[: 2 * GUESSES]
    guesses = (
        Column("next", list(model.vocabulary.decode(order)), Kind.CHARACTER),
        Column("unchanged", chances[0][order], Kind.PERCENT),
        Column("changed", chances[1][order], Kind.PERCENT),
    )
    continuations = [write_continuation(reader) for reader in (before, after)]
    return View(
        {
            "continuation": Table(
                (
                    Column("network", ("unchanged", "changed"), Kind.TEXT),
                    Column("most probable continuation", continuations, Kind.TEXT),
                )
            ),
            "prediction": Table(guesses),
        }
    )


def parse_interventions(
    model: Model,
    text: str,
    set_: Sequence[str],
    freeze: Sequence[str],
    gate: Sequence[str],
    without: Sequence[str],
    swap: str | None,
    at: int | None,
) -> Interventions:
    """Return the interventions that the options of `view_patch` describe.

    Raises
    ------
    ConfigError
        If one has another form, names a unit, gate or position that does not exist, or needs a gate that the cell does
        not have.
    """
    config, cell = model.network.config, model.network.cell
    if freeze and cell.forget_gate is None:
        others = cells_that(lambda cell: cell.forget_gate is not None)
        raise ConfigError(f"the {config.cell} has no forget gate; {named('freeze')} needs a model of {others}")
    if gate and not cell.logistic:
        others = cells_that(lambda cell: bool(cell.logistic))
        raise ConfigError(f"the {config.cell} has no logistic gates; {named('gate')} needs a model of {others}")
    edits = []
    for words in set_:
        unit, value, digits = _match("set", words, rf"([^=@]+)=({NUMBER}){POSITION}", SET_FORM)
        check_number(f"the value of {named('set')}", float(value), -LARGEST_STATE, LARGEST_STATE)
        place = _find_position(digits, text)
        edits += [StateEdit(found, float(value), place) for found in find_units([unit], config, "set")]
    freezes = []
    for words in freeze:
        unit, digits = _match("freeze", words, rf"([^@]+){POSITION}", FREEZE_FORM)
        freezes += [Freeze(found, _find_position(digits, text)) for found in find_units([unit], config, "freeze")]
    gates = []
    for words in gate:
        gate_name, unit, value, digits = _match("gate", words, rf"([^:=@]+):([^=@]+)=({NUMBER}){POSITION}", GATE_FORM)
        check_choice(f"the name in {named('gate')}", gate_name, cell.logistic)
        check_number(f"the value in {named('gate')}", float(value), 0.0, 1.0)
        place = _find_position(digits, text, START)
        gates += [ForcedGate(gate_name, found, float(value), place) for found in find_units([unit], config, "gate")]
    ablations = []
    for words in without:
        unit, digits = _match("without", words, rf"([^@]+){POSITION}", WITHOUT_FORM)
        place = _find_position(digits, text, START)
        ablations += [Ablation(found, place) for found in find_units([unit], config, "without")]
    swap_at = _find_position(None if at is None else check_whole("at", at, 0), text)
    return Interventions(edits, freezes, gates, ablations, swap, swap_at)


def _match(option: str, words: str, pattern: str, form: str) -> tuple[Any, ...]:
    """Return the parts of an intervention; refuse one that has another form."""
    found = re.fullmatch(pattern, words, re.ASCII)
    if found is None:
        raise ConfigError(f"{named(option)} is {show_value(words)}; it must be {form}")
    return found.groups()


def _find_position(given: str | int | None, text: str, default: int | None = None) -> int:
    """Return a position in a text, a default or that of the last character if none is given; refuse one beyond it."""
    if given is None:
        return len(text) - 1 if default is None else default
    place = int(given)
    if place >= len(text):
        raise ConfigError(
            f"there is no character {place} in the text; its characters are numbered 0 to {len(text) - 1}"
        )
    return place


def _compare_ablations(model: Model, text: str) -> View:
    """Return how the prediction after a text changes when each unit is ablated for the last 300 characters.

    The change is the Kullback-Leibler divergence from the unchanged prediction to that without the unit.
    """
    begun = start_reader(model)
    begun.read(model.vocabulary.encode(text)[:-REACH, None])
    predicted = log_softmax(ablate_each(begun, text[-REACH:]).astype(np.float64))  # (1 + U, V)
    whole, without = predicted[0], predicted[1:]
    bits = (np.exp(whole) * (whole - without)).sum(axis=1) / NATS_PER_BIT  # (U,)
    order = np.argsort(-bits, kind="stable")  # (U,)
    units, best, most_probable = list_units(model.network.config), int(whole.argmax()), without[order].argmax(axis=1)
    expected = name(model.vocabulary.character(best))
    columns = (
        Column("ablated unit", [str(units[k]) for k in order], Kind.TEXT),
        Column("change in bits", bits[order]),
        Column("its probability", np.exp(without[order, best]), Kind.PERCENT),
        Column("then predicted", [name(model.vocabulary.character(k)) for k in most_probable], Kind.TEXT),
        Column("probability", np.exp(without[order, most_probable]), Kind.PERCENT),
    )
    return View(
        {f"prediction of {expected} when each unit is ablated": Table(columns, head=ROWS)},
        (
            f"The unchanged network predicts {expected} with a probability of {np.exp(whole[best]):.1%}.",
            *[f"Each unit is ablated for the last {REACH:,} of the {len(text):,} characters."] * (len(text) > REACH),
        ),
    )


def ablate_each(begun: Reader, text: str) -> Array:
    """Return the logits after a text with no unit ablated, then with each unit ablated alone: (1 + U, V).

    Parameters
    ----------
    begun
        A reader at the start of the text.
    text
        One character or more.
    """
    model, units = begun.model, list_units(begun.model.network.config)
    state, stretch = find_last_stretch(begun, text)
    state = np.repeat(state, 1 + len(units), axis=2)  # (L, S, B, H)
    mask = np.ones_like(state[:, 0])  # (L, B, H)
    for row, (layer, number) in enumerate(units, start=1):
        mask[layer, row, number] = 0.0
    buffers = Buffers(state.dtype)
    weights = model.network.pack(1 + len(units), buffers)
    logits = np.zeros(0)
    for index in model.inputs(model.vocabulary.encode(stretch)[:, None])[:, 0]:
        state[:, 0] *= mask
        done = model.network.forward(np.full((1, 1 + len(units)), index), state, mask, buffers, weights)
        state, logits = done.state, done.logits[0]
    return logits


def read_with(model: Model, text: str, changes: Interventions = Interventions()) -> Reader:  # noqa: B008 - immutable
    """Return a reader that has read a text under interventions.

    They change the state that a character is read in, and the network that reads it. At an end symbol that state is
    the zero state; a frozen unit keeps its memory there too, and a unit whose gates are forced does not.

    Parameters
    ----------
    model
        The model.
    text
        One character or more.
    changes
        The interventions.
    """
    model = replace(model, network=change_network(model.network, changes, START))
    memory = model.network.cell.states.index(model.network.cell.memory)
    other = start_reader(model)
    if changes.swap is not None:
        other.read(model.vocabulary.encode(changes.swap, "the other text", skippable=False)[:, None])
    begun = start_reader(model)
    network, state, logits = model.network, begun.state, begun.logits  # (L, S, 1, H), (1, V)
    frozen: list[Unit] = []
    buffers = Buffers(state.dtype)
    weights = network.pack(1, buffers, batch_invariant=True)
    ids = model.vocabulary.encode(text)  # (N,)
    inputs = model.inputs(ids[:, None])  # (N, 1)
    for place, index in enumerate(ids.tolist()):
        if index == model.vocabulary.end:
            before, state = state, network.zero_state(1)
            for layer, number in frozen:
                state[layer, memory, 0, number] = before[layer, memory, 0, number]
        if changes.swap is not None and place == changes.swap_at:
            state[:, memory] = other.state[:, memory]
        for edit in changes.edits:
            if edit.position == place:
                state[edit.unit.layer, memory, 0, edit.unit.number] = edit.value
        frozen += [change.unit for change in changes.freezes if change.position == place]
        changed = change_network(network, changes, place)
        if changed is not network:
            network, weights = changed, changed.pack(1, buffers, batch_invariant=True)
        done = network.forward(inputs[place : place + 1], state, None, buffers, weights)
        state, logits = done.state, done.logits[-1].copy()
    reader = Reader(replace(model, network=network))
    reader.state, reader.logits = state, logits
    return reader


def change_network(network: Network, changes: Interventions, position: int) -> Network:
    """Return a network with the ablations and the forced gates that start at a position; itself if none start there."""
    gates = [*(gate for freeze in changes.freezes for gate in keep_memory(network.cell, freeze)), *changes.gates]
    starting = [change for change in gates if change.position == position]
    units = [change.unit for change in changes.ablations if change.position == position]
    return force_gates(ablate(network, units), starting) if starting or units else network


def keep_memory(cell: Cell, freeze: Freeze) -> list[ForcedGate]:
    """Return the forced gates that freeze a unit: its forget gate at 1, and its input gate, if it has one, at 0."""
    values = {str(cell.forget_gate): 1.0} | ({} if cell.input_gate is None else {cell.input_gate: 0.0})
    return [ForcedGate(gate, freeze.unit, value, freeze.position) for gate, value in values.items()]


def ablate(network: Network, units: Sequence[Unit]) -> Network:
    """Return a network in which nothing reads the hidden state of some units: their rows of all weights are zero."""
    other = network.with_weights(network.parameters.flat)
    for layer, number in units:
        above = f"layer{layer + 1}/U" if layer + 1 < network.config.layers else "output/W"
        other.parameters[f"layer{layer}/W"][number] = 0.0
        other.parameters[above][number] = 0.0
    return other


def force_gates(network: Network, gates: Sequence[ForcedGate]) -> Network:
    """Return a network in which some logistic gates have a value whatever they read, up to rounding.

    Their columns of U and W are zero, and their biases are the logits of the values. This is all that a gate reads if
    the cell has no further weights, `Cell.weights`.
    """
    other = network.with_weights(network.parameters.flat)
    for gate, (layer, number), value, _ in gates:
        for letter in "UWb":
            blocks = other.split_gates(other.parameters[f"layer{layer}/{letter}"])  # (G, D, H)
            blocks[network.cell.gates.index(gate), :, number] = logit(value) if letter == "b" else 0.0
    return other


def logit(value: float) -> float:
    """Return the bias at which a logistic gate without weights has a value from 0 to 1.

    >>> logit(0.5), logit(0.0), logit(1.0)
    (0.0, -10000.0, 10000.0)
    """
    if value in (0.0, 1.0):
        return math.copysign(SATURATED, value - 0.5)
    return math.log(value) - math.log1p(-value)


def write_continuation(reader: Reader) -> str:
    """Return the most probable text after what a reader has read, up to the end of the line, a full stop or the end."""
    written = ""
    for (index,) in write_greedily(reader):
        written += reader.model.vocabulary.character(index)
        if len(written) == LONGEST or written.endswith((".", "\n", END)):
            break
    return written
