"""Forced gates, ablated units and frozen units from a position on: each is held against plain steps with the change."""

from dataclasses import replace
from math import tanh
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import plus, probabilities, product, sigma
from small import model, network, one_and_two_layers

from charlstm.base.symbols import END
from charlstm.inspection.patch import Ablation, ForcedGate, Freeze, Interventions, force_gates, read_with, view_patch
from charlstm.inspection.quantities import Unit
from charlstm.inspection.trace import trace

CHARACTERS = "\n abcd"
STREAM, LINES = "ab\ncad b", f"ab{END}cad{END}b"
GATES = {"lstm": ("f", "i", "o"), "gru": ("r", "u")}
FREEZING = {"lstm": {"f": 1.0, "i": 0.0}, "gru": {"u": 1.0}}
WHOLE = -1  # a position before the opening
H = 3

gated = pytest.mark.parametrize("kind", GATES)
streams_and_lines = pytest.mark.parametrize("text", [STREAM, LINES], ids=["stream", "lines"])


def small(kind, lines=False, layers=1, dtype=np.float64):
    return model(network(kind, dtype, len(CHARACTERS), layers=layers), CHARACTERS, lines)


class Plain(NamedTuple):
    """What the plain steps have computed after a text: [character], [layer][which][unit]."""

    logits: list
    state: list


def one_step(kind, x, r, state, gate):
    """One step of a layer; `gate` returns the value of a logistic gate of a unit from its name, the unit and its z."""
    memory, h = [], []
    for j, before in enumerate(state[-1]):
        if kind == "lstm":
            f, i, o = (gate(name, j, x[k * H + j] + r[k * H + j]) for k, name in enumerate("fio"))
            memory.append(f * before + i * tanh(x[3 * H + j] + r[3 * H + j]))
            h.append(o * tanh(memory[j]))
        else:
            reset, u = (gate(name, j, x[k * H + j] + r[k * H + j]) for k, name in enumerate("ru"))
            memory.append(u * before + (1.0 - u) * tanh(x[2 * H + j] + reset * r[2 * H + j]))
    return [h, memory] if kind == "lstm" else [memory]


def by_plain_steps(kind, it, text, gates=(), ablations=(), freezes=()):
    """Read a text step by step: gates (name, layer, unit, value, from), ablations and freezes (layer, unit, from)."""
    weights = {name: block.tolist() for name, block in it.network.parameters.items()}
    layers, lines, states = it.network.config.layers, bool(it.opening), 2 if kind == "lstm" else 1
    alphabet = CHARACTERS.replace("\n", END) if lines else CHARACTERS
    gates = [
        *((name, *unit, value, start) for *unit, start in freezes for name, value in FREEZING[kind].items()),
        *gates,
    ]
    state, logits = [[[0.0] * H for _ in range(states)] for _ in range(layers)], []
    for n, character in [*[(WHOLE, END)] * lines, *enumerate(text)]:
        if character == END:
            kept = {(layer, unit) for layer, unit, start in freezes if start < n}
            state = [
                [
                    [v if which == states - 1 and (layer, j) in kept else 0.0 for j, v in enumerate(values)]
                    for which, values in enumerate(mine)
                ]
                for layer, mine in enumerate(state)
            ]
        cut = {(layer, unit) for layer, unit, start in ablations if start <= n}
        forced = {change[:3]: change[3] for change in sorted(gates, key=lambda it: it[4]) if change[4] <= n}
        x, after = weights["layer0/U"][alphabet.index(character)], []
        for layer, mine in enumerate(state):

            def gate(name, unit, z, layer=layer, forced=forced):
                return forced.get((name, layer, unit), sigma(z))

            seen = [0.0 if (layer, j) in cut else value for j, value in enumerate(mine[0])]
            r = product(seen, weights[f"layer{layer}/W"])
            after.append(one_step(kind, plus(x, weights[f"layer{layer}/b"]), r, mine, gate))
            below = [0.0 if (layer, j) in cut else value for j, value in enumerate(after[layer][0])]
            above = "output/W" if layer + 1 == layers else f"layer{layer + 1}/U"
            x = product(below, weights[above])
        state, logits = after, plus(x, weights["output/b"])
    return Plain(logits, state)


def changes(gates=(), ablations=(), freezes=()):
    """The same interventions for the package."""
    return Interventions(
        freezes=[Freeze(Unit(layer, unit), start) for layer, unit, start in freezes],
        gates=[ForcedGate(name, Unit(layer, unit), value, start) for name, layer, unit, value, start in gates],
        ablations=[Ablation(Unit(layer, unit), start) for layer, unit, start in ablations],
    )


def check(kind, it, text, **of):
    """Compare the logits and the state under interventions with those of the plain steps."""
    found, wanted = read_with(it, text, changes(**of)), by_plain_steps(kind, it, text, **of)
    np.testing.assert_allclose(found.logits[0], wanted.logits, rtol=1e-9, atol=1e-12, err_msg=str(of))
    np.testing.assert_allclose(found.state[:, :, 0], wanted.state, rtol=1e-9, atol=1e-12, err_msg=str(of))
    return found


@gated
@one_and_two_layers
@streams_and_lines
def test_a_forced_gate_has_its_value_from_its_position_on(kind, layers, text):
    it = small(kind, END in text, layers)
    untouched = check(kind, it, text)
    for name in GATES[kind]:
        for start in (WHOLE, 0, 3, len(text) - 1):
            for value in (0.0, 0.3, 1.0):
                found = check(kind, it, text, gates=[(name, layers - 1, 2, value, start)])
                assert abs(found.logits - untouched.logits).max() > 1e-6
        check(kind, it, text, gates=[(name, 0, 1, 0.8, 2)])


@gated
@one_and_two_layers
@streams_and_lines
def test_nothing_reads_an_ablated_unit_from_its_position_on(kind, layers, text):
    it = small(kind, END in text, layers)
    for start in (WHOLE, 0, 3, len(text) - 1):
        for layer in range(layers):
            found = check(kind, it, text, ablations=[(layer, 1, start)])
            assert abs(found.logits - read_with(it, text).logits).max() > 1e-6


@gated
@one_and_two_layers
@streams_and_lines
def test_freezing_is_forcing_gates_and_keeping_the_memory_at_an_end(kind, layers, text):
    it = small(kind, END in text, layers)
    for start in (0, 3, 4, len(text) - 1):
        frozen = check(kind, it, text, freezes=[(layers - 1, 2, start)])
        forced = check(
            kind, it, text, gates=[(name, layers - 1, 2, value, start) for name, value in FREEZING[kind].items()]
        )
        is_kept_over_an_end = END in text[start + 1 :]
        assert (frozen.state.tobytes() == forced.state.tobytes()) != is_kept_over_an_end
        assert (frozen.logits.tobytes() == forced.logits.tobytes()) != is_kept_over_an_end


@gated
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
def test_over_the_whole_text_is_from_before_what_opens_it(kind, layers, lines):
    it, text = small(kind, lines, layers), "abd"
    for name, of in (("gates", (GATES[kind][-1], 0, 1, 0.3)), ("ablations", (0, 1))):
        whole, later = (check(kind, it, text, **{name: [(*of, start)]}) for start in (WHOLE, 0))
        opening_differs = lines and (name == "gates" or layers == 2)  # alone, h reaches only the prediction before it
        assert (whole.state.tobytes() == later.state.tobytes()) != opening_differs


@settings(max_examples=100)
@given(st.data())
def test_any_interventions_together_are_those_of_plain_steps(data):
    kind, layers = data.draw(st.sampled_from(tuple(GATES))), data.draw(st.integers(1, 2))
    lines = data.draw(st.booleans())
    text = data.draw(st.text("abcd" + (END if lines else "\n"), min_size=1, max_size=8))
    layer, unit = st.integers(0, layers - 1), st.integers(0, H - 1)
    start = st.integers(WHOLE, len(text) - 1)
    value = st.sampled_from([0.0, 1.0]) | st.floats(0.01, 0.99)
    check(
        kind,
        small(kind, lines, layers),
        text,
        gates=data.draw(st.lists(st.tuples(st.sampled_from(GATES[kind]), layer, unit, value, start), max_size=4)),
        ablations=data.draw(st.lists(st.tuples(layer, unit, start), max_size=2)),
        freezes=data.draw(st.lists(st.tuples(layer, unit, st.integers(0, len(text) - 1)), max_size=2)),
    )


@gated
@one_and_two_layers
def test_the_value_that_starts_last_holds_and_of_two_at_one_place_the_one_given_last(kind, layers):
    it, name = small(kind, layers=layers), "f" if kind == "lstm" else "u"
    one, other, later = (name, 0, 1, 0.2, 2), (name, 0, 1, 0.9, 2), (name, 0, 1, 0.5, 5)
    both, alone, reverse = (check(kind, it, STREAM, gates=of) for of in ([one, other], [other], [other, one]))
    assert both.state.tobytes() == alone.state.tobytes() != reverse.state.tobytes()
    found, turned = (check(kind, it, STREAM, gates=of) for of in ([one, later], [later, one]))
    assert found.state.tobytes() == turned.state.tobytes() != check(kind, it, STREAM, gates=[one]).state.tobytes()
    check(kind, it, STREAM, gates=[one, later], freezes=[(0, 1, 4)])
    check(kind, it, STREAM, gates=[(name, 0, 1, 0.0, 4)], freezes=[(0, 1, 4)])


@gated
@one_and_two_layers
def test_in_float32_a_forced_gate_has_its_value_to_a_millionth_at_every_character(kind, layers):
    it = small(kind, layers=layers, dtype=np.float32)
    it.network.parameters.flat[:] *= 40.0  # weights at which a gate that still read anything would be 0 or 1
    for value in (0.0, 1e-300, 1e-7, 0.001, 0.3, 0.5, 0.75, 0.999, 1.0 - 1e-7, 1.0):
        for name in GATES[kind]:
            changed = force_gates(it.network, [ForcedGate(name, Unit(layers - 1, 1), value)])
            values, own = (trace(replace(it, network=of), STREAM).layers[-1][name] for of in (changed, it.network))
            np.testing.assert_allclose(values[:, 1], value, rtol=0, atol=1e-6)
            if layers == 1:  # at the first character, every other unit is as it was
                np.testing.assert_array_equal(values[0, [0, 2]], own[0, [0, 2]])


@gated
def test_the_view_shows_the_prediction_under_forced_gates_and_from_the_position_of_an_ablation(kind):
    it, name = small(kind, layers=2), GATES[kind][0]
    both = [(name, layer, 1, 0.25, 3) for layer in range(2)]
    for options, of in [
        ({"gate": [f"{name}:1=.25@3"]}, {"gates": both}),
        ({"gate": [f"{name}:0:1=0"]}, {"gates": [(name, 0, 1, 0.0, WHOLE)]}),
        ({"without": ["1:2@4", "0:0"]}, {"ablations": [(1, 2, 4), (0, 0, WHOLE)]}),
        ({"freeze": ["0:2@1"], "gate": [f"{name}:1:0=1@0"]}, {"freezes": [(0, 2, 1)], "gates": [(name, 1, 0, 1, 0)]}),
    ]:
        columns = view_patch(it, STREAM, **options).parts["prediction"].columns
        wanted = dict(zip(CHARACTERS, probabilities(by_plain_steps(kind, it, STREAM, **of).logits), strict=True))
        assert dict(zip(columns[0].values, columns[2].values, strict=True)) == pytest.approx(wanted, rel=1e-9)


@gated
@one_and_two_layers
def test_the_text_goes_on_under_the_interventions(kind, layers):
    it = small(kind, layers=layers)
    of = {"gates": [(GATES[kind][0], 0, 1, 0.3, 2)], "ablations": [(layers - 1, 0, 3)], "freezes": [(0, 2, 1)]}
    reader = read_with(it, STREAM[:5], changes(**of))
    reader.read(it.vocabulary.encode(STREAM[5:])[:, None])
    np.testing.assert_allclose(reader.logits[0], by_plain_steps(kind, it, STREAM, **of).logits, rtol=1e-9)
