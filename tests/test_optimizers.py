"""Optimizers, learning-rate schedule, weight decay and gradient clipping, compared with their equations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlstm.base.config import OPTIMIZERS, TrainingConfig
from charlstm.base.parameters import Parameters
from charlstm.network import optimizers
from charlstm.network.optimizers import BETA1, BETA2, EPSILON, MOMENTUM, RMS_DECAY, clip_gradient_norm
from charlstm.training.schedule import change_steps, learning_rate

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def adam(w, gradients, rates):
    m = v = 0.0
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g * g
        w -= lr * (m / (1 - BETA1**t)) / (math.sqrt(v / (1 - BETA2**t)) + EPSILON)
    return w


def rmsprop(w, gradients, rates):
    v = 0.0
    for g, lr in zip(gradients, rates, strict=True):
        v = RMS_DECAY * v + (1 - RMS_DECAY) * g * g
        w -= lr * g / (math.sqrt(v) + EPSILON)
    return w


def sgd(w, gradients, rates):
    m = 0.0
    for g, lr in zip(gradients, rates, strict=True):
        m = MOMENTUM * m + g
        w -= lr * m
    return w


@pytest.mark.parametrize("scale", [1.0, 1e-7])
@pytest.mark.parametrize("rule", [adam, rmsprop, sgd])
def test_updates_are_the_rule_applied_to_every_number(rule, scale):
    rng = np.random.default_rng(1)
    weights, gradients, rates = rng.normal(size=5), scale * rng.normal(size=(7, 5)), rng.uniform(0.01, 0.1, 7)
    gradients[:, 4] = 0.0
    wanted = [rule(w, column, rates) for w, column in zip(weights.tolist(), gradients.T.tolist(), strict=True)]
    optimizer = optimizers.build_optimizer(rule.__name__, weights)
    for step, (gradient, lr) in enumerate(zip(gradients, rates, strict=True)):
        kept = gradient.copy()
        optimizer.update(weights, gradient, lr, step)
        np.testing.assert_array_equal(gradient, kept)
    np.testing.assert_allclose(weights, wanted, rtol=1e-12)


@every_optimizer
def test_the_minimum_of_a_quadratic_is_found(name):
    bottom, steepness = np.array([3.0, -2.0, 0.5]), np.array([1.0, 0.3, 2.0])
    config = TrainingConfig(steps=800, learning_rate=0.05, warmup=10, optimizer=name)
    weights = np.zeros(3)
    optimizer = optimizers.build_optimizer(name, weights)
    for step in range(config.steps):
        optimizer.update(weights, steepness * (weights - bottom), learning_rate(config, step), step)
    np.testing.assert_allclose(weights, bottom, atol=1e-3)


@every_optimizer
def test_single_precision_stays_single(name):
    weights, gradient = np.ones(3, np.float32), np.full(3, 0.5, np.float32)
    optimizer = optimizers.build_optimizer(name, weights)
    clip_gradient_norm(gradient, 0.1)
    optimizer.update(weights, gradient, learning_rate(TrainingConfig(steps=9), 3), 3)
    assert weights.dtype == gradient.dtype == optimizer.moments.dtype == np.float32
    assert optimizer.moments.any()
    assert (weights < 1.0).all()


@given(warmup=st.integers(1, 60), after=st.integers(1, 60), lr=st.floats(1e-4, 10.0))
def test_rate_rises_in_a_line_then_falls_in_half_a_cosine(warmup, after, lr):
    config = TrainingConfig(steps=warmup + after, warmup=warmup, learning_rate=lr)
    rates = [learning_rate(config, step) for step in range(warmup + after + 1)]
    assert rates[:warmup] == pytest.approx([lr * (k + 1) / warmup for k in range(warmup)], rel=1e-12)
    falling = [lr * (1 + math.cos(math.pi * k / after)) / 2 for k in range(after + 1)]
    assert rates[warmup:] == pytest.approx(falling, rel=1e-12, abs=1e-15)
    assert rates[warmup] == lr == pytest.approx(max(rates))
    assert rates[-1] == 0.0
    assert min(rates[:-1]) > 0.0


@given(warmup=st.integers(0, 60), after=st.integers(1, 60), hold=st.floats(0.0, 0.9))
def test_the_rate_holds_its_peak_for_a_share_of_the_steps_before_it_falls(warmup, after, hold):
    config = TrainingConfig(steps=warmup + after, warmup=warmup, learning_rate=0.1, hold=hold)
    rates = [learning_rate(config, warmup + k) for k in range(after)]
    held = [0.1] * sum(k <= hold * after for k in range(after))
    falling = [0.05 * (1 + math.cos(math.pi * (k / after - hold) / (1 - hold))) for k in range(len(held), after)]
    assert rates == pytest.approx(held + falling, rel=1e-9, abs=1e-15)


@given(
    warmup=st.integers(0, 20),
    hold=st.floats(0.0, 0.9),
    ends=st.lists(st.tuples(st.floats(0.1, 0.9), st.integers(10, 400)), max_size=4),
)
def test_a_turn_leaves_the_rate_where_it_is_and_lets_it_fall_evenly_to_the_new_end(warmup, hold, ends):
    config = TrainingConfig(steps=200, warmup=warmup, learning_rate=0.1, hold=hold)
    place, turns = max(warmup + hold * (200 - warmup), 1), 0
    for share, further in ends:
        step = math.ceil(place + share * (config.steps - place)) + 1
        if step >= config.steps:
            break
        before, config = config, change_steps(config, step, step + further)
        turns, place = turns + 1, step
        assert len(config.schedule_changes) == turns and config.steps == step + further
        assert [learning_rate(config, k) for k in range(step)] == [learning_rate(before, k) for k in range(step)]
        assert learning_rate(config, step) == pytest.approx(learning_rate(before, step), rel=1e-9, abs=1e-15)
    phases = [math.acos(2 * learning_rate(config, k) / 0.1 - 1) for k in range(math.ceil(place) + 1, config.steps + 1)]
    assert phases[-1:] == pytest.approx([math.pi])
    assert np.diff(phases) == pytest.approx([(math.pi - phases[0]) / max(1, len(phases) - 1)] * (len(phases) - 1))


def test_at_its_peak_the_rate_needs_no_turn():
    config = TrainingConfig(steps=35, warmup=5, hold=0.5)  # the peak ends with step 20
    assert change_steps(config, 21, 99).schedule_changes == () and change_steps(config, 22, 99).schedule_changes == (
        (22, 35),
    )


@given(warmup=st.integers(0, 20), steps=st.integers(1, 40))
def test_without_decay_the_rate_stays(warmup, steps):
    config = TrainingConfig(steps=steps, warmup=warmup, learning_rate=0.3, decay=False)
    assert {learning_rate(config, step) for step in range(warmup, max(warmup, steps) + 5)} == {0.3}


def test_without_warm_up_the_first_rate_is_the_peak():
    assert learning_rate(TrainingConfig(steps=10, warmup=0, learning_rate=0.3), 0) == 0.3


@given(st.floats(0.0, 0.5))
def test_decay_takes_a_share_of_the_matrices_and_leaves_the_biases(share):
    parameters = Parameters({"U": (2, 3), "b": (3,), "W": (3, 3)}, np.float64)
    parameters.flat[:] = before = np.random.default_rng(0).normal(size=18)
    optimizers.decay_weights(parameters, share)
    np.testing.assert_allclose(parameters.flat[:6], before[:6] * (1 - share), rtol=1e-12)
    np.testing.assert_array_equal(parameters.flat[6:9], before[6:9])
    np.testing.assert_allclose(parameters.flat[9:], before[9:] * (1 - share), rtol=1e-12)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6), st.floats(1e-3, 1e4))
def test_clipping_only_shortens(numbers, limit):
    gradient = np.array(numbers)
    norm = math.sqrt(math.fsum(x * x for x in numbers))
    assert clip_gradient_norm(gradient, limit) == pytest.approx(norm, rel=1e-12)
    if norm > limit * (1 + 1e-9):
        np.testing.assert_allclose(gradient, np.array(numbers) * limit / norm, rtol=1e-12)
        assert np.linalg.norm(gradient) == pytest.approx(limit, rel=1e-12)
    elif norm <= limit * (1 - 1e-9):
        np.testing.assert_array_equal(gradient, numbers)


def test_no_limit_never_clips():
    gradient = np.array([3e5, 4e5])
    assert clip_gradient_norm(gradient, 0) == pytest.approx(5e5)
    np.testing.assert_array_equal(gradient, [3e5, 4e5])
