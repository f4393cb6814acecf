"""The decoder: the network predicts, a character is sampled and read, and so on, for several texts side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from charlstm.base.errors import CharlstmError
from charlstm.base.parameters import Array
from charlstm.base.randomness import Purpose, generator
from charlstm.base.symbols import END
from charlstm.model.model import Model, Reader
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.sampling.filters import SamplingConfig, add_bias, probabilities
from charlstm.sampling.mixture import Mixture
from charlstm.sampling.words import ForbiddenWords

if TYPE_CHECKING:
    from charlstm.text.cache import Cache

MAX_ROWS = 100_000
UNIFORMS_AHEAD = 256
READ_AT_ONCE = 256  # seeds that are read side by side


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
        The network's prediction, before any sampling rule, and before it is mixed with counts.
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
    seed: str | Sequence[str],
    sampling: SamplingConfig,
    count: int,
    reader: Reader | None = None,
    streams: Sequence[int] | None = None,
    report: Callable[[int], object] | None = None,
    cache: Cache | None = None,
) -> Iterator[DecodingStep]:
    """Continue a text several times side by side, without end.

    Parameters
    ----------
    model
        The model to sample from.
    seed
        The text to continue, or B texts; empty: begin a document, or in a stream a line.
    sampling
        How to sample.
    count
        Number of texts (B), 1 or more.
    reader
        A reader that has read the one seed; it stays unchanged. Without one, the seed is read here.
    streams
        The numbers of the B random streams; None: text number k uses stream number k.
    report
        Called with the number of characters of the seed that are read, again and again; see `Reader.read`.
    cache
        A cache that has read the one seed, for a mixture with it; without one, the seed is counted here.

    Returns
    -------
    iterator of DecodingStep
        One step a character. The seed has been read when the iterator is returned.

    Raises
    ------
    UnknownCharacterError
        If the seed contains characters that the model does not know.
    ConfigError
        If the rules allow none of the model's characters, or need counts that the model does not hold.
    CharlstmError
        From the iterator, if a prediction has no probabilities.
    """
    points = model.vocabulary.code_points
    allowed, seeds = sampling.allowed(points), [seed] * count if isinstance(seed, str) else list(seed)
    parsed = {each: model.documents.parse(each) for each in dict.fromkeys(seeds)}
    starts = {each: model.opening if text else model.start for each, text in parsed.items()}
    ids = {
        each: model.vocabulary.encode(starts[each] + text, "the seed", -len(starts[each]))
        for each, text in parsed.items()
    }
    numbers = range(count) if streams is None else streams
    openings = model.draw_labels(sampling.random_seed, numbers) if model.labels else None  # (B,)
    if openings is not None and reader is None:
        reader = read_side_by_side(model, [ids[each] for each in seeds], openings, report)
    elif len(ids) > 1:
        reader = read_side_by_side(model, [ids[each] for each in seeds], report=report)
    else:
        if reader is None:
            reader = Reader(model)
            reader.read(ids[seeds[0]][:, None], report)
        reader = reader.copies(count)
    generators = [generator(sampling.random_seed, Purpose.SAMPLE, number) for number in numbers]
    recent = _RecentCharacters(model, sampling, [ids[each] for each in seeds])
    mixture = Mixture(model, sampling, [ids[each] for each in seeds], openings, cache)
    if sampling.forbid_word:
        before = [parsed[each] for each in seeds]
        words = ForbiddenWords(sampling.forbid_word, points, allowed, before)
        return _steps(model, reader, sampling, words, recent, mixture, generators)
    return _steps(model, reader, sampling, allowed, recent, mixture, generators)


def read_side_by_side(
    model: Model,
    texts: Sequence[Array],
    openings: Array | None = None,
    report: Callable[[int], object] | None = None,
) -> Reader:
    """Return a reader of B texts of any lengths, each read to its end.

    Parameters
    ----------
    model
        The model that reads.
    texts
        The ids of each text, (N,).
    openings : (B,) array of ids, optional
        As for `Reader`.
    report
        As for `Reader.read`.
    """
    lengths = np.array([len(text) for text in texts])  # (B,)
    result = Reader(model, len(texts), openings)
    order = np.argsort(lengths, kind="stable")  # (B,)
    for rows in np.array_split(order, -(-len(texts) // READ_AT_ONCE)):
        ids = np.zeros((lengths[rows].max(), len(rows)), model.vocabulary.id_type)  # (N, b)
        for column, row in enumerate(rows):
            ids[: lengths[row], column] = texts[row]
        reader = Reader(model, len(rows), None if openings is None else openings[rows])
        for start, stop in pairwise([0, *sorted(set(lengths[rows].tolist()))]):
            reader.read(ids[start:stop], report)
            ended = lengths[rows] == stop  # (b,)
            result.state[:, :, rows[ended]] = reader.state[:, :, ended]
            result.logits[rows[ended]] = reader.logits[ended]
    return result


def _steps(
    model: Model,
    reader: Reader,
    sampling: SamplingConfig,
    allowed: ForbiddenWords | Array | None,
    recent: _RecentCharacters,
    mixture: Mixture,
    streams: list[np.random.Generator],
) -> Iterator[DecodingStep]:
    biases, characters = sampling.biases(model.vocabulary.code_points), model.vocabulary.characters
    while True:
        uniforms = np.stack([stream.random(UNIFORMS_AHEAD) for stream in streams], axis=1)  # (N, B)
        for uniform in uniforms[..., None]:  # (B, 1)
            mask = allowed.allowed if isinstance(allowed, ForbiddenWords) else allowed  # (V,) or (B, V)
            p = probabilities(add_bias(mixture.mix(reader.logits), biases), sampling, mask, recent.mask)  # (B, V)
            cumulative = np.add.accumulate(p, axis=1)  # (B, V)
            total = cumulative[:, -1:]  # (B, 1)
            check_finite(total)
            ids = (cumulative > uniform * total).argmax(axis=1)  # (B,)
            yield DecodingStep("".join([characters[index] for index in ids.tolist()]), ids, reader.logits)
            reader.read(ids[None])
            recent.add(ids)
            mixture.add(ids)
            if isinstance(allowed, ForbiddenWords):
                allowed.add(ids)


def check_finite(values: Array) -> None:
    """Raise CharlstmError if a value that follows from a prediction is NaN."""
    if np.isnan(np.add.reduce(values, axis=None)):  # one NaN makes the sum NaN
        raise CharlstmError("the model predicts no probabilities (NaN): its weights are too large; train it again")


class _RecentCharacters:
    """Counts the characters in the repeat window of each of B texts; does nothing if there is no repeat penalty."""

    def __init__(self, model: Model, sampling: SamplingConfig, seeds: Sequence[Array]) -> None:
        self._size = sampling.repeat_window if sampling.repeat_penalty != 1 else 0
        self._rows = np.arange(len(seeds))  # (B,)
        self._penalized = model.vocabulary.code_points != ord(END)  # (V,)
        none = len(model.vocabulary)  # stands before the first character of a seed that is shorter than others
        length = min(max(map(len, seeds)), self._size)
        last = np.full((length, len(seeds)), none, np.intp)  # (K, B)
        for row, ids in enumerate(seeds if length else ()):
            last[max(0, length - len(ids)) :, row] = ids[max(0, len(ids) - length) :]
        self._window = deque(last)  # at most `size` arrays (B,)
        self._counts = np.zeros((len(seeds), none + 1), np.intp)  # (B, V + 1)
        np.add.at(self._counts, (self._rows, last), 1)

    @property
    def mask(self) -> Array | None:
        """The characters in each window: (B, V) array of bool, or None without a penalty."""
        return (self._counts[:, :-1] > 0) & self._penalized if self._size else None

    def add(self, ids: Array) -> None:
        """Add the next character of each text, (B,), and drop the oldest of a full window."""
        if not self._size:
            return
        if len(self._window) == self._size:
            self._counts[self._rows, self._window.popleft()] -= 1
        self._window.append(ids)
        self._counts[self._rows, ids] += 1
