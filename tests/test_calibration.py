"""Calibration: what plain loops count, and the temperature that a search finds."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import model, network

from charlstm.api.language_model import LanguageModel
from charlstm.inspection.calibration import BINS, Calibration
from charlstm.inspection.score import view_score
from charlstm.inspection.view import TextInput, TextSource

CHARACTERS = "\nabcd"


def plain_losses(logits, ids, temperature):
    """The mean surprisal at a temperature, in bits."""
    total = 0.0
    for row, k in zip(logits, ids, strict=True):
        powers = [math.exp((z - max(row)) / temperature) for z in row]
        total -= math.log2(powers[k] / sum(powers))
    return total / len(ids)


def plain_bins(logits, ids):
    """The predictions, their mean and the share that occurred in each bin."""
    members = [[] for _ in range(BINS)]
    for row, k in zip(logits, ids, strict=True):
        powers = [math.exp(z - max(row)) for z in row]
        for v, power in enumerate(powers):
            p = power / sum(powers)
            members[min(int(p * 10), 9)].append((p, v == k))
    return [(len(each), *(sum(one) / len(each) for one in zip(*each, strict=True))) for each in members if each]


def draw(V, N, spread, seed):
    """Random logits of a model, and characters that it finds about as probable as they are."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, spread, (N, V))
    return logits, (logits + rng.gumbel(0.0, 1.0 + seed % 3, (N, V))).argmax(axis=1)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 15), st.integers(1, 30), st.sampled_from([0.1, 1.0, 4.0]), st.integers(0, 20))
def test_bins_and_temperature_are_those_of_plain_loops(V, N, spread, seed):
    logits, ids = draw(V, N, spread, seed)
    found = Calibration()
    for start in range(0, N, 7):
        found.add(logits[start : start + 7], ids[start : start + 7])
    bins = [row for row in zip(found.predictions, found.predicted, found.observed, strict=True) if row[0]]
    np.testing.assert_allclose(bins, plain_bins(logits, ids), rtol=1e-9, atol=1e-12)
    assert found.predictions.sum() == N * V
    assert found.bits_per_character == pytest.approx(plain_losses(logits, ids, found.temperature), abs=1e-4)
    best = min(plain_losses(logits, ids, 5.0 ** (k / 20)) for k in range(-20, 21))
    assert found.bits_per_character <= best + 1e-4


def test_predictions_are_the_same_whatever_the_pieces_and_texts_add_up():
    logits, ids = draw(9, 300, 2.0, 1)
    whole, first, second = Calibration(), Calibration(), Calibration()
    whole.add(logits, ids)
    first.add(logits[:100], ids[:100])
    second.add(logits[100:], ids[100:])
    first.merge(second)
    np.testing.assert_allclose(first.observed, whole.observed)
    assert first.temperature == pytest.approx(whole.temperature)
    assert repr(whole).startswith("<Calibration: fitted temperature")


def test_nothing_predicted_is_no_temperature():
    assert math.isnan(Calibration().temperature) and math.isnan(Calibration().bits_per_character)
    assert LanguageModel(a_model()).score("a").calibration.predictions.sum() == 0


def a_model(lines=False):
    return model(network("lstm", np.float64, len(CHARACTERS)), CHARACTERS, lines)


@pytest.mark.parametrize("lines", [False, True], ids=["stream", "lines"])
def test_a_score_counts_every_prediction_of_a_text(lines):
    it, text = LanguageModel(a_model(lines)), "abba\ncad\n" * 20
    found = it.score(text)
    read = found.calibration
    assert read.predictions.sum() == found.predicted * len(CHARACTERS)
    assert read.predictions @ np.nan_to_num(read.predicted) == pytest.approx(found.predicted)
    assert read.predictions @ np.nan_to_num(read.observed) == pytest.approx(found.predicted)
    assert read.bits_per_character <= found.bits_per_character + 1e-6
    adaptive = it.score(text, adapt=True).calibration
    assert adaptive.predictions.sum() == found.predicted * len(CHARACTERS)
    assert adaptive.bits_per_character != read.bits_per_character


def test_the_view_has_the_calibration_of_all_texts_together():
    it, texts = a_model(), ["abba\ncad" * 20, "dcab" * 30]
    view = view_score(it, TextInput([TextSource(f"{k}", [text]) for k, text in enumerate(texts)]), adapt=True)
    both = [LanguageModel(it).score(text).calibration for text in texts]
    both[0].merge(both[1])
    assert list(view.parts["calibration"].columns[1].values) == both[0].predictions.tolist()
    objects = json.loads(LanguageModel(it).view("score", texts[0]).dump("json"))
    alone = LanguageModel(it).score(texts[0]).calibration
    assert objects["calibration"]["predictions"] == alone.predictions.tolist()
    assert objects["fitted temperature"]["temperature"] == [pytest.approx(alone.temperature, rel=1e-6)]
    name = "fitted temperature with dynamic evaluation at a learning rate of 0.005"
    assert name in view.parts and "calibration with" in " ".join(view.parts)
