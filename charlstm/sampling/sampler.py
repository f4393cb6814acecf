"""The sampler: it continues a text character by character, for several samples side by side.

A sample depends only on its own random stream, never on the samples beside it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from charlstm.errors import ConfigError
from charlstm.model.model import Model, Reader
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.parameters import Array
from charlstm.randomness import Purpose, generator
from charlstm.sampling.filters import SamplingConfig, probabilities
from charlstm.sampling.stopping import Stopper, StoppingRules

UNIFORMS_AHEAD = 256
SCORED_AT_ONCE = 256
MAX_KNOWN_LINES = 1000


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


class SampledCharacter(NamedTuple):
    """A sampled character that can be shown.

    Attributes
    ----------
    row
        Number of its sample, from 0.
    character
        The character.
    step : DecodingStep
        The step that sampled it.
    """

    row: int
    character: str
    step: DecodingStep


class Sample(NamedTuple):
    """A sampled text; `str` and `print` give the seed followed by the text.

    Attributes
    ----------
    seed
        The text that it continues.
    text
        The new characters.
    bits_per_character
        Mean surprisal of the new characters under the network, in bits, before any sampling rule; NaN if there are
        none.
    stop
        Why it stopped: "length", "stop", "lines" or "sentence"; "interrupted" if sampling ended before that.
    """

    seed: str
    text: str
    bits_per_character: float
    stop: str

    def __str__(self) -> str:
        return self.seed + self.text


class Sampler:
    """Samples B continuations of a text side by side.

    Iterate over it to get the characters one by one, or call `collect` for the whole samples.

    Parameters
    ----------
    model, seed, sampling
        See `sample_steps`; the seed has been read when the sampler exists.
    stopping
        Where each sample stops.
    count
        Number of samples (B), 1 or more.
    new_only
        True: omit lines that occur in the model's corpus, as if they had not been sampled.
    reader, first_stream
        See `sample_steps`.

    Attributes
    ----------
    count
        Number of samples (B).

    Raises
    ------
    UnknownCharacterError
        If the seed contains characters that the model does not know.
    ConfigError
        If the rules allow no character, or `new_only` is set for a model that was not trained on lines.
    """

    def __init__(
        self,
        model: Model,
        seed: str,
        sampling: SamplingConfig,
        stopping: StoppingRules,
        count: int = 1,
        new_only: bool = False,
        reader: Reader | None = None,
        first_stream: int = 0,
    ) -> None:
        if new_only and not model.training.lines:
            raise ConfigError("the model stores no lines to compare with; new_only needs a model trained with --lines")
        self.count = count
        self._seed = seed
        self._steps = sample_steps(model, seed, sampling, count, reader, first_stream)
        self._stoppers = [Stopper(stopping) for _ in range(count)]
        self._filters = [NewLines(model, seed) if new_only else None for _ in range(count)]
        self._characters: list[list[str]] = [[] for _ in range(count)]
        self._bits = [0.0] * count
        self._unscored: list[tuple[int, int, Array]] = []

    def __iter__(self) -> Iterator[SampledCharacter]:
        """Yield each character as soon as it can be shown, the characters of one sample in their order.

        Raises
        ------
        ConfigError
            If a thousand lines in a row occur in the model's corpus.
        """
        held_back: list[deque[SampledCharacter]] = [deque() for _ in range(self.count)]
        rows = [row for row, stopper in enumerate(self._stoppers) if not stopper.reason]
        while rows:
            step = next(self._steps)
            for row in rows:
                stopper, new_lines = self._stoppers[row], self._filters[row]
                sampled = SampledCharacter(row, step.characters[row], step)
                for each in (sampled,) if new_lines is None else new_lines.add(sampled):
                    held_back[row].append(each)
                    for _ in range(stopper.add(each.character)):
                        yield held_back[row].popleft()
                    if stopper.reason:
                        break
            rows = [row for row in rows if not self._stoppers[row].reason]

    def collect(self, show: Callable[[SampledCharacter], object] | None = None) -> list[Sample]:
        """Sample all texts to their end and return them.

        Parameters
        ----------
        show
            Called with each character as soon as it can be shown.

        Returns
        -------
        list of B Sample
            The same as `samples` afterwards.
        """
        for sampled in self:
            row, step = sampled.row, sampled.step
            self._characters[row].append(sampled.character)
            self._unscored.append((row, step.ids[row], step.logits[row]))
            if show is not None:
                show(sampled)
            if len(self._unscored) == SCORED_AT_ONCE:
                self._score()
        return self.samples

    def _score(self) -> None:
        """Add up the surprisal of the characters that were collected since the last call: many at once are faster."""
        if not self._unscored:
            return
        rows, ids, logits = zip(*self._unscored, strict=True)
        total = list(self._bits)
        for row, bits in zip(rows, surprisal(log_softmax(np.stack(logits).astype(np.float64)), ids), strict=True):
            total[row] += float(bits)
        self._bits, self._unscored = total, []  # together, so that an interrupt loses or repeats nothing

    @property
    def samples(self) -> list[Sample]:
        """What `collect` has collected so far, also after an interrupt: list of B samples."""
        self._score()
        return [
            Sample(
                self._seed,
                "".join(characters),
                bits / len(characters) if characters else math.nan,
                stopper.reason or "interrupted",
            )
            for characters, bits, stopper in zip(self._characters, self._bits, self._stoppers, strict=True)
        ]


class NewLines:
    """Holds back each line of one text until it is complete, and drops it if the model's corpus contains it.

    Parameters
    ----------
    model
        A model that was trained on lines.
    seed
        The text before; its last line is part of the first one.
    """

    def __init__(self, model: Model, seed: str) -> None:
        self._model = model
        self._begun = seed.rpartition("\n")[2]
        self._line: list[SampledCharacter] = []
        self._known = 0

    def add(self, sampled: SampledCharacter) -> list[SampledCharacter]:
        """Take the next character; return a whole line if it completes one that is new, else nothing.

        Raises
        ------
        ConfigError
            If the corpus contains a thousand sampled lines in a row.
        """
        if sampled.character != "\n":
            self._line.append(sampled)
            return []
        line, self._line = self._line, []
        begun, self._begun = self._begun, ""
        if not self._model.has_seen(begun + "".join(each.character for each in line)):
            self._known = 0
            return [*line, sampled]
        self._known += 1
        if self._known > MAX_KNOWN_LINES:
            raise ConfigError("the corpus contains the last thousand sampled lines; raise the temperature")
        return []


def surprisal(log_probabilities: Array, ids: Sequence[int] | Array) -> Array:
    """Return −log₂ p of one character a row, in bits: (N, V) log-probabilities in nats, (N,) ids → (N,)."""
    return np.asarray(0.0 - log_probabilities[np.arange(len(ids)), ids] / NATS_PER_BIT)


def preview(model: Model, length: int, random_seed: int) -> str:
    """Return a text of `length` characters that the model samples from its opening with the default rules.

    Parameters
    ----------
    model
        The model, also one in training.
    length
        Number of characters, 0 or more.
    random_seed
        Seed of the random numbers; the same seed and weights give the same text.
    """
    (sample,) = Sampler(model, "", SamplingConfig(random_seed=random_seed), StoppingRules(length)).collect()
    return sample.text


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
    """
    allowed = sampling.allowed(model.vocabulary.code_points)
    ids = model.vocabulary.encode(model.opening + seed, "the seed")  # (N,)
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
            ids = np.add.reduce(cumulative <= uniform[:, None] * cumulative[:, -1:], axis=1)  # (B,)
            yield DecodingStep(model.vocabulary.decode(ids), ids, reader.logits)
            reader.read(ids[None])
            recent.add(ids)


class _RecentCharacters:
    """Counts the characters in the repeat window of each of B texts; does nothing if there is no repeat penalty."""

    def __init__(self, model: Model, sampling: SamplingConfig, ids: Array, rows: int) -> None:
        self._size = sampling.repeat_window if sampling.repeat_penalty != 1 else 0
        last = ids[max(0, len(ids) - self._size) :].astype(np.intp)  # (K,)
        self._window = np.full((self._size, rows), -1, np.intp)  # (window, B)
        self._window[: len(last)] = last[:, None]
        self._read = len(last)
        self._rows = np.arange(rows)  # (B,)
        self._counts = np.tile(np.bincount(last, minlength=len(model.vocabulary)), (rows, 1))  # (B, V)

    @property
    def mask(self) -> Array | None:
        """The characters in each window: (B, V) array of bool, or None without a penalty."""
        return self._counts > 0 if self._size else None

    def add(self, ids: Array) -> None:
        """Add the next character of each text, (B,), and drop the oldest of a full window."""
        if not self._size:
            return
        place = self._read % self._size
        if self._read >= self._size:
            self._counts[self._rows, self._window[place]] -= 1
        self._window[place] = ids
        self._counts[self._rows, ids] += 1
        self._read += 1
