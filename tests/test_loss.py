"""Cross-entropy and its derivative, compared with their definitions."""

import math

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from charlstm.network.loss import NATS_PER_BIT, cross_entropy, cross_entropy_gradient, log_softmax


@st.composite
def predictions(draw, largest=30.0):
    """Logits (N, V), targets and weights, some of them zero."""
    n, v = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    numbers = st.floats(-largest, largest)
    logits = draw(st.lists(st.lists(numbers, min_size=v, max_size=v), min_size=n, max_size=n))
    targets = draw(st.lists(st.integers(0, v - 1), min_size=n, max_size=n))
    weights = draw(st.lists(st.just(0.0) | st.floats(0.1, 3.0), min_size=n, max_size=n))
    return np.array(logits), np.array(targets), np.array(weights)


@given(predictions())
def test_log_softmax_is_the_logarithm_of_the_softmax(example):
    logits, _, _ = example
    wanted = [[z - math.log(sum(map(math.exp, row))) for z in row] for row in logits.tolist()]
    result = log_softmax(logits)
    np.testing.assert_allclose(result, wanted, rtol=1e-12, atol=1e-12)
    assert (result <= 0.0).all()
    np.testing.assert_allclose(log_softmax(np.stack([logits, logits]))[1], result, rtol=1e-15)


@given(predictions(), st.floats(-100.0, 100.0))
def test_a_constant_added_to_all_logits_changes_nothing(example, constant):
    logits, targets, weights = example
    shifted = cross_entropy(logits + constant, targets, weights)
    assert shifted == pytest.approx(cross_entropy(logits, targets, weights), abs=1e-10)


@given(predictions())
def test_cross_entropy_is_its_definition(example):
    logits, targets, weights = example
    wanted = reference.loss([logits.tolist()], [targets.tolist()], [weights.tolist()])
    assert cross_entropy(logits, targets, weights) == pytest.approx(wanted, rel=1e-12, abs=1e-12)


@given(predictions())
def test_the_gradient_is_softmax_minus_one_hot(example):
    logits, targets, weights = example
    d_logits = logits.copy()
    loss = cross_entropy_gradient(d_logits, targets, weights)
    wanted = [
        [weight * (p - (k == target)) for k, p in enumerate(reference.probabilities(row))]
        for row, target, weight in zip(logits.tolist(), targets, weights, strict=True)
    ]
    np.testing.assert_allclose(d_logits, wanted, rtol=1e-11, atol=1e-12)
    assert loss == pytest.approx(cross_entropy(logits, targets, weights), rel=1e-12, abs=1e-12)
    assert not d_logits[weights == 0.0].any()


@given(predictions(largest=1e30))
def test_huge_logits_do_not_overflow(example):
    logits, targets, weights = (array.astype(kind) for array, kind in zip(example, "fif", strict=True))
    loss = cross_entropy(logits, targets, weights)
    assert math.isfinite(loss)
    assert cross_entropy_gradient(logits, targets, weights) == pytest.approx(loss, rel=1e-5, abs=1e-5)
    assert np.isfinite(logits).all()


def test_certain_and_uniform_predictions():
    logits = np.array([[800.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert cross_entropy(logits[:1], np.array([0]), np.ones(1)) == 0.0
    assert cross_entropy(logits[:1], np.array([2]), np.ones(1)) == 800.0
    assert cross_entropy(logits[1:], np.array([1]), np.ones(1)) == pytest.approx(math.log(3), rel=1e-15)
    assert pytest.approx(math.log(2), rel=1e-15) == NATS_PER_BIT


def test_single_precision_stays_single_and_the_sum_is_double():
    logits, targets = np.full((40_000, 2), 0.5, np.float32), np.zeros(40_000, int)
    assert log_softmax(logits).dtype == np.float32
    wanted = 40_000 * float(np.float32(math.log(2)))
    assert cross_entropy(logits, targets, np.ones(40_000, np.float32)) == pytest.approx(wanted, rel=1e-12)
    assert cross_entropy_gradient(logits, targets, np.ones(40_000, np.float32)) == pytest.approx(wanted, rel=1e-12)
    assert logits.dtype == np.float32
