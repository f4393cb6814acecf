"""The surprisal of every character of a text that is read in pieces, with fixed weights or with dynamic evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from charlstm.base.parameters import Array
from charlstm.inspection.calibration import Calibration
from charlstm.inspection.trace import MAX_BATCH, start_reader
from charlstm.model.adaptation import Learner
from charlstm.model.model import Model, Reader
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.mixture import TextMixture
from charlstm.text import batches

ROWS = 64


class Evaluation(Protocol):
    """An evaluation of a model on one text.

    Attributes
    ----------
    calibration : Calibration
        Has received every prediction.
    """

    calibration: Calibration

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
        self.calibration = Calibration()

    def read(self, ids: Array) -> Array:
        """Read the next characters; see `Evaluation.read`."""
        bits = np.empty(len(ids))  # (N,)
        first, last = self._find_whole_documents(ids)
        bits[:first] = self._read_in_order(ids[:first])
        if first < last:
            bits[first:last] = measure_documents(self._model, ids[first:last], self.calibration)
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
            logits = np.concatenate([before, done.logits[:-1, 0]])  # (T, V)
            bits[place:stop] = surprisal(logits, ids[place:stop])
            first = 0
            if not self._predicts:
                bits[0], self._predicts, first = np.nan, True, 1
            self.calibration.add(logits[first:], ids[place + first : stop])
            before, place = self._reader.logits, stop
        return bits


class SequentialEvaluation:
    """An evaluation whose predictions depend on all that was read before.

    A copy of the model learns from it (see `charlstm.model.adaptation`), or counts are mixed in (see
    `charlstm.sampling.mixture`), or both. The characters are read in their order.

    Parameters
    ----------
    model
        The model; its weights stay unchanged.
    rate
        The learning rate; 0: the copy does not learn.
    mix
        Weights of the counts that are mixed in, by name.

    Raises
    ------
    ConfigError
        If the counts have a weight, and the model holds none.
    """

    def __init__(self, model: Model, rate: float, mix: Sequence[tuple[str, float]] = ()) -> None:
        self._learner, self._learns = Learner(model, rate), rate > 0
        self._mixture = TextMixture(model, SamplingConfig(mix=mix))
        self._predicts = bool(model.opening)
        self.calibration = Calibration()

    def read(self, ids: Array) -> Array:
        """Read the next characters; see `Evaluation.read`. A segment may go on in the next call.

        Raises
        ------
        TrainingError
            If the weights diverge because the rate is too high.
        """
        parts = [np.empty(0)]

        def receive(logits: Array, targets: Array) -> None:
            mixed = self._mixture.mix(logits, targets)
            parts.append(surprisal(mixed, targets))
            self.calibration.add(mixed, targets)

        if not self._predicts:
            self._mixture.read(ids[:1])
            self._predicts = len(ids) > 0
        self._learner.read(ids, receive, self._learns)
        bits = np.concatenate(parts)
        return np.concatenate([np.full(len(ids) - len(bits), np.nan), bits])


def surprisal(logits: Array, ids: Array) -> Array:
    """Return −log₂ p of characters: (N, V) predictions, (N,) ids → (N,) float64, in bits."""
    predicted = log_softmax(logits)[np.arange(len(ids)), ids]  # (N,)
    return np.asarray(0.0 - predicted.astype(np.float64) / NATS_PER_BIT)


def _find_stops(model: Model, ids: Array) -> Array:
    """Return the positions after the end symbols; none for a stream."""
    if not model.documents:
        return np.zeros(0, np.intp)
    return np.flatnonzero(ids == model.vocabulary.end) + 1  # (K,)


def measure_documents(model: Model, ids: Array, calibration: Calibration) -> Array:
    """Return the surprisal of every character of whole documents, read in batches, each from the zero state.

    Parameters
    ----------
    model
        A model of documents.
    ids : (N,) array of ids
        Documents, each with the end symbol.
    calibration
        Receives the predictions.

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
            logits, predicted = done.logits[here], targets[steps][here]  # (N', V), (N',)
            bits[where[steps][here]] = surprisal(logits, predicted)
            calibration.add(logits, predicted)
            place = steps.stop
    return bits
