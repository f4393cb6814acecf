"""The trace holds what the plain equations give, and the views show what the trace holds."""

import math

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from small import by_reference, every_kind, model, network, one_and_two_layers

from charlstm.errors import ConfigError, UnknownCharacterError
from charlstm.inspect import gates, trace
from charlstm.model import BLOCK

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
    result = trace(it, text)
    first = len(it.opening)
    wanted = by_reference(kind, it.network, it.vocabulary.encode(it.opening + text)[:, None])
    chances = [reference.probabilities(rows[0]) for rows in wanted.logits]

    close = {"rtol": 1e-6, "atol": 2e-6}
    assert result.text == text
    assert result.vocabulary == CHARACTERS
    np.testing.assert_allclose(np.exp(result.log_probabilities), chances[first:], **close)
    for layer, quantities in zip(result.layers, wanted.quantities, strict=True):
        assert list(layer) == SHOWN[kind]
        for name, values in layer.items():
            np.testing.assert_allclose(values, np.array(quantities[name])[first:, 0], **close, err_msg=name)
    bits = [-math.log2(chance[CHARACTERS.index(c)]) for chance, c in zip(chances, text[1 - first :], strict=False)]
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
    for row, likeliest in zip(result.log_probabilities, result.likeliest(count), strict=True):
        chances = {c: math.exp(p) for c, p in zip(CHARACTERS, row, strict=True)}
        best = sorted(CHARACTERS, key=lambda c: -chances[c])[:count]
        assert [c for c, _ in likeliest] == best
        assert [p for _, p in likeliest] == pytest.approx([chances[c] for c in best], rel=1e-12)
    assert [p for _, p in result.likeliest(1)[0]] == [max(p for _, p in result.likeliest(5)[0])]


@pytest.mark.parametrize("lines", [False, True])
def test_a_long_text_is_traced_to_its_end(lines):
    it = model(network("lstm"), CHARACTERS, lines)
    text = "".join(np.random.default_rng(0).choice(list("abcd"), BLOCK + 300))
    result = trace(it, text)
    net, ids = it.network, it.vocabulary.encode(it.opening + text)[:, None]
    done = net.forward(ids, net.fresh_state(1))
    c = done.tapes[0].states[1][1:, 0]
    np.testing.assert_allclose(result.layers[0]["c"], c[-len(text) :], rtol=1e-10, atol=1e-12)
    assert len(result.surprise) == len(result.log_probabilities) == len(text)


@every_kind
def test_the_view_of_gates_shows_the_mean_of_the_units(kind):
    result = trace(model(network(kind, np.float32, layers=2, hidden=4), CHARACTERS), "abca")
    view = gates(result)
    wanted = [(n, name, [sum(map(float, row)) / 4 for row in values]) for n, name, values in quantities(result)]
    assert len(view.columns) == len(wanted) == 2 * len(SHOWN[kind])
    for column, (layer, name, values) in zip(view.columns, wanted, strict=True):
        assert column.name == name
        assert f"layer {layer}" in column.group
        np.testing.assert_allclose(column.values, values, rtol=1e-12, atol=1e-15)
    assert view.text == "abca"
    assert view.guesses == result.likeliest(3)
    np.testing.assert_array_equal(view.surprise, result.surprise)


def test_the_view_of_gates_shows_single_units_exactly():
    result = trace(model(network("lstm", np.float32, layers=2, hidden=4), CHARACTERS), "abca")
    columns = gates(result, units=[3, 0]).columns
    assert [(c.group, c.name) for c in columns] == [
        (f"layer {layer}, unit {unit}", name) for layer in (0, 1) for unit in (3, 0) for name in SHOWN["lstm"]
    ]
    for column in columns:
        layer, unit = int(column.group[6]), int(column.group[-1])
        np.testing.assert_array_equal(column.values, result.layers[layer][column.name][:, unit])


@pytest.mark.parametrize("unit", [-1, 4])
def test_a_unit_that_is_not_there_is_refused(unit):
    result = trace(model(network("rnn", hidden=4), CHARACTERS), "ab")
    with pytest.raises(ConfigError, match="numbered 0 to 3"):
        gates(result, [0, unit])


def test_a_text_of_unknown_characters_is_refused():
    with pytest.raises(UnknownCharacterError):
        trace(model(network("rnn"), CHARACTERS), "axb")


def quantities(result):
    return [(n, name, values) for n, layer in enumerate(result.layers) for name, values in layer.items()]
