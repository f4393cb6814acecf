"""Sampling: from logits to one character after another, for several texts side by side."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
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

DRAWN_AHEAD = 256
OLD_IN_A_ROW = 1000


@dataclass(frozen=True)
class Step:
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

    @cached_property
    def log_probabilities(self) -> Array:
        """What the network predicted, in nats: (B, V) float64."""
        return log_softmax(self.logits.astype(np.float64))

    @cached_property
    def surprise(self) -> Array:
        """−log₂ of the probability that the network gave to each character: (B,) float64, in bits."""
        drawn = self.log_probabilities[np.arange(len(self.ids)), self.ids]  # (B,)
        return np.asarray(0.0 - drawn / NATS_PER_BIT)

    @cached_property
    def entropy(self) -> Array:
        """How unsure the network was: the entropy of each prediction, (B,) float64, in bits."""
        expected = (np.exp(self.log_probabilities) * self.log_probabilities).sum(axis=1)  # (B,)
        return np.asarray(0.0 - expected / NATS_PER_BIT)


class Shown(NamedTuple):
    """One character that can be shown.

    Attributes
    ----------
    row
        Of which text.
    character
        The character.
    step : Step
        The step that drew it.
    """

    row: int
    character: str
    step: Step


class Sample(NamedTuple):
    """One text that was made; as a `str` it is the seed and what was made.

    Attributes
    ----------
    seed
        What it continues.
    text
        What was made.
    bits_per_character
        Mean of −log₂ of the probability that the network gave to each new character, before any rule of drawing; NaN
        if there is none.
    stop
        Why it ended: "length", "stop", "lines" or "sentence"; "interrupted" before that.
    """

    seed: str
    text: str
    bits_per_character: float
    stop: str

    def __str__(self) -> str:
        return self.seed + self.text


class Texts:
    """Several texts as they are made side by side: iterate to make them.

    Each comes from the random stream of its own row, so a text does not depend on how many stand beside it.

    Parameters
    ----------
    model, seed, drawing
        As for `streams`; the seed has been read when this is made.
    ending
        Where each text ends.
    count
        How many (B), 1 or more.
    new_only
        True: lines that stand in the model's corpus, word for word, are left out as if they had not been drawn.
    reader, first
        As for `streams`.

    Attributes
    ----------
    ends : list of B Stopper
        Why each text has ended, or None.
    """

    def __init__(
        self,
        model: Model,
        seed: str,
        drawing: SamplingConfig,
        ending: StoppingRules,
        count: int = 1,
        new_only: bool = False,
        reader: Reader | None = None,
        first: int = 0,
    ) -> None:
        if new_only and not model.training.lines:
            raise ConfigError("only a model of lines, trained with --lines, knows which lines are new")
        self.seed = seed
        self.ends = [Stopper(ending) for _ in range(count)]
        self._steps = streams(model, seed, drawing, count, reader, first)
        self._model = model if new_only else None

    def __iter__(self) -> Iterator[Shown]:
        """Yield every character when it can be shown, those of one text in their order.

        Raises
        ------
        ConfigError
            If a thousand lines in a row were not new.
        """
        lines: list[list[Shown]] = [[] for _ in self.ends]
        waiting: list[deque[Shown]] = [deque() for _ in self.ends]
        begun, old = [self.seed.rpartition("\n")[2] for _ in self.ends], [0 for _ in self.ends]
        going = [row for row, end in enumerate(self.ends) if end.reason is None]
        while going:
            step = next(self._steps)
            for row in going:
                lines[row].append(Shown(row, step.characters[row], step))
                if self._model is not None:
                    if step.characters[row] != "\n":
                        continue
                    line = begun[row] + "".join(shown.character for shown in lines[row][:-1])
                    begun[row], old[row] = "", old[row] + 1 if self._model.has_seen(line) else 0
                    if old[row] > OLD_IN_A_ROW:
                        raise ConfigError("a thousand lines in a row stand in the corpus; raise --temperature")
                    lines[row] = [] if old[row] else lines[row]
                for shown in lines[row]:
                    waiting[row].append(shown)
                    for _ in range(self.ends[row].add(shown.character)):
                        yield waiting[row].popleft()
                    if self.ends[row].reason:
                        break
                lines[row] = []
            going = [row for row in going if self.ends[row].reason is None]


class Tally:
    """Gathers the characters of one text into a `Sample`."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._characters: list[str] = []
        self._bits = 0.0

    def add(self, shown: Shown) -> None:
        """Take the next character."""
        self._characters.append(shown.character)
        self._bits += float(shown.step.surprise[shown.row])

    def sample(self, stop: str | None) -> Sample:
        """Return the text so far, and why it ended."""
        count = len(self._characters)
        bits = self._bits / count if count else math.nan
        return Sample(self._seed, "".join(self._characters), bits, stop or "interrupted")


def samples(texts: Texts) -> list[Sample]:
    """Make all the texts and return them."""
    tallies = [Tally(texts.seed) for _ in texts.ends]
    for shown in texts:
        tallies[shown.row].add(shown)
    return [tally.sample(end.reason) for tally, end in zip(tallies, texts.ends, strict=True)]


def streams(
    model: Model, seed: str, drawing: SamplingConfig, count: int, reader: Reader | None = None, first: int = 0
) -> Iterator[Step]:
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
    reader
        One that has read the seed; it is not changed. Without, the seed is read here.
    first
        Text number k is drawn by random stream number first + k.

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
    ids = model.vocabulary.encode(model.opening + seed, "the seed")  # (N,)
    if reader is None:
        reader = Reader(model)
        reader.read(ids[:, None])
    uniforms = [generator(drawing.random_seed, Purpose.SAMPLE, first + row) for row in range(count)]
    recent = _Recent(model, drawing, ids, count)
    return _drawn(model, reader.copies(count), drawing, allowed, recent, uniforms)


def _drawn(
    model: Model,
    reader: Reader,
    drawing: SamplingConfig,
    allowed: Array | None,
    recent: _Recent,
    uniforms: list[np.random.Generator],
) -> Iterator[Step]:
    while True:
        for uniform in np.stack([row.random(DRAWN_AHEAD) for row in uniforms], axis=1):  # (B,)
            chances = probabilities(reader.logits, drawing, allowed, recent.seen)  # (B, V)
            cumulative = np.cumsum(chances, axis=1)  # (B, V)
            drawn = np.add.reduce(cumulative <= uniform[:, None] * cumulative[:, -1:], axis=1)  # (B,)
            yield Step(model.vocabulary.decode(drawn), drawn, reader.logits)
            reader.read(drawn[None])
            recent.add(drawn)


class _Recent:
    """Which characters stood a short while ago in each of B texts; keeps nothing where no rule asks for it."""

    def __init__(self, model: Model, drawing: SamplingConfig, ids: Array, rows: int) -> None:
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
