"""The view of gradients holds what differences of the plain equations' loss give, and says how far they reach."""

import json
import math
from itertools import pairwise
from statistics import median

import numpy as np
import pytest
import reference
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from small import KINDS, every_kind, model, network, one_and_two_layers

from charlstm.base.errors import ConfigError, UnknownCharacterError
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.inspection.gradients import POSITIONS, choose_positions, view_gradients
from charlstm.inspection.view import columns_of
from charlstm.model import checkpoint

CHARACTERS = "\n abcd"
TEXT = "ab cad\nb da"
COMPARED = (("this model", "h"), ("this model", "c"), ("rnn.npz", "h"))
STATES = {"lstm": ("h", "c"), "gru": ("h",), "rnn": ("h",), "relu": ("h",)}


def small(kind, layers=1, lines=False, dtype=np.float64, **config):
    return model(network(kind, dtype, layers=layers, vocabulary=len(CHARACTERS), **config), CHARACTERS, lines)


def values(view, part):
    return {(column.group, column.name): list(column.values) for column in columns_of(view.parts[part])}


def norms(view):
    return values(view, "gradient norm by lag")


def by_differences(kind, it, before, after):
    """Read a text, then some characters more, and predict the last of them: layer and state between the two → norm."""
    weights = {name: block.tolist() for name, block in it.network.parameters.items()}
    ids = it.vocabulary.encode(before + after).tolist()
    fresh = it.network.zero_state(1).tolist()
    state = reference.read(kind, weights, [[k] for k in ids[: len(before)]], fresh).state
    slopes = reference.slopes(kind, weights, ids[len(before) :], state)
    return {
        (layer, name): math.hypot(*units)
        for layer, states in enumerate(slopes)
        for name, units in zip(STATES[kind], states, strict=True)
    }


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
def test_the_norms_are_those_of_differences(kind, layers, lines):
    it = small(kind, layers, lines)
    K = 3
    pieces = ["\n" + piece for piece in (TEXT + "\n").split("\n")[:-1]] if lines else [TEXT]
    follows = [piece + "\n" for piece in pieces[:-1]] + pieces[-1:]  # what is read, and the character after it
    found = {}
    for piece in follows:
        for t in range(K + lines, len(piece) - 1):
            for k in range(1, K + 1):
                for place, norm in by_differences(kind, it, piece[: t - k + 1], piece[t - k + 1 : t + 2]).items():
                    found.setdefault((*place, k), []).append(norm)
    view = norms(view_gradients(it, TEXT, lags=K))
    for layer in range(layers):
        for name in STATES[kind]:
            wanted = [median(found[layer, name, k]) for k in range(1, K + 1)]
            assert view[f"layer {layer}", name] == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    assert view["", "lag"] == [1, 2, 3] and len(view) == 1 + layers * len(STATES[kind])


@given(st.text("ab\n", min_size=1, max_size=40), st.integers(1, 6), st.booleans())
def test_predictions_have_as_many_characters_before_them_as_are_looked_at(text, K, by_line):
    broken = [n for n, character in enumerate(text) if by_line and character == "\n"]
    wanted = [t for t in range(K, len(text) - 1) if not any(t - K <= n <= t for n in broken)]
    assert list(choose_positions(text.replace("\n", END) if by_line else text, K)) == wanted


def test_a_long_text_gives_predictions_spread_evenly():
    found = choose_positions("a" * 9000, 50)
    assert len(found) == POSITIONS and (found[0], found[-1]) == (50, 8998)
    assert max(np.diff(found)) - min(np.diff(found)) <= 1


def test_what_is_far_below_single_precision_is_still_told():
    it = small("rnn", dtype=np.float32)
    it.network.parameters["layer0/W"][...] *= 0.1
    found = norms(view_gradients(it, "abcd" * 60, lags=90))["layer 0", "h"]
    assert 0 < found[-1] < 1e-50 and all(a > b for a, b in pairwise(found))


def test_a_memory_that_keeps_everything_keeps_the_gradient():
    it = small("lstm")
    parameters = it.network.parameters
    for name in ("layer0/W", "layer0/U", "layer0/b"):
        parameters[name][...] = 0.0
    parameters["layer0/b"][:3] = math.log(0.9 / 0.1)  # f = 0.9, whatever is read
    found = norms(view_gradients(it, "abcd" * 9, lags=12))
    shares = [b / a for a, b in pairwise(found["layer 0", "c"])]
    assert shares == pytest.approx([0.9] * 11) and not any(found["layer 0", "h"])
    left = values(view_gradients(it, "abcd" * 9, lags=12), "first lag with at most")
    assert left["", "gradient with respect to"][1] == "c of layer 0"
    assert left["", "half"][1] == 8 and math.isnan(left["", "a thousandth"][1])  # 0.9⁷ = 0.478


@pytest.mark.parametrize("lines", [False, True])
def test_a_text_of_several_blocks_gives_what_one_block_gives(monkeypatch, lines):
    it = small("lstm", 2, lines)
    whole = norms(view_gradients(it, TEXT, lags=3))
    monkeypatch.setattr("charlstm.model.model.BLOCK", 2)
    assert norms(view_gradients(it, TEXT, lags=3)) == whole


def test_models_beside_each_other_show_what_each_shows_alone():
    one, other = small("lstm", layers=2), small("rnn")
    both = norms(view_gradients(one, TEXT, {"other.npz": other}, 4))
    for name, it in (("this model", one), ("other.npz", other)):
        alone = norms(view_gradients(it, TEXT, lags=4))
        mine = {(group.removeprefix(f"{name}, "), state): v for (group, state), v in both.items() if name in group}
        assert mine == {place: v for place, v in alone.items() if place[0]}
    drawn = view_gradients(one, TEXT, {"other.npz": other}, 4).parts["gradient norm by lag, layer 0"]
    assert [column.name for column in drawn.ys] == [
        "h of this model",
        "c of this model",
        "h of other.npz",
    ] and drawn.log


@pytest.mark.parametrize(("text", "lags", "said"), [("a", None, "longer text$"), ("abcd", 3, "lags to at most 2")])
def test_a_text_that_is_too_short_is_refused(text, lags, said):
    with pytest.raises(ConfigError, match=said):
        view_gradients(small("lstm"), text, lags=lags)


@pytest.mark.parametrize("kind", KINDS)
def test_lags_are_half_of_the_text_unless_told(kind):
    assert len(norms(view_gradients(small(kind), "abcd" * 5))["", "lag"]) == 9
    with pytest.raises(UnknownCharacterError):
        view_gradients(small(kind), "abxd")


def test_the_command_compares_models_by_their_files(tmp_path):
    for kind in ("lstm", "rnn"):
        checkpoint.save(small(kind, dtype=np.float32), tmp_path / f"{kind}.npz")
    words = ["inspect", "-m", str(tmp_path / "lstm.npz"), "--view", "gradients", "abcd" * 3, "--lags", "4"]
    compared = ["--compare", str(tmp_path / "rnn.npz"), "--format", "json"]
    table = json.loads(CliRunner().invoke(main, words + compared).output)["gradient norm by lag"]
    assert list(table) == ["lag", *(f"{it}, layer 0: {state}" for it, state in COMPARED)] and table["lag"] == [
        1,
        2,
        3,
        4,
    ]
    refused = CliRunner().invoke(main, [*words, "--compare", str(tmp_path / "none.npz")])
    assert refused.exit_code == 1 and "none.npz" in refused.output
    assert CliRunner().invoke(main, [*words[:3], *compared[:2]]).exit_code == 2
