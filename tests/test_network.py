"""The network computes its equations, and nothing else influences the result."""

import math

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from small import (
    Example,
    by_reference,
    every_kind,
    example,
    gradient,
    network,
    one_and_two_layers,
    with_and_without_dropout,
)

from charlstm.base.parameters import Buffers
from charlstm.network.dropout import unit_masks, weight_mask

FORGET_GATE = {"lstm": slice(0, 6), "gru": slice(6, 12)}  # columns, for 6 hidden units
GATES = {"lstm": 4, "gru": 3, "rnn": 1, "relu": 1}
EXACT = {"rtol": 1e-12, "atol": 1e-13}


@every_kind
@one_and_two_layers
@with_and_without_dropout
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_pass_agrees_with_the_plain_equations(kind, layers, dropout, dtype, tolerance):
    it = network(kind, dtype, layers=layers, dropout=dropout)
    ids, targets, loss_mask, state, masks = of = example(it, steps=6)
    wanted = by_reference(kind, it, ids, state, masks)

    done = it.forward(ids, state, masks)
    close = {"rtol": tolerance, "atol": tolerance}
    np.testing.assert_allclose(done.logits, wanted.logits, **close)
    np.testing.assert_allclose(done.state, wanted.state, **close)
    for tape, quantities in zip(done.tapes, wanted.quantities, strict=True):
        assert set(it.cell.quantities) == set(quantities)
        for name in it.cell.quantities:
            np.testing.assert_allclose(it.cell.read(tape, name), quantities[name], **close, err_msg=name)

    loss, after, _ = gradient(it, of)
    assert loss == pytest.approx(reference.loss(wanted.logits, targets.tolist(), loss_mask.tolist()), rel=tolerance)
    np.testing.assert_allclose(after, wanted.state, **close)


@pytest.mark.parametrize(("kind", "width"), [("lstm", 12), ("gru", 9), ("rnn", 3), ("relu", 3)])
def test_weights_have_the_shapes_of_the_equations_in_their_order(kind, width):
    assert [(name, block.shape) for name, block in network(kind, layers=2).parameters.items()] == [
        ("layer0/U", (5, width)),
        ("layer0/W", (3, width)),
        ("layer0/b", (width,)),
        ("layer1/U", (3, width)),
        ("layer1/W", (3, width)),
        ("layer1/b", (width,)),
        ("output/W", (3, 5)),
        ("output/b", (5,)),
    ]


@every_kind
@one_and_two_layers
@given(cuts=st.sets(st.integers(1, 11)), rows=st.integers(1, 4))
def test_reading_in_pieces_equals_reading_at_once(kind, layers, cuts, rows):
    it = network(kind, layers=layers)
    ids, _, _, state, _ = example(it, steps=12, rows=rows)
    whole = it.forward(ids, state)
    logits = []
    for piece in np.split(ids, sorted(cuts)):
        done = it.forward(piece, state)
        state = done.state
        logits.append(done.logits)
    np.testing.assert_allclose(np.concatenate(logits), whole.logits, **EXACT)
    np.testing.assert_allclose(state, whole.state, **EXACT)
    np.testing.assert_array_equal(state[0], whole.state[0])  # the lowest layer makes the very same products


@every_kind
@one_and_two_layers
@with_and_without_dropout
def test_rows_of_a_batch_do_not_influence_each_other(kind, layers, dropout):
    it = network(kind, layers=layers, dropout=dropout)
    of = example(it, steps=6, rows=4)
    loss, state, whole = gradient(it, of)
    alone = [gradient(it, only(of, [row])) for row in range(4)]
    assert loss == pytest.approx(sum(part[0] for part in alone), rel=1e-12)
    np.testing.assert_allclose(state, np.concatenate([part[1] for part in alone], axis=2), **EXACT)
    np.testing.assert_allclose(whole, sum(part[2] for part in alone), **EXACT)
    logits = it.forward(of.ids, of.state, of.masks).logits
    for row in range(4):
        ids, _, _, before, masks = only(of, [row])
        np.testing.assert_allclose(it.forward(ids, before, masks).logits[:, 0], logits[:, row], **EXACT)


@every_kind
@given(order=st.permutations(range(3)))
def test_reordered_rows_give_reordered_results(kind, order):
    it = network(kind, layers=2, dropout=0.4)
    of = example(it)
    ids, _, _, state, masks = only(of, order)
    done, moved = it.forward(of.ids, of.state, of.masks), it.forward(ids, state, masks)
    np.testing.assert_allclose(moved.logits, done.logits[:, order], **EXACT)
    np.testing.assert_allclose(moved.state, done.state[:, :, order], **EXACT)
    np.testing.assert_allclose(gradient(it, only(of, order))[2], gradient(it, of)[2], **EXACT)


@every_kind
@given(shapes=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 5)), min_size=1, max_size=4))
def test_reused_buffers_do_not_change_results(kind, shapes):
    it = network(kind, layers=2, dropout=0.4)
    buffers = Buffers(np.float64)
    for seed, (steps, rows) in enumerate(shapes):
        of = example(it, steps, rows, seed)
        fresh, used = gradient(it, of), gradient(it, of, buffers)
        assert fresh[0] == used[0]
        np.testing.assert_array_equal(fresh[1], used[1])
        np.testing.assert_array_equal(fresh[2], used[2])
        done = it.forward(of.ids, of.state, of.masks).logits
        np.testing.assert_array_equal(done, it.forward(of.ids, of.state, of.masks, buffers).logits)


@every_kind
@one_and_two_layers
def test_the_loss_is_the_same_with_and_without_gradient(kind, layers):
    it = network(kind, layers=layers)
    of = example(it)
    loss, state = it.loss(*of[:4], Buffers(np.float64))
    with_gradient = gradient(it, of)
    assert loss == pytest.approx(with_gradient[0], rel=1e-14)
    np.testing.assert_array_equal(state, with_gradient[1])


@every_kind
def test_a_pass_changes_neither_its_input_nor_the_weights(kind):
    it = network(kind, layers=2, dropout=0.4)
    of = example(it)
    before = [array.copy() for array in of], it.parameters.flat.copy()
    gradient(it, of)
    for array, copy in zip(of, before[0], strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(it.parameters.flat, before[1])


@every_kind
@one_and_two_layers
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), padding=st.integers(0, 4))
def test_padding_does_not_count(kind, layers, lengths, padding):
    it = network(kind, layers=layers)
    of = example(it, max(lengths), len(lengths))
    there = np.arange(max(lengths))[:, None] < lengths  # (T, B)
    padded = of._replace(
        ids=np.where(there, of.ids, padding),
        targets=np.where(there, of.targets, padding),
        loss_mask=of.loss_mask * there,
    )
    loss, _, whole = gradient(it, padded)
    alone = []
    for row, length in enumerate(lengths):
        ids, targets, loss_mask, state, _ = only(of, [row])
        alone.append(gradient(it, Example(ids[:length], targets[:length], loss_mask[:length], state, None)))
    assert loss == pytest.approx(sum(part[0] for part in alone), rel=1e-12)
    np.testing.assert_allclose(whole, sum(part[2] for part in alone), **EXACT)


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("vocabulary", [5, 65, 500])
def test_an_untrained_network_predicts_nearly_uniformly(kind, layers, vocabulary):
    it = network(kind, np.float32, vocabulary, hidden=32, layers=layers)
    it.initialise(3)
    ids, targets = np.random.default_rng(4).integers(vocabulary, size=(2, 25, 20))
    loss, _ = it.loss(ids, targets, np.ones(ids.shape), it.zero_state(20), Buffers(np.float32))
    assert loss / ids.size == pytest.approx(math.log(vocabulary), rel=0.05)


@every_kind
@one_and_two_layers
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_initial_weights(kind, layers, dtype, tolerance):
    it = network(kind, dtype, vocabulary=40, hidden=6, layers=layers, forget_bias=1.7)
    it.initialise(5)
    for layer in range(layers):
        U, W, b = (it.parameters[f"layer{layer}/{name}"] for name in "UWb")
        for block in np.split(W, GATES[kind], axis=1):
            np.testing.assert_allclose(block.T @ block, np.eye(6), atol=tolerance)
        wanted = np.zeros(6 * GATES[kind], dtype)
        wanted[FORGET_GATE.get(kind, slice(0))] = 1.7
        np.testing.assert_array_equal(b, wanted)
        assert U.var() == pytest.approx(1 / 6 if layer else 0.64, rel=8 / math.sqrt(U.size))
    assert not it.parameters["output/b"].any()
    assert it.parameters["output/W"].all()


def test_chrono_initialisation_starts_with_a_smaller_U():
    it = network("lstm", vocabulary=400, hidden=20, chrono_init=9)
    it.initialise(5)
    assert it.parameters["layer0/U"].var() == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("span", [1, 3, 50, 1000])
def test_chrono_initialisation_gives_time_scales_up_to_its_length(span):
    for kind in ("lstm", "gru"):
        it = network(kind, hidden=500, chrono_init=span, forget_bias=9.0)
        it.initialise(3)
        blocks = dict(zip(it.cell.gates, np.split(it.parameters["layer0/b"], GATES[kind]), strict=True))
        kept = blocks.pop("f" if kind == "lstm" else "u")
        steps = 1 + np.exp(kept)  # a fraction σ(b) kept at every step is 1/e after about this number
        assert steps.min() >= 2 and steps.max() <= max(span, 3)
        assert steps.mean() == pytest.approx((2 + max(span, 3)) / 2, rel=0.1)
        if kind == "lstm":
            np.testing.assert_array_equal(blocks.pop("i"), -kept)
        assert not any(block.any() for block in blocks.values())


@every_kind
def test_initial_weights_depend_on_the_seed_alone(kind):
    one, same, other = (network(kind, layers=2, seed=seed) for seed in range(3))
    one.initialise(7)
    same.initialise(7)
    other.initialise(8)
    np.testing.assert_array_equal(one.parameters.flat, same.parameters.flat)
    assert all((one.parameters[name] != other.parameters[name]).all() for name in one.parameters if name[-1] != "b")


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_dropout_masks_keep_the_mean(dropout):
    it = network("lstm", np.float32, hidden=200, layers=2, dropout=dropout)
    masks = unit_masks(it.config, np.float32, 50, 0, 0)
    keep = 1.0 - dropout
    assert masks.shape == (2, 50, 200)
    np.testing.assert_allclose(np.unique(masks), [0.0, 1.0 / keep], rtol=1e-6)
    assert masks.mean() == pytest.approx(1.0, abs=5 * math.sqrt((1 / keep - 1) / masks.size))


def test_dropout_masks_depend_on_seed_and_step_alone():
    it = network("gru", hidden=40, layers=2, dropout=0.5)
    masks = {key: unit_masks(it.config, np.float32, 3, *key) for key in [(0, 0), (0, 1), (1, 0)]}
    np.testing.assert_array_equal(masks[0, 1], unit_masks(it.config, np.float32, 3, 0, 1))
    assert len({mask.tobytes() for mask in masks.values()}) == 3
    assert (masks[0, 0][0] != masks[0, 0][1]).any()
    assert unit_masks(network("gru").config, np.float32, 3, 0, 0) is None


@every_kind
@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.999])
def test_weight_masks_drop_recurrent_weights_only(kind, dropout):
    it = network(kind, np.float32, hidden=100, layers=2, weight_dropout=dropout)
    masks = it.parameters.like()
    masks.flat[:] = weight_mask(it.config, it.parameters, 0, 0)
    dropped = {"layer0/W", "layer1/W"}
    assert all((masks[name] == 1.0).all() for name in masks if name not in dropped)
    keep = 1.0 - min(255, round(256 * dropout)) / 256
    for name in dropped:
        np.testing.assert_allclose(np.unique(masks[name]), [0.0, 1.0 / keep], rtol=1e-6)
        assert masks[name].mean() == pytest.approx(1.0, abs=5 * math.sqrt((1 / keep - 1) / masks[name].size))
    assert (masks["layer0/W"] != masks["layer1/W"]).any()
    assert masks.flat.tobytes() == weight_mask(it.config, it.parameters, 0, 0).tobytes()
    assert (
        len({weight_mask(it.config, it.parameters, seed, step).tobytes() for seed, step in [(0, 0), (0, 1), (1, 0)]})
        == 3
    )
    assert weight_mask(network(kind).config, it.parameters, 0, 0) is None


@every_kind
def test_single_precision_stays_single(kind):
    it = network(kind, np.float32, layers=2, dropout=0.4)
    of = example(it)
    done = it.forward(of.ids, of.state, of.masks)
    arrays = [it.zero_state(2), of.masks, done.logits, done.state, *done.outputs, gradient(it, of)[1]]
    packed = it.pack(3)
    arrays += [packed.character_table, *packed.b]
    arrays += [matrix.result for matrix in (packed.W_out, *packed.W, *packed.U)]
    arrays += [array for tape in done.tapes for array in (tape.gates, *tape.states, *tape.saved)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def only(of, rows):
    """Some rows of an example."""
    masks = None if of.masks is None else of.masks[:, rows]
    return Example(of.ids[:, rows], of.targets[:, rows], of.loss_mask[:, rows], of.state[:, :, rows], masks)
