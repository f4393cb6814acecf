"""The surprisal of every character of a text that is read in pieces, with fixed weights or with dynamic evaluation.

Dynamic evaluation predicts a segment of the text and then takes one gradient step on the loss of that segment, so that
what the network has just read improves its later predictions.

Source: Krause, Kahembwe, Murray & Renals 2018, "Dynamic evaluation of neural sequence models".
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from charlstm.base.errors import TrainingError
from charlstm.base.parameters import Array, Buffers
from charlstm.inspection.trace import MAX_BATCH, start_reader
from charlstm.model.model import Model, Reader
from charlstm.network import optimizers
from charlstm.network.loss import NATS_PER_BIT, cross_entropy_gradient, log_softmax
from charlstm.network.network import Pass
from charlstm.text import batches
from charlstm.text.documents import LINE, LONGEST_WINDOW

ROWS = 64


class Evaluation(Protocol):
    """An evaluation of a model on one text."""

    def read(self, ids: Array) -> Array:
        """Read the next characters and return their surprisal −log₂ p, in bits: (N,) ids → (N,) float64.

        The first character of a stream has NaN, since there is no prediction of it.
        """


class StaticEvaluation:
    """An evaluation with fixed weights; whole documents are read in batches.

    Parameters
    ----------
    model
        The model.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._reader = start_reader(model)
        self._predicts = bool(model.opening)

    def read(self, ids: Array) -> Array:
        """Read the next characters; see `Evaluation.read`."""
        bits = np.empty(len(ids))  # (N,)
        first, last = self._find_whole_documents(ids)
        bits[:first] = self._read_in_order(ids[:first])
        if first < last:
            bits[first:last] = measure_documents(self._model, ids[first:last])
        bits[last:] = self._read_in_order(ids[last:])  # the state is that after an end symbol, always the same
        return bits

    def _find_whole_documents(self, ids: Array) -> tuple[int, int]:
        """Return the span of the documents that are complete within a piece, their end symbols included."""
        stops = _find_stops(self._model, ids)  # (K,)
        return (int(stops[0]), int(stops[-1])) if len(stops) else (len(ids), len(ids))

    def _read_in_order(self, ids: Array) -> Array:
        bits, place = np.empty(len(ids)), 0  # (N,)
        before = self._reader.logits  # (1, V)
        for done in self._reader.passes(ids[:, None]):
            stop = place + len(done.logits)
            bits[place:stop] = surprisal(np.concatenate([before, done.logits[:-1, 0]]), ids[place:stop])
            before, place = self._reader.logits, stop
        if len(ids) and not self._predicts:
            bits[0], self._predicts = np.nan, True
        return bits


class DynamicEvaluation:
    """An evaluation in which a copy of the weights takes one gradient step after every segment.

    A segment is as in training: `seq_len` characters, or fewer at the end of a document. The step is that of stochastic
    gradient descent on the mean loss of the segment, with the gradient-norm clipping of the training.

    Parameters
    ----------
    model
        The model; its weights stay unchanged.
    rate
        The learning rate.
    """

    def __init__(self, model: Model, rate: float) -> None:
        self._model, self._rate = model, rate
        self._network = model.network.with_weights(model.network.parameters.flat)
        self._gradient = self._network.parameters.like()
        self._buffers = Buffers(self._gradient.flat.dtype)
        self._end = model.vocabulary.end
        self._state = self._network.zero_state(1)  # before the segment
        self._segment = model.vocabulary.encode(model.opening)  # what was read of it, after the character before it
        self._longest = LONGEST_WINDOW if model.documents.kind == LINE else model.training.seq_len
        self._left = self._longest  # characters until the segment ends

    def read(self, ids: Array) -> Array:
        """Read the next characters; see `Evaluation.read`. A segment may go on in the next call.

        Raises
        ------
        TrainingError
            If the weights diverge because the rate is too high.
        """
        bits, place = [np.empty(0)], 0
        with np.errstate(over="ignore", invalid="ignore"):
            for stop in [*_find_stops(self._model, ids).tolist(), len(ids)]:
                while place < stop:
                    part = ids[place : min(stop, place + self._left)]
                    self._left -= len(part)
                    bits.append(self._read_part(part, complete=part[-1] == self._end or not self._left))
                    place += len(part)
        return np.concatenate(bits)

    def _read_part(self, ids: Array, complete: bool) -> Array:
        """Predict the next characters of a segment; if they complete it, take a step on the loss of all of it."""
        network = self._network
        self._segment = np.concatenate([self._segment, ids])  # (T + 1,)
        inputs, targets = self._segment[:-1, None], self._segment[1:]  # (T, 1), (T,)
        bits = np.full(len(ids), np.nan)  # (N,)
        if complete:
            self._left = self._longest
        if not len(targets):
            return bits
        done = network.forward(inputs, self._state, None, self._buffers)
        predicted = surprisal(done.logits[:, 0], targets)[-len(ids) :]  # (N,) or (N − 1,)
        bits[len(ids) - len(predicted) :] = predicted
        norm = self._step(done, inputs, targets) if complete else 0.0
        if not np.isfinite([norm, predicted.sum()]).all():
            raise TrainingError(f"dynamic evaluation diverged at a learning rate of {self._rate:g}; give a lower rate")
        if complete:
            self._segment = self._segment[-1:]
            self._state = network.zero_state(1) if self._segment[-1] == self._end else done.state
        return bits

    def _step(self, done: Pass, inputs: Array, targets: Array) -> float:
        """Take a gradient step on the mean loss of a segment; return the norm of the gradient."""
        network, logits = self._network, done.logits[:, 0]  # (T, V)
        cross_entropy_gradient(logits, targets, np.full(len(targets), 1.0 / len(targets), logits.dtype))
        network.backward(done, inputs, done.logits, None, self._buffers, self._gradient)
        norm = optimizers.clip_gradient_norm(self._gradient.flat, self._model.training.clip)
        network.parameters.flat[...] -= self._rate * self._gradient.flat
        return norm


def surprisal(logits: Array, ids: Array) -> Array:
    """Return −log₂ p of characters: (N, V) predictions, (N,) ids → (N,) float64, in bits."""
    predicted = log_softmax(logits)[np.arange(len(ids)), ids]  # (N,)
    return np.asarray(0.0 - predicted.astype(np.float64) / NATS_PER_BIT)


def _find_stops(model: Model, ids: Array) -> Array:
    """Return the positions after the end symbols; none for a stream."""
    if not model.documents:
        return np.zeros(0, np.intp)
    return np.flatnonzero(ids == model.vocabulary.end) + 1  # (K,)


def measure_documents(model: Model, ids: Array) -> Array:
    """Return the surprisal of every character of whole documents, read in batches, each from the zero state.

    Parameters
    ----------
    model
        A model of documents.
    ids : (N,) array of ids
        Documents, each with the end symbol.

    Returns
    -------
    (N,) float64 array
        −log₂ p, in bits.
    """
    bits = np.empty(len(ids))  # (N,)
    stops = np.flatnonzero(ids == model.vocabulary.end)  # (K,)
    starts = np.concatenate([[0], stops + 1])[:-1]  # (K,)
    order = np.argsort(starts - stops, kind="stable")  # (K,)  the longest first
    while len(order):
        longest = int(stops[order[0]] - starts[order[0]]) + 1
        rows, order = np.split(order, [max(1, min(ROWS, MAX_BATCH // longest))])
        where, loss_mask = batches.pad_spans(starts[rows], stops[rows] + 1)  # (T, B) each
        inputs, targets = ids[where - 1], ids[where]  # index −1, before the first document, is an end symbol too
        place = 0
        for done in Reader(model, len(rows)).passes(inputs):
            steps = slice(place, place + len(done.logits))
            here = loss_mask[steps]  # (T', B)
            bits[where[steps][here]] = surprisal(done.logits[here], targets[steps][here])
            place = steps.stop
    return bits
