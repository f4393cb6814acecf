"""A cell of one's own needs its equations and a line in the registry: everything else works with it at once."""

import math

import numpy as np
import pytest
from differences import ALLOWED, own_loss, worst_block
from every_view import build_every_view, by_formula
from small import KINDS, example, model, network

import charlstm
from charlstm.base.config import TrainingConfig
from charlstm.inspection.gradients import view_gradients
from charlstm.inspection.memory import half_lives, measure_memory
from charlstm.inspection.trace import trace
from charlstm.inspection.view import columns_of
from charlstm.model import checkpoint
from charlstm.network.cell import sigmoid
from charlstm.network.cells import CELLS
from charlstm.network.lstm import LSTM
from charlstm.text.batches import StreamBatches
from charlstm.training.trainer import train

CHARACTERS = "\n .abcde"
TEXT = "abca ded. bad"


class PeepholeLSTM(LSTM):
    """An LSTM whose gates also read the memory (Gers & Schmidhuber 2000, "Recurrent nets that time and count")."""

    weights = ("p_f", "p_i", "p_o")

    def forward(self, tape, t, x_U, h_W):
        (h, c), (tanh_c,), (p_f, p_i, p_o) = tape.states, tape.saved, tape.weights
        z = np.add(x_U, h_W, out=tape.gates[:, t])
        z[0] += p_f * c[t]
        z[1] += p_i * c[t]
        f, i = sigmoid(z[:2])
        c_tilde = np.tanh(z[3], out=z[3])
        c[t + 1] = f * c[t] + i * c_tilde
        z[2] += p_o * c[t + 1]
        tanh_c[t] = np.tanh(c[t + 1])
        h[t + 1] = sigmoid(z[2]) * tanh_c[t]

    def backward(self, tape, t, derivative, d_states, d_gates, d_h_W):
        (_, c), (tanh_c,), (p_f, p_i, p_o) = tape.states, tape.saved, tape.weights
        (f, i, o, c_tilde), (dh, dc) = tape.gates[:, t], d_states
        dz_o = dh * tanh_c[t] * o * (1.0 - o)
        dc += dh * o * (1.0 - tanh_c[t] ** 2) + dz_o * p_o
        dz_f = dc * c[t] * f * (1.0 - f)
        dz_i = dc * c_tilde * i * (1.0 - i)
        dz_c = dc * i * (1.0 - c_tilde**2)
        dc[...] = dc * f + dz_f * p_f + dz_i * p_i
        tape.gates[:, t] = dz_f, dz_i, dz_o, dz_c

    def weight_gradients(self, tape):
        (dz_f, dz_i, dz_o, _), c = tape.gates, tape.states[1]
        return tuple((dz * c).sum(axis=(0, 1)) for dz, c in ((dz_f, c[:-1]), (dz_i, c[:-1]), (dz_o, c[1:])))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(CELLS, "peephole", PeepholeLSTM)
    monkeypatch.setitem(KINDS, "peephole", {"cell": "peephole"})


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_its_gradient_is_that_of_central_differences(layers, dropout):
    it = network("peephole", hidden=4, layers=layers, dropout=dropout)
    of = example(it, steps=6, rows=3)
    assert worst_block(it, of, own_loss(it, of)) < (ALLOWED,)


@pytest.mark.parametrize("gate", range(3))
def test_a_gradient_of_a_peephole_that_is_off_by_a_thousandth_is_noticed(monkeypatch, gate):
    right = PeepholeLSTM.weight_gradients

    def wrong(self, tape):
        return tuple(1.001 * d if number == gate else d for number, d in enumerate(right(self, tape)))

    monkeypatch.setattr(PeepholeLSTM, "weight_gradients", wrong)
    it = network("peephole")
    of = example(it)
    assert worst_block(it, of, own_loss(it, of)) > (ALLOWED,)


def test_without_peepholes_it_is_the_lstm():
    it, plain = network("peephole", layers=2), network("lstm", layers=2)
    for name, block in plain.parameters.items():
        block[...] = it.parameters[name]
    for layer in range(2):
        for name in PeepholeLSTM.weights:
            it.parameters[f"layer{layer}/{name}"][...] = 0.0
    ids = example(it).ids
    np.testing.assert_array_equal(
        it.forward(ids, it.zero_state(3)).logits, plain.forward(ids, plain.zero_state(3)).logits
    )


def test_it_learns():
    it = network("peephole", np.float32, hidden=16)
    it.initialise(0)
    periodic = np.tile([0, 1, 2, 3, 4, 3], 200).astype(np.uint8)
    config = TrainingConfig(steps=150, learning_rate=0.03, warmup=10)
    losses = [progress.loss for progress in train(it, StreamBatches(periodic, 6, 16), None, config)]
    assert losses[0] == pytest.approx(math.log(5), rel=0.05) and losses[-1] < 0.1
    assert all(it.parameters[f"layer0/{name}"].all() for name in PeepholeLSTM.weights)


def test_it_is_saved_loaded_and_sampled(tmp_path):
    it = model(network("peephole", np.float32, vocabulary=len(CHARACTERS), layers=2), CHARACTERS)
    checkpoint.save(it, tmp_path / "peephole.npz")
    loaded = charlstm.load(tmp_path / "peephole.npz")
    np.testing.assert_array_equal(loaded.model.network.parameters.flat, it.network.parameters.flat)
    assert loaded.model.network.config.cell == "peephole"
    assert loaded.sample("ab", 20, random_seed=1) == charlstm.LanguageModel(it).sample("ab", 20, random_seed=1)


def test_every_view_and_the_page_show_it(tmp_path):
    it = by_formula("peephole", CHARACTERS)
    views = build_every_view(it, by_formula("lstm", CHARACTERS), TEXT)
    assert all(columns_of(part) for view in views.values() for part in view.parts.values())
    charlstm.LanguageModel(it).page(tmp_path / "page.html", TEXT)
    assert "peephole" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert view_gradients(it, TEXT).parts


def test_its_memory_is_what_it_keeps_and_writes():
    it = by_formula("peephole", CHARACTERS)
    read = trace(it, TEXT)
    for layer, states in zip(read.layers, read.before, strict=True):
        kept, written, before = measure_memory(read.cell, layer, states)
        np.testing.assert_allclose(kept * before + written, layer["c"], rtol=1e-12)
        assert (half_lives(kept) > 0).all()
