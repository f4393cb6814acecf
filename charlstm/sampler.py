"""Sampling: from logits to one character after another, for several texts side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.drawing import Drawing, probabilities
from charlstm.loss import NATS_PER_BIT, log_softmax
from charlstm.model import Model, Reader
from charlstm.parameters import Array
from charlstm.randomness import Purpose, generator

DRAWN_AHEAD = 256


class Step(NamedTuple):
    """The next character of each of B texts, and what the network thought of it.

    Attributes
    ----------
    characters
        B characters.
    ids : (B,) array of ids
        The same.
    logits : (B, V) array
        What the network predicted, before any rule of drawing.
    """

    characters: str
    ids: Array
    logits: Array

    def surprise(self) -> Array:
        """Return −log₂ of the probability that the network gave to each character: (B,) float64, in bits."""
        log_p = log_softmax(self.logits.astype(np.float64))  # (B, V)
        return np.asarray(0.0 - log_p[np.arange(len(self.ids)), self.ids] / NATS_PER_BIT)  # (B,)

    def entropy(self) -> Array:
        """Return how unsure the network was: the entropy of each prediction, (B,) float64, in bits."""
        log_p = log_softmax(self.logits.astype(np.float64))  # (B, V)
        return np.asarray(0.0 - (np.exp(log_p) * log_p).sum(axis=1) / NATS_PER_BIT)  # (B,)


def streams(model: Model, seed: str, drawing: Drawing, count: int) -> Iterator[Step]:
    """Continue a text several times side by side without end, each time by chance of its own.

    Parameters
    ----------
    model
        What to sample from.
    seed
        The text to continue; empty: begin as a text of the corpus would.
    drawing
        How to draw.
    count
        How many texts (B), 1 or more.

    Returns
    -------
    iterator of Step
        The next character of each text, again and again. The seed has been read when it is returned.

    Raises
    ------
    UnknownCharacterError
        If the seed has characters that the model does not know.
    ConfigError
        If the drawing allows none of the model's characters.
    """
    allowed = drawing.allowed(model.vocabulary.code_points)
    reader = Reader(model)
    ids = model.vocabulary.encode(model.opening + seed, "the seed")  # (N,)
    reader.read(ids[:, None])
    return _drawn(model, reader.copies(count), drawing, allowed, _Recent(model, drawing, ids, count))


def _drawn(model: Model, reader: Reader, drawing: Drawing, allowed: Array | None, recent: _Recent) -> Iterator[Step]:
    uniforms = [generator(drawing.random_seed, Purpose.SAMPLE, row) for row in range(len(reader.logits))]
    while True:
        for uniform in np.stack([row.random(DRAWN_AHEAD) for row in uniforms], axis=1):  # (B,)
            chances = probabilities(reader.logits, drawing, allowed, recent.seen)  # (B, V)
            cumulative = np.cumsum(chances, axis=1)  # (B, V)
            drawn = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(axis=1)  # (B,)
            yield Step(model.vocabulary.decode(drawn), drawn, reader.logits)
            reader.read(drawn[None])
            recent.add(drawn)


class _Recent:
    """Which characters stood a short while ago in each of B texts; keeps nothing where no rule asks for it."""

    def __init__(self, model: Model, drawing: Drawing, ids: Array, rows: int) -> None:
        self._size = drawing.repeat_window if drawing.repeat_penalty != 1 else 0
        last = ids[max(0, len(ids) - self._size) :].astype(np.intp)  # (K,)
        self._window = np.full((self._size, rows), -1, np.intp)  # (window, B)
        self._window[: len(last)] = last[:, None]
        self._count = len(last)
        self._rows = np.arange(rows)
        self._times = np.tile(np.bincount(last, minlength=len(model.vocabulary)), (rows, 1))  # (B, V)

    @property
    def seen(self) -> Array | None:
        """Return (B, V) array of bool, or None where nothing is kept."""
        return self._times > 0 if self._size else None

    def add(self, ids: Array) -> None:
        """Take the next character of each text, (B,), and forget the oldest."""
        if not self._size:
            return
        place = self._count % self._size
        if self._count >= self._size:
            self._times[self._rows, self._window[place]] -= 1
        self._window[place] = ids
        self._times[self._rows, ids] += 1
        self._count += 1


def stream(model: Model, seed: str, drawing: Drawing) -> Iterator[str]:
    """Continue a text without end, character by character; see `streams`."""
    return (step.characters for step in streams(model, seed, drawing, 1))


def until(characters: Iterable[str], length: int | None, stops: Sequence[str] = ()) -> Iterator[str]:
    """Yield characters up to a number of them, or through the first text that ends it, whichever comes first.

    Parameters
    ----------
    characters
        A text, character by character.
    length
        Most characters to yield; None: no limit.
    stops
        Texts, none of them empty, after each of which to end.
    """
    if length == 0:
        return
    longest = max(map(len, stops), default=0)
    recent = ""
    for count, character in enumerate(characters, 1):
        yield character
        recent = (recent + character)[-longest:] if longest else ""
        if count == length or recent.endswith(tuple(stops)):
            return
