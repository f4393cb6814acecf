"""How surprised a network is at every character of a text that is read piece by piece, as it stands or while it learns.

A network that learns while it reads predicts a segment first and then takes one step down the gradient of that
segment's loss, so that what it has just read helps with what comes: dynamic evaluation.

Source: Krause, Kahembwe, Murray & Renals 2018, "Dynamic evaluation of neural sequence models".
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import numpy as np

from charlstm.errors import TrainingError
from charlstm.inspection.trace import AT_ONCE, start
from charlstm.model.model import BLOCK, Model, Reader
from charlstm.network import optimizers
from charlstm.network.loss import NATS_PER_BIT, cross_entropy_gradient, log_softmax
from charlstm.parameters import Array, Buffers
from charlstm.text import batches

ROWS = 64


class Reading(Protocol):
    """A text that is being read."""

    def read(self, ids: Array) -> Array:
        """Read on; return −log₂ p(character), in bits, of each: (N,) ids → (N,) float64.

        It is NaN for the first character of a stream, which nothing predicts.
        """


class Static:
    """Reading with the weights as they are; a model of lines reads whole lines side by side.

    Parameters
    ----------
    model
        What reads.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._reader = start(model)
        self._predicts = bool(model.opening)

    def read(self, ids: Array) -> Array:
        """Read on; see `Reading.read`."""
        found = np.empty(len(ids))  # (N,)
        first, last = self._whole_lines(ids)
        found[:first] = self._one_by_one(ids[:first])
        if first < last:
            found[first:last] = by_line(self._model, ids[first:last])
        found[last:] = self._one_by_one(ids[last:])  # the state is that after a newline, as after every newline
        return found

    def _whole_lines(self, ids: Array) -> tuple[int, int]:
        """Return where the lines begin and end that lie whole within a piece, the newlines after them included."""
        ends = _line_ends(self._model, ids)  # (K,)
        return (int(ends[0]), int(ends[-1])) if len(ends) else (len(ids), len(ids))

    def _one_by_one(self, ids: Array) -> Array:
        found, place = np.empty(len(ids)), 0  # (N,)
        before = self._reader.logits  # (1, V)
        for done in self._reader.passes(ids[:, None]):
            stop = place + len(done.logits)
            found[place:stop] = bits(np.concatenate([before, done.logits[:-1, 0]]), ids[place:stop])
            before, place = self._reader.logits, stop
        if len(ids) and not self._predicts:
            found[0], self._predicts = np.nan, True
        return found


class Learning:
    """Reading while learning: a segment is predicted, then the weights take one step towards it.

    A segment is as long as those of the training: `seq_len` characters of a stream, or a line. The rule is that of
    stochastic gradient descent, with the gradient of the segment's mean loss clipped as in training.

    Parameters
    ----------
    model
        What reads; its weights stay as they are, a copy learns.
    rate
        The learning rate.
    """

    def __init__(self, model: Model, rate: float) -> None:
        self._model, self._rate = model, rate
        self._network = model.network.with_weights(model.network.parameters.flat)
        self._gradient = self._network.parameters.like()
        self._buffers = Buffers(self._gradient.flat.dtype)
        self._state = self._network.zero_state(1)
        self._last = model.vocabulary.encode(model.opening)  # (1,) or (0,)

    def read(self, ids: Array) -> Array:
        """Read on; see `Reading.read`. Segments are counted from the beginning of the piece.

        Raises
        ------
        TrainingError
            If the rate is so high that the numbers run away.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            found = [self._segment(ids[first:stop]) for first, stop in pairwise(self._cuts(ids))]
        return np.concatenate([np.empty(0), *found])

    def _cuts(self, ids: Array) -> list[int]:
        if not self._model.training.lines:
            return [*range(0, len(ids), self._model.training.seq_len), len(ids)]
        return sorted({*range(0, len(ids), BLOCK), *_line_ends(self._model, ids).tolist(), len(ids)})

    def _segment(self, ids: Array) -> Array:
        """Predict a segment, then learn it."""
        network = self._network
        read = np.concatenate([self._last, ids[:-1]])[:, None]  # (T, 1)
        targets = ids[len(ids) - len(read) :]  # (T,)
        if self._model.training.lines and self._last[0] == self._model.vocabulary.id("\n"):
            self._state = network.zero_state(1)
        self._last = ids[-1:]
        unpredicted = np.full(len(ids) - len(read), np.nan)
        if not len(read):
            return unpredicted
        done = network.forward(read, self._state, None, self._buffers)
        self._state, logits = done.state, done.logits[:, 0]  # (T, V)
        found = bits(logits, targets)  # (T,)
        cross_entropy_gradient(logits, targets, np.full(len(targets), 1.0 / len(targets), logits.dtype))
        network.backward(done, read, done.logits, None, self._buffers, self._gradient)
        norm = optimizers.clip_gradient_norm(self._gradient.flat, self._model.training.clip)
        if not np.isfinite([norm, found.sum()]).all():
            raise TrainingError(f"learning at a rate of {self._rate:g} made the numbers run away; give a lower rate")
        network.parameters.flat[...] -= self._rate * self._gradient.flat
        return np.concatenate([unpredicted, found])


def bits(logits: Array, ids: Array) -> Array:
    """Return the surprise at characters: (N, V) predictions, (N,) ids → (N,) float64, in bits."""
    predicted = log_softmax(logits)[np.arange(len(ids)), ids]  # (N,)
    return np.asarray(0.0 - predicted.astype(np.float64) / NATS_PER_BIT)


def _line_ends(model: Model, ids: Array) -> Array:
    """Return the places after the newlines, for a model of lines; none for a stream."""
    if not model.training.lines:
        return np.zeros(0, np.intp)
    return np.flatnonzero(ids == model.vocabulary.id("\n")) + 1  # (K,)


def by_line(model: Model, ids: Array) -> Array:
    """Return the surprise at every character of whole lines, read side by side, each from a fresh state.

    Parameters
    ----------
    model
        A model of lines.
    ids : (N,) array of ids
        Lines, the newlines that end them included.

    Returns
    -------
    (N,) float64 array
        −log₂ p, in bits.
    """
    found = np.empty(len(ids))  # (N,)
    ends = np.flatnonzero(ids == model.vocabulary.id("\n"))  # (K,)
    starts = np.concatenate([[0], ends + 1])[:-1]  # (K,)
    order = np.argsort(starts - ends, kind="stable")  # (K,)  the longest first
    while len(order):
        longest = int(ends[order[0]] - starts[order[0]]) + 1
        rows, order = np.split(order, [max(1, min(ROWS, AT_ONCE // longest))])
        where, counted = batches.pad_spans(starts[rows], ends[rows] + 1)  # (T, B) each
        read, targets = ids[where - 1], ids[where]  # before the first line stands the newline that ends the last one
        place = 0
        for done in Reader(model, len(rows)).passes(read):
            steps = slice(place, place + len(done.logits))
            here = counted[steps]  # (T', B)
            found[where[steps][here]] = bits(done.logits[here], targets[steps][here])
            place = steps.stop
    return found
