"""Dynamic evaluation: a copy of a model that goes on learning from the text that it reads.

The copy predicts a segment of the text and then takes one gradient step on the loss of that segment, so what it has
read improves its later predictions:

    w ← w − rate · g / (RMS + ε)
    w ← w + decay · RMS / mean(RMS) · (w₀ − w)

g is the gradient of the segment, RMS the root mean square of the gradients during training, weight by weight, and w₀
the trained weights. Weights that the training moved much move much here too, and are also pulled back more.

Source: Krause, Kahembwe, Murray & Renals 2018, "Dynamic evaluation of neural sequence models".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from charlstm.base.config import ADAPT_RATE
from charlstm.base.errors import TrainingError
from charlstm.base.parameters import Array, Buffers
from charlstm.model.model import BLOCK, Model, Reader
from charlstm.network import optimizers
from charlstm.network.gradient_squares import GradientSquares, root_mean_squares
from charlstm.network.loss import cross_entropy_gradient
from charlstm.network.network import Pass

SEGMENT = 96  # characters between two steps
DECAY = 0.002
SMOOTHING = 0.5  # ε, as a fraction of the mean RMS
LARGEST_STEP = 4.0  # norm of a gradient, as a multiple of its root mean square, above which it is clipped

Receive = Callable[[Array, Array], object]


class Learner:
    """A copy of a model that learns from a text while it reads it.

    A step follows after every 96 characters, and at the end of a document. A shorter segment moves the weights less, so
    that every character counts the same.

    A model file of an earlier version has no root mean square of the gradients. Then it is estimated from the segments
    that are read, anew after 1, 2, 4, 8, … of them.

    Parameters
    ----------
    model
        The model; its weights stay unchanged.
    rate
        The learning rate.

    Attributes
    ----------
    model : Model
        The model with the weights as they have become.
    """

    def __init__(self, model: Model, rate: float = ADAPT_RATE) -> None:
        self.model = replace(model, network=model.network.with_weights(model.network.parameters.flat))
        self._rate = rate
        self._trained = model.network.parameters.flat  # (P,)
        parameters = self.model.network.parameters
        self._gradient = parameters.like()
        self._work: Array = np.empty_like(parameters.flat)  # (P,)
        self._buffers = Buffers(parameters.flat.dtype)
        self._squares = GradientSquares(parameters.shapes, model.gradient_squares)
        self._estimates = model.gradient_squares is None
        self._scale: Array = np.zeros_like(parameters.flat)  # (P,)  rate / (RMS + ε)
        self._kept: Array = np.ones_like(parameters.flat)  # (P,)  1 − decay · RMS / mean(RMS)
        self._moved: Array = np.zeros_like(parameters.flat)  # (P,)  w − w₀
        self._largest_norm = 0.0
        if not self._estimates:
            self._set_scale()
        self._done: Pass  # over the segment
        self._state = self.model.network.zero_state(1)  # before the segment
        self._segment = model.vocabulary.encode(model.opening)  # what was read of it, after the character before it

    def read(self, ids: Array, receive: Receive = lambda logits, ids: None, learn: bool = True) -> None:
        """Read the next characters and learn from them. A segment may go on in the next call.

        Parameters
        ----------
        ids : (N,) array of ids
            The characters.
        receive
            Called with the predictions of consecutive characters, (n, V) logits, and these characters, (n,) ids. The
            logits are overwritten afterwards. There is no prediction of the first character of a stream.
        learn
            False: the weights stay as they are.

        Raises
        ------
        TrainingError
            If the weights diverge because the rate is too high.
        """
        end, place, longest = self.model.vocabulary.end, 0, SEGMENT if learn else BLOCK
        stops = [] if end is None else (np.flatnonzero(ids == end) + 1).tolist()
        with np.errstate(over="ignore", invalid="ignore"):
            for stop in [*stops, len(ids)]:
                while place < stop:
                    part = ids[place : min(stop, place + longest - max(0, len(self._segment) - 1))]
                    self._read_part(part, receive)
                    if not learn or part[-1] == end or len(self._segment) > longest:
                        self._finish_segment(learn)
                    place += len(part)

    def learn(self) -> None:
        """Take the step on the segment that was begun, so that what is read next profits from all that was read."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._finish_segment(True)

    def start_reader(self) -> Reader:
        """Return a reader with the weights as they are now, which has read all that was read."""
        reader = Reader(self.model)
        reader.state = self._state.copy()
        reader.read(self._segment[:, None])
        return reader

    def _read_part(self, ids: Array, receive: Receive) -> None:
        """Predict the next characters of the segment."""
        self._segment = np.concatenate([self._segment, ids])  # (T + 1,)
        inputs, targets = self.model.inputs(self._segment[:-1, None]), self._segment[1:]  # (T, 1), (T,)
        if not len(targets):  # the first character of a stream
            return
        self._done = self.model.network.forward(inputs, self._state, None, self._buffers)
        predicted = targets[-len(ids) :]  # (n,)
        logits = self._done.logits[-len(predicted) :, 0]  # (n, V)
        receive(logits, predicted)

    def _finish_segment(self, learn: bool) -> None:
        """Take a step on the segment that was read, and begin the next one."""
        if len(self._segment) < 2:
            return
        if learn:
            self._step(self._done, self.model.inputs(self._segment[:-1, None]), self._segment[1:])
        self._segment = self._segment[-1:]
        at_end = self._segment[-1] == self.model.vocabulary.end
        self._state = self.model.network.zero_state(1) if at_end else self._done.state

    def _step(self, done: Pass, inputs: Array, targets: Array) -> None:
        """Take a gradient step on the loss of a segment, Σ −log p / SEGMENT."""
        network, g, T = self.model.network, self._gradient.flat, len(targets)
        w, work = network.parameters.flat, self._work
        cross_entropy_gradient(done.logits[:, 0], targets, np.full(T, 1.0 / SEGMENT))
        network.backward(done, inputs, done.logits, None, self._buffers, self._gradient)
        if self._estimates:
            self._squares.add(self._gradient, SEGMENT**2 / T)
            if self._squares.count.bit_count() == 1:
                self._set_scale()
        optimizers.clip_gradient_norm(g, self._largest_norm)
        moved = self._moved
        moved -= np.multiply(g, self._scale, out=work)
        moved *= self._kept if T == SEGMENT else 1.0 - T / SEGMENT * (1.0 - self._kept)
        np.add(self._trained, moved, out=w)
        if not np.isfinite(np.dot(w, w)):
            raise TrainingError(
                f"dynamic evaluation diverged at a learning rate of {self._rate:g}",
                python="give a lower adapt_rate",
                command="give a lower --adapt-rate",
                session="give a lower /adapt-rate",
            )

    def _set_scale(self) -> None:
        """Compute the factors of gradient and decay from the mean squares of the gradients."""
        squares = self._squares.expand()  # of one character
        squares.flat[...] /= SEGMENT
        rms, mean = root_mean_squares(squares)  # (P,)
        tiny = float(np.finfo(np.float32).tiny)
        self._largest_norm = LARGEST_STEP * float(np.sqrt(squares.flat.sum()))
        self._scale[...] = self._rate / (rms + max(SMOOTHING * mean, tiny))
        self._kept[...] = 1.0 - np.minimum(DECAY * rms / max(mean, tiny), 1.0)


def adapt_to(model: Model, text: str, rate: float = ADAPT_RATE) -> Model:
    """Return a copy of a model that has learnt from a text.

    Parameters
    ----------
    model
        The model; its weights stay unchanged.
    text
        The text.
    rate
        The learning rate.

    Raises
    ------
    UnknownCharacterError
        If the text has characters that the model does not know.
    TrainingError
        If the weights diverge because the rate is too high.
    """
    learner = Learner(model, rate)
    learner.read(model.vocabulary.encode(model.documents.parse(text), "the text"))
    learner.learn()
    return learner.model
