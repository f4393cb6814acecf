"""Training learns what can be learnt, repeats itself to the bit, and stops before it spoils the weights."""

import math
from dataclasses import replace

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from small import by_reference, every_kind, network

from charlstm.base.config import OPTIMIZERS, TrainingConfig
from charlstm.base.errors import TrainingError
from charlstm.base.parameters import Buffers
from charlstm.network import optimizers
from charlstm.network.dropout import unit_masks, weight_mask
from charlstm.text.batches import DocumentBatches, StreamBatches
from charlstm.text.documents import find_documents
from charlstm.text.split import validation_batches
from charlstm.training import trainer
from charlstm.training.exchange import Requests
from charlstm.training.trainer import evaluate, train

PERIODIC = np.array([0, 1, 2, 0, 1, 3, 4] * 60)  # what follows 0 1 can only be told by who remembers
LINES = ([1, 2], [2, 1, 1], [3, 4, 3, 4, 4], [4, 4, 4])  # after the first character of a line all is certain
RATES = {"adam": 0.02, "rmsprop": 0.01, "sgd": 0.3}


def learn(kind="lstm", steps=150, batches=None, held_out=None, seed=0, hidden=16, optimizer="adam", **config):
    """Train a new network; return it and the progress of every step."""
    it = network(kind, np.float32, hidden=hidden, **config)
    it.initialise(seed)
    settings = TrainingConfig(steps, optimizer=optimizer, learning_rate=RATES[optimizer], warmup=10, random_seed=seed)
    return it, list(train(it, batches or StreamBatches(PERIODIC, 6, 16), held_out, settings))


def lines(rows=3):
    ids = np.array([0, *(character for line in LINES for character in (*line, 0))])
    return DocumentBatches(ids, find_documents(ids, 0), rows)


@every_kind
def test_a_text_that_repeats_is_learnt(kind):
    it, progress = learn(kind, steps=300)
    assert progress[0].loss == pytest.approx(math.log(5), rel=0.05)
    assert evaluate(it, validation_batches(PERIODIC, [(100, len(PERIODIC))], 16), Buffers(np.float32)) < 0.02


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns(optimizer):
    it, _ = learn(steps=300, optimizer=optimizer)
    assert evaluate(it, validation_batches(PERIODIC, [(100, len(PERIODIC))], 16), Buffers(np.float32)) < 0.1


@every_kind
def test_lines_are_learnt_up_to_what_chance_decides(kind):
    it, _ = learn(kind, steps=400, batches=lines())
    characters = sum(len(line) + 1 for line in LINES)
    least = len(LINES) * math.log(len(LINES)) / characters  # which line comes
    assert least <= evaluate(it, lines().in_order(), Buffers(np.float32)) < least + 0.02


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("batches", [lines(), StreamBatches(PERIODIC, 6, 16)])
def test_the_random_seed_decides_every_bit(batches, dropout):
    runs = [learn("lstm", 12, batches, seed=seed, layers=2, dropout=dropout) for seed in (0, 0, 1)]
    weights = [it.parameters.flat.tobytes() for it, _ in runs]
    assert weights[0] == weights[1] != weights[2]
    told = [[step._replace(state=None) for step in progress] for _, progress in runs]
    assert told[0] == told[1] != told[2]


def test_what_is_held_out_and_measured_changes_nothing():
    with_measure, progress = learn(
        steps=20, held_out=lambda: validation_batches(PERIODIC, [(100, len(PERIODIC))], 16), dropout=0.2
    )
    without, _ = learn(steps=20, dropout=0.2)
    np.testing.assert_array_equal(with_measure.parameters.flat, without.parameters.flat)
    measured = [
        step.report.validation_loss for step in progress if step.report and step.report.validation_loss is not None
    ]
    assert len(measured) == 10
    assert measured[-1] == evaluate(
        with_measure, validation_batches(PERIODIC, [(100, len(PERIODIC))], 16), Buffers(np.float32)
    )


@pytest.mark.parametrize(("validate_every", "often"), [(0, 50), (30, 30)])
def test_progress_counts_and_averages(monkeypatch, validate_every, often):
    norms = []

    def clipped(gradient, limit):
        norms.append(float(np.linalg.norm(gradient)))
        return norms[-1]

    monkeypatch.setattr(optimizers, "clip_gradient_norm", clipped)
    it, batches = network("lstm", np.float32, hidden=2), lines()
    settings = TrainingConfig(500, validate_every=validate_every)
    progress = list(train(it, batches, batches.in_order, settings))
    assert [step.step for step in progress] == list(range(1, 501))
    assert sum(step.characters for step in progress[:2]) == sum(len(line) + 1 for line in LINES)
    reports = [k for k, step in enumerate(progress, 1) if step.report is not None]
    assert reports == [*(k for k in range(1, 500) if k * 20 // often > (k - 1) * 20 // often), 500]
    judged = [k for k in reports if progress[k - 1].report.validation_loss is not None]
    assert judged == [*range(often, 500, often), 500]
    assert [k for k, step in enumerate(progress, 1) if step.state] == judged
    for start, stop in zip([0, *reports], reports, strict=False):
        since, report = progress[start:stop], progress[stop - 1].report
        mean = sum(step.loss * step.characters for step in since) / sum(step.characters for step in since)
        assert report.training_loss == pytest.approx(mean, rel=1e-12)
        assert report.gradient_norm == pytest.approx(sum(norms[start:stop]) / (stop - start), rel=1e-6)
    assert [step.complete for step in progress] == [False] * 499 + [True]


def test_the_last_step_is_reported_and_judged_wherever_the_run_ends():
    settings = TrainingConfig(7, validate_every=1000)
    *others, last = train(network("lstm", np.float32), lines(), lines().in_order, settings)
    assert all(step.report is None for step in others)
    assert last.report.training_loss == pytest.approx(
        sum(step.loss * step.characters for step in [*others, last]) / sum(step.characters for step in [*others, last])
    )
    assert last.report.validation_loss is not None and last.report.improved and last.state is not None


def test_the_norm_that_is_reported_is_that_before_the_gradient_is_clipped():
    settings = TrainingConfig(40, learning_rate=0.0, clip=0.0)
    free, clipped = (
        [step.report.gradient_norm for step in train(network("lstm", np.float32), lines(), None, config) if step.report]
        for config in (settings, replace(settings, clip=1e-3))
    )
    assert free == clipped and min(free) > 0.01


def test_patience_ends_a_run_that_gets_no_better():
    it = network("lstm", np.float32)
    settings = TrainingConfig(1000, learning_rate=0.0, validate_every=7, patience=3)  # nothing is learnt
    progress = list(train(it, StreamBatches(PERIODIC, 6, 16), lambda: lines().in_order(), settings))
    assert len(progress) == 4 * 7 and progress[-1].complete
    assert [step.report.improved for step in progress if step.report and step.report.validation_loss] == [
        True,
        *[False] * 3,
    ]
    again = train(it, StreamBatches(PERIODIC, 6, 16), None, settings, start=progress[-1].state)
    assert list(again) == []
    longer = replace(settings, patience=5)
    more = list(train(it, StreamBatches(PERIODIC, 6, 16), lambda: lines().in_order(), longer, start=progress[-1].state))
    assert len(more) == 2 * 7


@given(losses=st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0]), min_size=12, max_size=12))
def test_a_run_stops_early_when_half_of_its_steps_came_after_the_best_validation(losses):
    best = [losses.index(min(losses[: k + 1])) + 1 for k in range(12)]  # number of the best of the first k + 1
    ends = [k for k in range(1, 13) if k >= 2 * best[k - 1] and k >= best[k - 1] + 2]
    it, settings, measured = network("rnn", np.float32, hidden=1), TrainingConfig(24, validate_every=2), iter(losses)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer, "evaluate", lambda *arguments: next(measured))
        *_, last = train(it, lines(), lines().in_order, replace(settings, patience="auto"))
    assert last.complete and last.step == 2 * min([*ends, 12])
    assert last.state.best.step == 2 * best[last.step // 2 - 1]


def test_steps_that_change_at_the_peak_of_the_rate_leave_no_trace():
    settings = TrainingConfig(60, warmup=5, hold=0.5, validate_every=9)
    requests = {3: 40, 11: 90, 20: 36}  # after 20 steps the rate of a run of 36 is about to fall
    changed, same = network("lstm", np.float32), network("lstm", np.float32)
    first = list(
        train(
            changed,
            StreamBatches(PERIODIC, 6, 16),
            None,
            settings,
            ask=lambda k: Requests(steps=requests.get(k, 0)),
        )
    )
    second = list(train(same, StreamBatches(PERIODIC, 6, 16), None, replace(settings, steps=36)))
    np.testing.assert_array_equal(changed.parameters.flat, same.parameters.flat)
    assert [step.loss for step in first] == [step.loss for step in second]
    assert [step.training.steps for step in first] == [60] * 3 + [40] * 8 + [90] * 9 + [36] * 16
    assert first[-1].training == replace(settings, steps=36)


def test_steps_that_change_while_the_rate_falls_are_recorded_as_changes_that_repeat_the_run():
    settings = TrainingConfig(30, warmup=5, hold=0.4, validate_every=9)
    requests = {20: 50, 41: 44}
    changed, same = network("lstm", np.float32), network("lstm", np.float32)
    first = list(
        train(
            changed,
            StreamBatches(PERIODIC, 6, 16),
            None,
            settings,
            ask=lambda k: Requests(steps=requests.get(k, 0)),
        )
    )
    kept = first[-1].training
    assert (kept.steps, kept.schedule_changes, len(first)) == (44, ((20, 30), (41, 50)), 44)
    second = list(train(same, StreamBatches(PERIODIC, 6, 16), None, kept))
    np.testing.assert_array_equal(changed.parameters.flat, same.parameters.flat)
    assert [step.loss for step in first] == [step.loss for step in second]


@pytest.mark.parametrize("rows", [1, 6])
def test_the_first_steps_are_those_of_the_definition(rows):
    batches = StreamBatches(PERIODIC, rows, 50)
    settings = TrainingConfig(
        12, optimizer="sgd", learning_rate=0.3, warmup=0, clip=0.5, weight_decay=0.2, random_seed=3
    )
    it, same = (network("gru", hidden=4, dropout=0.3, weight_dropout=0.4) for _ in range(2))
    state, momentum = None, 0.0
    for step, progress in enumerate(train(it, batches, None, settings)):
        ids, targets, counted, fresh = batches.batch(step)
        state = same.zero_state(rows) if fresh else state
        gradient = same.parameters.like()
        share, masks = counted / counted.sum(), unit_masks(same.config, np.float64, rows, 3, step)
        mask, thin = weight_mask(same.config, same.parameters, 3, step), network("gru", hidden=4)
        thin.parameters.flat[:] = same.parameters.flat * mask
        loss, state = thin.loss_and_gradient(ids, targets, share, state, masks, Buffers(np.float64), gradient)
        gradient.flat *= mask
        momentum = gradient.flat * min(1.0, 0.5 / np.linalg.norm(gradient.flat)) + 0.9 * momentum
        rate = 0.15 * (1 + math.cos(math.pi * step / 12))
        same.parameters.flat[:] -= rate * momentum
        for name in ("layer0/U", "layer0/W", "output/W"):
            same.parameters[name][...] *= 1 - 0.2 * rate
        assert progress.loss == pytest.approx(loss, rel=1e-6)
        np.testing.assert_allclose(it.parameters.flat, same.parameters.flat, rtol=1e-5, atol=1e-7)


@given(averaging=st.floats(0.5, 20.0), seed=st.integers(0, 9))
def test_the_model_gets_the_average_of_the_weights_after_every_step_and_training_does_not(averaging, seed):
    settings = TrainingConfig(12, learning_rate=0.05, warmup=0, validate_every=4, random_seed=seed)
    it, same = network("lstm", np.float32, hidden=4), network("lstm", np.float32, hidden=4)
    batches = StreamBatches(PERIODIC, 6, 16)
    plain = [it.parameters.flat.copy() for _ in train(it, batches, lines().in_order, settings)]
    done, losses = [], {}
    for step in train(same, batches, lines().in_order, replace(settings, averaging=averaging)):
        done.append(same.parameters.flat.copy())
        if step.report is not None and step.report.validation_loss is not None:
            losses[step.step], best = step.report.validation_loss, step.state.best
            shares = [math.exp(math.lgamma(s + averaging) - math.lgamma(s)) for s in range(1, step.step + 1)]
            average = np.average(np.array(plain[: step.step], np.float64), axis=0, weights=shares)
            np.testing.assert_allclose(step.state.average, average, rtol=1e-4, atol=1e-6)
            judged = it.with_weights(average.astype(np.float32))
            wanted = evaluate(judged, lines().in_order(), Buffers(np.float32))
            assert losses[step.step] == pytest.approx(wanted, rel=1e-5)
            if best.step == step.step:
                np.testing.assert_array_equal(best.weights, step.state.average)
    np.testing.assert_array_equal(done, plain)
    assert best.validation_loss == min(losses.values())


@pytest.mark.parametrize("poisoned", ["loss", "gradient"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_training_stops_before_numbers_that_are_not_finite_reach_the_weights(monkeypatch, poisoned, value, clip):
    it = network("lstm", np.float32)
    right, calls = it.loss_and_gradient, []

    def poison(*arguments):
        loss, state = right(*arguments)
        calls.append(loss)
        if len(calls) < 4:
            return loss, state
        if poisoned == "gradient":
            arguments[6].flat[3] = value
        return (value if poisoned == "loss" else loss), state

    monkeypatch.setattr(it, "loss_and_gradient", poison)
    done = {}
    with pytest.raises(TrainingError, match=r"diverged at step 4:.*learning rate below"), np.errstate(invalid="ignore"):
        for progress in train(it, StreamBatches(PERIODIC, 6, 16), None, TrainingConfig(9, clip=clip)):
            done[progress.step] = it.parameters.flat.copy()
    assert list(done) == [1, 2, 3]
    np.testing.assert_array_equal(it.parameters.flat, done[3])
    assert np.isfinite(it.parameters.flat).all()


def test_training_that_runs_away_is_stopped():
    it = network("relu", np.float32)
    settings = TrainingConfig(50, optimizer="sgd", learning_rate=1e30, warmup=0, decay=False)
    with pytest.raises(TrainingError), np.errstate(all="ignore"):
        for _ in train(it, StreamBatches(PERIODIC, 6, 16), None, settings):
            pass
    assert np.isfinite(it.parameters.flat).all()


@every_kind
def test_training_stays_in_single_precision(kind, monkeypatch):
    it = network(kind, np.float32, layers=2, dropout=0.2)
    right, seen = it.loss_and_gradient, []

    def look(ids, targets, counted, state, masks, buffers, gradient, tar):
        loss, after = right(ids, targets, counted, state, masks, buffers, gradient, tar)
        seen.extend(array.dtype for array in (counted, state, masks, gradient.flat, after, it.parameters.flat))
        return loss, after

    monkeypatch.setattr(it, "loss_and_gradient", look)
    for _ in train(it, StreamBatches(PERIODIC, 3, 50), None, TrainingConfig(5, tar=2.0, averaging=3.0)):
        pass
    assert set(seen) == {np.dtype(np.float32)}
    assert len(seen) == 30


@every_kind
@given(first=st.integers(1, 60), seq_len=st.integers(1, 70))
def test_a_held_out_end_is_judged_as_if_read_from_the_start(kind, first, seq_len):
    it = network(kind)
    text, before = PERIODIC[:80], it.parameters.flat.copy()
    done = it.forward(text[:-1, None], it.zero_state(1)).logits[:, 0]
    wanted = [-math.log(reference.probabilities(done[k - 1].tolist())[text[k]]) for k in range(first, 80)]
    result = evaluate(it, validation_batches(text, [(first, len(text))], seq_len), Buffers(np.float64))
    assert result == pytest.approx(sum(wanted) / len(wanted), rel=1e-12)
    np.testing.assert_array_equal(it.parameters.flat, before)


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_lines_are_judged_each_from_a_fresh_start_without_dropout(rows):
    it = network("lstm", dropout=0.5)
    total = 0.0
    for line in LINES:
        logits = by_reference("lstm", it, [[character] for character in (0, *line)]).logits
        total += reference.loss(logits, [[character] for character in (*line, 0)], [[1.0]] * (len(line) + 1))
    wanted = total / sum(len(line) + 1 for line in LINES)
    assert evaluate(it, lines(rows).in_order(), Buffers(np.float64)) == pytest.approx(wanted, rel=1e-12)


def test_the_state_is_carried_from_window_to_window_and_no_further(monkeypatch):
    it = network("rnn")
    right, states = it.loss_and_gradient, []

    def look(ids, targets, counted, state, *rest):
        loss, after = right(ids, targets, counted, state, *rest)
        states.append((state.copy(), after.copy()))
        return loss, after

    monkeypatch.setattr(it, "loss_and_gradient", look)
    batches = StreamBatches(PERIODIC, 6, 16)
    for _ in train(it, batches, None, TrainingConfig(2 * batches.per_epoch)):
        pass
    for step, (before, _) in enumerate(states):
        if step % batches.per_epoch:
            np.testing.assert_array_equal(before, states[step - 1][1])
        else:
            assert not before.any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_update_that_overflows_is_taken_back(optimizer):
    it = network("lstm", np.float32)
    it.initialise(0)
    before = it.parameters.flat.copy()
    settings = TrainingConfig(3, optimizer=optimizer, learning_rate=1e39, warmup=0)
    with pytest.raises(TrainingError, match="training diverged"):
        list(train(it, StreamBatches(PERIODIC, 6, 16), None, settings))
    assert np.array_equal(it.parameters.flat, before)
