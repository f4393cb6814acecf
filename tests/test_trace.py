"""The trace holds what the plain equations give, and the views show what the trace holds."""

import json
import math
import sys

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from small import by_reference, every_kind, model, network, one_and_two_layers

from charlstm.base.errors import ConfigError, UnknownCharacterError
from charlstm.base.symbols import END
from charlstm.inspection.gates import view_gates
from charlstm.inspection.quantities import Unit, find_units
from charlstm.inspection.trace import Trace, read_activations, trace
from charlstm.model.model import BLOCK
from charlstm.network.loss import log_softmax

CHARACTERS = "\nabcd"
SHOWN = {
    "lstm": ["f", "i", "o", "c_tilde", "c", "h"],
    "gru": ["r", "u", "h_tilde", "h"],
    "rnn": ["h"],
    "relu": ["h"],
}


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("text", ["a", "abcddcba", "dab"])
def test_a_trace_is_what_the_plain_equations_give(kind, layers, lines, text):
    it = model(network(kind, np.float32, layers=layers), CHARACTERS, lines)
    result, vocabulary = trace(it, text), it.vocabulary.characters
    first = len(it.opening)
    wanted = by_reference(kind, it.network, it.vocabulary.encode(it.opening + text)[:, None])
    chances = [reference.probabilities(rows[0]) for rows in wanted.logits]

    close = {"rtol": 1e-6, "atol": 2e-6}
    assert result.text == it.documents.parse(text)
    assert result.vocabulary == vocabulary and sorted(vocabulary.replace(END, "\n")) == sorted(CHARACTERS)
    np.testing.assert_allclose(np.exp(result.log_probabilities), chances[first:], **close)
    for layer, quantities in zip(result.layers, wanted.quantities, strict=True):
        assert list(layer) == SHOWN[kind]
        for name, values in layer.items():
            np.testing.assert_allclose(values, np.array(quantities[name])[first:, 0], **close, err_msg=name)
    bits = [
        -math.log2(chance[vocabulary.index(c)]) for chance, c in zip(chances, result.text[1 - first :], strict=False)
    ]
    np.testing.assert_allclose(result.surprise, bits if lines else [math.nan, *bits], rtol=1e-5, atol=1e-6)


@given(st.text(CHARACTERS, min_size=1, max_size=12), st.text("abcd", min_size=1, max_size=6))
def test_in_a_text_of_lines_every_line_is_traced_as_if_alone(before, line):
    it = model(network("lstm", layers=2), CHARACTERS, lines=True)
    alone, last = trace(it, line), trace(it, before + "\n" + line)
    np.testing.assert_allclose(last.surprise[-len(line) :], alone.surprise, rtol=1e-10)
    np.testing.assert_allclose(last.log_probabilities[-len(line) :], alone.log_probabilities, rtol=1e-10)
    for layer in range(2):
        for name, values in alone.layers[layer].items():
            np.testing.assert_allclose(last.layers[layer][name][-len(line) :], values, rtol=1e-10, atol=1e-12)


@given(st.text(CHARACTERS, min_size=1, max_size=10), st.integers(1, 6))
def test_the_likeliest_are_the_best_of_all_best_first(text, count):
    result = trace(model(network("gru"), CHARACTERS), text)
    for row, likeliest in zip(result.log_probabilities, result.most_probable(count), strict=True):
        chances = {c: math.exp(p) for c, p in zip(CHARACTERS, row, strict=True)}
        best = sorted(CHARACTERS, key=lambda c: -chances[c])[:count]
        assert [c for c, _ in likeliest] == best
        assert [p for _, p in likeliest] == pytest.approx([chances[c] for c in best], rel=1e-12)
    assert [p for _, p in result.most_probable(1)[0]] == [max(p for _, p in result.most_probable(5)[0])]


@pytest.mark.parametrize("lines", [False, True])
def test_a_long_text_is_traced_to_its_end(lines):
    it = model(network("lstm"), CHARACTERS, lines)
    text = "".join(np.random.default_rng(0).choice(list("abcd"), BLOCK + 300))
    result = trace(it, text)
    net, ids = it.network, it.vocabulary.encode(it.opening + text)[:, None]
    done = net.forward(ids, net.zero_state(1))
    c = done.tapes[0].states[1][1:, 0]
    np.testing.assert_allclose(result.layers[0]["c"], c[-len(text) :], rtol=1e-10, atol=1e-12)
    assert len(result.surprise) == len(result.log_probabilities) == len(text)


def test_a_trace_is_saved_as_it_stands(tmp_path):
    result = trace(model(network("lstm", np.float32, layers=2), CHARACTERS), "ab\nca")
    result.save(tmp_path / "trace.npz")
    with np.load(tmp_path / "trace.npz", allow_pickle=False) as saved:
        assert set(saved) == set(result.arrays)
        for name, values in result.arrays.items():
            np.testing.assert_array_equal(saved[name], values)
    lists = result.to_dict()
    assert json.loads(json.dumps(lists["layer1/c"])) == result.layers[1]["c"].tolist()
    assert (lists["text"], lists["vocabulary"]) == ("ab\nca", CHARACTERS)
    assert bytes(result.arrays["text"]).decode("utf-32-le") == "ab\nca"


@every_kind
def test_the_view_of_gates_shows_the_mean_of_the_units(kind):
    it = model(network(kind, np.float32, layers=2, hidden=4), CHARACTERS)
    result = trace(it, "abca")
    leading, columns = columns_of(view_gates(it, result))
    wanted = [(n, name, [sum(map(float, row)) / 4 for row in values]) for n, name, values in quantities(result)]
    assert len(columns) == len(wanted) == 2 * len(SHOWN[kind])
    for column, (layer, name, values) in zip(columns, wanted, strict=True):
        assert column.name == name
        assert f"layer {layer}" in column.group
        np.testing.assert_allclose(column.values, values, rtol=1e-12, atol=1e-15)
    assert leading[0].values == list("abca")
    assert [list(row) for row in zip(*(column.values for column in leading[2:]), strict=True)] == result.most_probable(
        3
    )
    np.testing.assert_array_equal(leading[1].values, result.surprise)


def test_the_view_of_gates_shows_single_units_exactly():
    it = model(network("lstm", np.float32, layers=2, hidden=4), CHARACTERS)
    result = trace(it, "abca")
    _, columns = columns_of(view_gates(it, result, ["0:3", "1:0"], show="c,f"))
    assert [(c.group, c.name) for c in columns] == [
        (f"layer {layer}, unit {unit}", name) for layer, unit in ((0, 3), (1, 0)) for name in ("f", "c")
    ]
    for column in columns:
        layer, unit = int(column.group[6]), int(column.group[-1])
        np.testing.assert_array_equal(column.values, result.layers[layer][column.name][:, unit])


def test_a_layer_without_selected_units_is_not_shown():
    it = model(network("gru", layers=2), CHARACTERS)
    _, columns = columns_of(view_gates(it, trace(it, "abca"), ["1:2"], show="h"))
    assert [column.group for column in columns] == ["layer 1, unit 2"]


def test_the_most_active_units_are_those_of_the_largest_hidden_state():
    it = model(network("gru", layers=2, hidden=6), CHARACTERS)
    result = trace(it, "abcaddcb")
    _, columns = columns_of(view_gates(it, result, show="h", most_active=2))
    wanted = []
    for number, layer in enumerate(result.layers):
        sizes = {unit: sum(abs(float(row[unit])) for row in layer["h"]) for unit in range(6)}
        wanted += [f"layer {number}, unit {unit}" for unit in sorted(sizes, key=lambda unit: -sizes[unit])[:2]]
    assert [column.group for column in columns] == wanted


def test_a_quantity_that_is_not_there_is_refused():
    it = model(network("gru"), CHARACTERS)
    with pytest.raises(ConfigError, match="r, u, h_tilde, h"):
        view_gates(it, trace(it, "ab"), show="h,f")


@pytest.mark.parametrize(
    ("name", "said"), [("4", "numbered 0 to 3"), ("2:0", "layers are numbered 0 to 1"), ("a", "must be layer:number")]
)
def test_a_unit_that_is_not_there_is_refused(name, said):
    with pytest.raises(ConfigError, match=said):
        find_units([name], network("rnn", hidden=4, layers=2).config)


def test_a_unit_is_named_by_layer_and_number_or_by_its_number_in_every_layer():
    config = network("rnn", hidden=4, layers=2).config
    assert find_units(["1:3"], config) == [Unit(1, 3)]
    assert find_units(["2"], config) == [Unit(0, 2), Unit(1, 2)]


@every_kind
@given(text=st.text("\nabcd", min_size=1, max_size=60), together=st.integers(1, 40))
def test_lines_read_side_by_side_give_what_each_gives_alone(kind, text, together):
    it = model(network(kind, np.float32, vocabulary=len(CHARACTERS), layers=2), CHARACTERS, lines=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys.modules[Trace.__module__], "BLOCKS", together / BLOCK)
        blocks = list(read_activations(it, it.vocabulary.encode(text)))
    found = {name: np.concatenate([layers[1][name] for _, layers in blocks]) for name in it.network.cell.quantities}
    logits = np.concatenate([block for block, _ in blocks])
    assert len(logits) == len(text)
    place = 0
    for line in text.split("\n"):
        alone = trace(it, line) if line else None
        if alone is not None:
            for name, values in found.items():
                np.testing.assert_array_equal(values[place : place + len(line)], alone.layers[1][name])
            np.testing.assert_array_equal(log_softmax(logits[place : place + len(line)]), alone.log_probabilities)
        place += len(line) + 1


def test_a_trace_that_memory_would_not_hold_is_refused(monkeypatch):
    it = model(network("lstm", hidden=3, vocabulary=len(CHARACTERS), layers=2), CHARACTERS)
    each = 2 * 3 * (6 + 2) + len(CHARACTERS)
    monkeypatch.setattr(sys.modules[Trace.__module__], "MAX_NUMBERS", 4 * each)
    assert len(trace(it, CHARACTERS[0] * 4).surprise) == 4
    with pytest.raises(ConfigError, match=f"hold {5 * each} numbers; give a text of at most 4 characters,"):
        trace(it, CHARACTERS[0] * 5)


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("text", ["a", "ab\ncd\n\nda", "\nab\n"])
def test_the_state_before_a_character_is_the_one_that_it_is_read_in(kind, layers, lines, text):
    it = model(network(kind, np.float32, layers=layers), CHARACTERS, lines)
    result = trace(it, text)
    state = it.network.zero_state(1)
    if lines:
        state = by_reference(kind, it.network, it.vocabulary.encode("\n")[:, None], state).state
    for n, character in enumerate(text):
        if lines and character == "\n":
            state = it.network.zero_state(1)
        for layer, states in enumerate(result.before):
            assert list(states) == list(it.network.cell.states)
            for which, values in enumerate(states.values()):
                np.testing.assert_allclose(values[n], state[layer][which][0], rtol=1e-5, atol=1e-6)
        state = by_reference(kind, it.network, it.vocabulary.encode(character)[:, None], np.array(state)).state
    assert set(result.arrays) >= {f"before/layer{layers - 1}/{name}" for name in it.network.cell.states}
    assert [len(values) for values in result.first(1).before[0].values()] == [1] * len(it.network.cell.states)


def test_a_text_of_unknown_characters_is_refused():
    with pytest.raises(UnknownCharacterError):
        trace(model(network("rnn"), CHARACTERS), "axb")


def columns_of(view):
    """The columns in front of the activations, and those of the activations."""
    columns = view.parts["gates"].columns
    return columns[:5], columns[5:]


def quantities(result):
    return [(n, name, values) for n, layer in enumerate(result.layers) for name, values in layer.items()]
