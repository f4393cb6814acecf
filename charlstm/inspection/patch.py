"""The view of interventions: how the prediction changes when units are ablated or their cell states are changed.

The network itself is changed and reads the text again, so that the effect is causal. A unit is ablated by setting the
weights from its output to zero. A unit is frozen by setting the biases of its gates so that the forget gate is 1 and
the input gate is 0: its cell state stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from charlstm.base.config import check_number, check_whole, show_value
from charlstm.base.errors import ConfigError
from charlstm.base.parameters import Array, Buffers
from charlstm.base.symbols import END
from charlstm.inspection.continuation import write_greedily
from charlstm.inspection.quantities import Unit, find_units, list_units
from charlstm.inspection.trace import REACH, find_last_stretch, start_reader
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.model.model import Model, Reader
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


class Interventions(NamedTuple):
    """What is changed while a text is read.

    Attributes
    ----------
    edits
        Cell states to set.
    freezes
        Cell states to keep.
    ablated
        Units to ablate, over the whole text.
    swap
        A text whose memory replaces that of the text before the character at `swap_at` is read; None: no text.
    swap_at
        That position.
    """

    edits: Sequence[StateEdit] = ()
    freezes: Sequence[Freeze] = ()
    ablated: Sequence[Unit] = ()
    swap: str | None = None
    swap_at: int = 0


def view_patch(
    model: Model,
    text: str,
    set_: Sequence[str] = (),
    freeze: Sequence[str] = (),
    without: Sequence[str] = (),
    swap_memory: str | None = None,
    at: int | None = None,
) -> View:
    """Return the prediction after a text with and without interventions; without any, the effect of ablating each unit.

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
    without
        Units to ablate: «L:N».
    swap_memory
        A text whose memory is patched in.
    at
        Position at which it is patched in. A position that is not given is that of the last character.

    Raises
    ------
    ConfigError
        If an intervention has another form, names a unit or position that does not exist, or freezes a unit without a
        forget gate.
    """
    if at is not None and swap_memory is None:
        raise ConfigError("at is the position for swap_memory; give both")
    changes = parse_interventions(model, text, set_, freeze, without, swap_memory, at)
    if not (changes.edits or changes.freezes or changes.ablated or changes.swap is not None):
        return _compare_ablations(model, text)
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
    without: Sequence[str],
    swap: str | None,
    at: int | None,
) -> Interventions:
    """Return the interventions that the options of `view_patch` describe.

    Raises
    ------
    ConfigError
        If one has another form, or names a unit or position that does not exist.
    """
    config = model.network.config
    edits = []
    for words in set_:
        unit, value, digits = _match("set", words, rf"([^=@]+)=({NUMBER}){POSITION}", SET_FORM)
        check_number("the value of set", float(value), -LARGEST_STATE, LARGEST_STATE)
        place = _find_position(digits, text)
        edits += [StateEdit(found, float(value), place) for found in find_units([unit], config)]
    freezes = []
    for words in freeze:
        unit, digits = _match("freeze", words, rf"([^@]+){POSITION}", FREEZE_FORM)
        freezes += [Freeze(found, _find_position(digits, text)) for found in find_units([unit], config)]
    swap_at = _find_position(None if at is None else check_whole("at", at, 0), text)
    return Interventions(edits, freezes, find_units(without, config), swap, swap_at)


def _match(option: str, words: str, pattern: str, form: str) -> tuple[Any, ...]:
    """Return the parts of an intervention; refuse one that has another form."""
    found = re.fullmatch(pattern, words, re.ASCII)
    if found is None:
        raise ConfigError(f"{option} is {show_value(words)}; it must be {form}")
    return found.groups()


def _find_position(given: str | int | None, text: str) -> int:
    """Return a position in a text, that of the last character if none is given; refuse one beyond the text."""
    place = len(text) - 1 if given is None else int(given)
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

    They change the state that a character is read in. At an end symbol that is the zero state; a frozen
    unit keeps its memory there too.

    Parameters
    ----------
    model
        The model.
    text
        One character or more.
    changes
        The interventions.
    """
    model = replace(model, network=ablate(model.network, changes.ablated))
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
        more = [change.unit for change in changes.freezes if change.position == place]
        if more:
            frozen += more
            network = freeze_units(network, more)
            weights = network.pack(1, buffers, batch_invariant=True)
        done = network.forward(inputs[place : place + 1], state, None, buffers, weights)
        state, logits = done.state, done.logits[-1].copy()
    reader = Reader(replace(model, network=network))
    reader.state, reader.logits = state, logits
    return reader


def ablate(network: Network, units: Sequence[Unit]) -> Network:
    """Return a network in which nothing reads the hidden state of some units: their rows of all weights are zero."""
    other = network.with_weights(network.parameters.flat)
    for layer, number in units:
        above = f"layer{layer + 1}/U" if layer + 1 < network.config.layers else "output/W"
        other.parameters[f"layer{layer}/W"][number] = 0.0
        other.parameters[above][number] = 0.0
    return other


def freeze_units(network: Network, units: Sequence[Unit]) -> Network:
    """Return a network in which some units keep their memory.

    Raises
    ------
    ConfigError
        If the cell has no forget gate.
    """
    cell = network.cell
    if cell.forget_gate is None:
        others = cells_that(lambda cell: cell.forget_gate is not None)
        raise ConfigError(f"the {network.config.cell} has no forget gate; freeze needs a model of {others}")
    other = network.with_weights(network.parameters.flat)
    for layer, number in units:
        for gate, bias in ((cell.forget_gate, SATURATED), (cell.input_gate, -SATURATED)):
            if gate is not None:
                for name in "UWb":
                    blocks = other.split_gates(other.parameters[f"layer{layer}/{name}"])  # (G, D, H)
                    blocks[cell.gates.index(gate), :, number] = bias if name == "b" else 0.0
    return other


def write_continuation(reader: Reader) -> str:
    """Return the most probable text after what a reader has read, up to the end of the line, a full stop or the end."""
    written = ""
    for (index,) in write_greedily(reader):
        written += reader.model.vocabulary.character(index)
        if len(written) == LONGEST or written.endswith((".", "\n", END)):
            break
    return written
