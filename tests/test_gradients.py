"""The hand-written gradients are the slopes of the loss, and the check that says so would notice a small mistake."""

import numpy as np
import pytest
import reference
from small import (
    KINDS,
    by_reference,
    every_kind,
    example,
    gradient,
    network,
    one_and_two_layers,
    with_and_without_dropout,
)

import charlstm.network.network
from charlstm.network.loss import cross_entropy

STEP = 1e-5
ALLOWED = 1e-6
FACTORS = [(kind, factor) for kind in KINDS for factor in range({"lstm": 5, "gru": 3}.get(kind, 1))]
GATES = [(kind, gate) for kind in KINDS for gate in range({"lstm": 4, "gru": 3}.get(kind, 1))]


def slopes(weights, loss):
    """Central differences of a loss, one weight after another."""
    result = np.zeros_like(weights)
    for k in range(weights.size):
        kept = weights[k]
        weights[k] = kept + STEP
        above = loss()
        weights[k] = kept - STEP
        below = loss()
        weights[k] = kept
        result[k] = (above - below) / (2 * STEP)
    return result


def worst_block(of_network, of, loss):
    """Return the largest ‖a − n‖ / (‖a‖ + ‖n‖) of any block of weights, and the block's name; no block may be zero."""
    analytic, numeric = of_network.parameters.like(), of_network.parameters.like()
    analytic.flat[:] = gradient(of_network, of)[2]
    numeric.flat[:] = slopes(of_network.parameters.flat, loss)
    return max((difference(analytic, numeric, name), name) for name in analytic)


def difference(a, n, name):
    return np.linalg.norm(a[name] - n[name]) / (np.linalg.norm(a[name]) + np.linalg.norm(n[name]))


def own_loss(it, of):
    """The loss by the package's way forward."""

    def loss():
        logits = it.forward(of.ids, of.state, of.masks).logits
        return cross_entropy(logits.reshape(of.ids.size, -1), of.targets.reshape(-1), of.counted.reshape(-1))

    return loss


def reference_loss(kind, it, of):
    """The loss by the plain equations, which share no line with the package."""

    def loss():
        logits = by_reference(kind, it, of.ids, of.state, of.masks).logits
        return reference.loss(logits, of.targets.tolist(), of.counted.tolist())

    return loss


@every_kind
@one_and_two_layers
@with_and_without_dropout
@pytest.mark.parametrize("seed", [1, 2])
def test_gradient_is_the_slope_of_the_loss(kind, layers, dropout, seed):
    it = network(kind, seed=seed, hidden=6, layers=layers, dropout=dropout)
    of = example(it, steps=8, rows=4, seed=seed)
    assert worst_block(it, of, own_loss(it, of)) < (ALLOWED,)


@every_kind
@one_and_two_layers
@with_and_without_dropout
def test_gradient_is_the_slope_of_the_plain_equations(kind, layers, dropout):
    it = network(kind, vocabulary=3, hidden=2, layers=layers, dropout=dropout)
    of = example(it, steps=3, rows=2, seed=6)
    assert worst_block(it, of, reference_loss(kind, it, of)) < (ALLOWED,)


@one_and_two_layers
@pytest.mark.parametrize(("kind", "gate"), GATES)
def test_one_gate_that_is_off_by_a_thousandth_is_noticed(monkeypatch, kind, gate, layers):
    it = network(kind, layers=layers)

    def spoil(dz, dr, d_states):
        dz[gate] *= 1.001

    plant(monkeypatch, it, spoil)
    assert_noticed(it)


@one_and_two_layers
@pytest.mark.parametrize(("kind", "factor"), FACTORS)
def test_one_slope_that_is_off_by_a_thousandth_is_noticed(monkeypatch, kind, factor, layers):
    it = network(kind, layers=layers)
    cell = type(it.cell)
    right = cell.slopes

    def wrong(self, tape, steps, buffers):
        slopes = right(self, tape, steps, buffers)
        slopes[factor] *= 1.001
        return slopes

    monkeypatch.setattr(cell, "slopes", wrong)
    assert_noticed(it)


@every_kind
def test_however_many_steps_have_their_slopes_computed_at_once_the_gradient_is_the_same(monkeypatch, kind):
    it = network(kind)
    of = example(it)
    together = gradient(it, of)[2].copy()
    monkeypatch.setattr(charlstm.network.network, "SLOPES_AT_ONCE", 2 * of.ids.shape[1] * it.config.hidden)
    assert np.array_equal(gradient(it, of)[2], together)


@pytest.mark.parametrize("gate", range(3))
def test_one_gate_of_the_recurrent_product_that_is_off_is_noticed(monkeypatch, gate):
    it = network("gru")

    def spoil(dz, dr, d_states):
        dr[gate] *= 1.001

    plant(monkeypatch, it, spoil)
    assert_noticed(it)


@pytest.mark.parametrize(("kind", "state"), [("lstm", 1), ("gru", 0)])
def test_a_state_carried_back_that_is_off_is_noticed(monkeypatch, kind, state):
    it = network(kind)

    def spoil(dz, dr, d_states):
        d_states[state][...] *= 1.001

    plant(monkeypatch, it, spoil)
    assert_noticed(it)


@every_kind
def test_an_output_gradient_that_is_off_is_noticed(monkeypatch, kind):
    right = charlstm.network.network.cross_entropy_gradient

    def wrong(logits, targets, weights):
        loss = right(logits, targets, weights)
        logits[:, 1] *= 1.001
        return loss

    monkeypatch.setattr(charlstm.network.network, "cross_entropy_gradient", wrong)
    assert_noticed(network(kind))


@with_and_without_dropout
def test_masks_and_weights_that_are_forgotten_are_noticed(dropout):
    it = network("lstm", layers=2, dropout=0.4)
    of = example(it)
    other = of._replace(masks=None) if dropout else of._replace(counted=np.ones_like(of.counted))
    assert worst_block(it, of, own_loss(it, other)) > (ALLOWED,)


def plant(monkeypatch, it, spoil):
    """Let something be changed after every step back of a network's cell."""
    cell = type(it.cell)
    right = cell.backward

    def wrong(self, tape, t, slopes, d_states, dr):
        right(self, tape, t, slopes, d_states, dr)
        spoil(tape.gates[:, t], dr, d_states)

    monkeypatch.setattr(cell, "backward", wrong)


def assert_noticed(it):
    of = example(it)
    assert worst_block(it, of, own_loss(it, of)) > (ALLOWED,)
