"""The decoder: the network predicts, a character is sampled and read, and so on, for several texts side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from charlstm.base.errors import CharlstmError
from charlstm.base.parameters import Array
from charlstm.base.randomness import Purpose, generator
from charlstm.base.symbols import END
from charlstm.model.model import Model, Reader
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.sampling.filters import SamplingConfig, probabilities

MAX_ROWS = 100_000
UNIFORMS_AHEAD = 256


@dataclass(frozen=True)
class DecodingStep:
    """One step of the decoder: the next character of each of B texts, with the network's prediction.

    Attributes
    ----------
    characters
        The B sampled characters.
    ids : (B,) array of ids
        The same characters as ids.
    logits : (B, V) array
        The network's prediction, before any sampling rule.
    """

    characters: str
    ids: Array
    logits: Array

    @cached_property
    def log_probabilities(self) -> Array:
        """The network's log-probabilities, in nats: (B, V) float64."""
        return log_softmax(self.logits.astype(np.float64))

    @cached_property
    def surprisal(self) -> Array:
        """−log₂ p of each sampled character under the network: (B,) float64, in bits."""
        return surprisal(self.log_probabilities, self.ids)

    @cached_property
    def entropy(self) -> Array:
        """Entropy of each prediction, −Σ p·log₂ p: (B,) float64, in bits."""
        expected = (np.exp(self.log_probabilities) * self.log_probabilities).sum(axis=1)  # (B,)
        return np.asarray(0.0 - expected / NATS_PER_BIT)


def surprisal(log_probabilities: Array, ids: Sequence[int] | Array) -> Array:
    """Return −log₂ p of one character a row, in bits: (N, V) log-probabilities in nats, (N,) ids → (N,)."""
    return np.asarray(0.0 - log_probabilities[np.arange(len(ids)), ids] / NATS_PER_BIT)


def sample_steps(
    model: Model,
    seed: str,
    sampling: SamplingConfig,
    count: int,
    reader: Reader | None = None,
    first_stream: int = 0,
) -> Iterator[DecodingStep]:
    """Continue a text several times side by side, without end.

    Parameters
    ----------
    model
        The model to sample from.
    seed
        The text to continue; empty: start as a text of the corpus starts.
    sampling
        How to sample.
    count
        Number of texts (B), 1 or more.
    reader
        A reader that has read the seed; it stays unchanged. Without one, the seed is read here.
    first_stream
        Text number k uses random stream number first_stream + k.

    Returns
    -------
    iterator of DecodingStep
        One step a character. The seed has been read when the iterator is returned.

    Raises
    ------
    UnknownCharacterError
        If the seed contains characters that the model does not know.
    ConfigError
        If the rules allow none of the model's characters.
    CharlstmError
        From the iterator, if a prediction has no probabilities.
    """
    allowed = sampling.allowed(model.vocabulary.code_points)
    ids = model.vocabulary.encode(model.opening + model.documents.parse(seed), "the seed", -len(model.opening))  # (N,)
    if reader is None:
        reader = Reader(model)
        reader.read(ids[:, None])
    streams = [generator(sampling.random_seed, Purpose.SAMPLE, first_stream + row) for row in range(count)]
    recent = _RecentCharacters(model, sampling, ids, count)
    return _steps(model, reader.copies(count), sampling, allowed, recent, streams)


def _steps(
    model: Model,
    reader: Reader,
    sampling: SamplingConfig,
    allowed: Array | None,
    recent: _RecentCharacters,
    streams: list[np.random.Generator],
) -> Iterator[DecodingStep]:
    while True:
        for uniform in np.stack([stream.random(UNIFORMS_AHEAD) for stream in streams], axis=1):  # (B,)
            p = probabilities(reader.logits, sampling, allowed, recent.mask)  # (B, V)
            cumulative = np.cumsum(p, axis=1)  # (B, V)
            check_finite(cumulative[:, -1])
            ids = np.add.reduce(cumulative <= uniform[:, None] * cumulative[:, -1:], axis=1)  # (B,)
            yield DecodingStep(model.vocabulary.decode(ids), ids, reader.logits)
            reader.read(ids[None])
            recent.add(ids)


def check_finite(values: Array) -> None:
    """Raise CharlstmError if a value that follows from a prediction is NaN."""
    if np.isnan(values).any():
        raise CharlstmError("the model predicts no probabilities (NaN): its weights are too large; train it again")


class _RecentCharacters:
    """Counts the characters in the repeat window of each of B texts; does nothing if there is no repeat penalty."""

    def __init__(self, model: Model, sampling: SamplingConfig, ids: Array, rows: int) -> None:
        self._size = sampling.repeat_window if sampling.repeat_penalty != 1 else 0
        last = ids[max(0, len(ids) - self._size) :].astype(np.intp)  # (K,)
        self._window = deque(np.repeat(last[:, None], rows, axis=1))  # at most `size` arrays (B,)
        self._rows = np.arange(rows)  # (B,)
        self._penalized = model.vocabulary.code_points != ord(END)  # (V,)
        self._counts = np.tile(np.bincount(last, minlength=len(model.vocabulary)), (rows, 1))  # (B, V)

    @property
    def mask(self) -> Array | None:
        """The characters in each window: (B, V) array of bool, or None without a penalty."""
        return (self._counts > 0) & self._penalized if self._size else None

    def add(self, ids: Array) -> None:
        """Add the next character of each text, (B,), and drop the oldest of a full window."""
        if not self._size:
            return
        if len(self._window) == self._size:
            self._counts[self._rows, self._window.popleft()] -= 1
        self._window.append(ids)
        self._counts[self._rows, ids] += 1
