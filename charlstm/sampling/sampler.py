"""The sampler: it samples continuations of a text side by side and stops each by its rules.

A sample depends only on its own random stream, never on the samples beside it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from charlstm.base.config import check_whole
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.model.model import Model, Reader
from charlstm.network.loss import log_softmax
from charlstm.sampling.decoder import MAX_ROWS, DecodingStep, sample_steps, surprisal
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.stopping import Stopper, StoppingRules

if TYPE_CHECKING:
    from charlstm.sampling.sets import SetRules
    from charlstm.text.cache import Cache

SCORED_AT_ONCE = 256


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


@dataclass(frozen=True)
class Origin:
    """The rules by which a text was made.

    Attributes
    ----------
    sampling, stopping
        The rules for its characters, and for its end.
    beam
        Width of the beam; None for a sample.
    rules
        The rules of the set that it belongs to; None: none.
    against
        Names of the corpora that they compare with.
    label
        The label that was chosen for it; None: none was.
    adapt_rate
        Learning rate at which the model has learnt from the seed before; None: it has not.
    """

    sampling: SamplingConfig
    stopping: StoppingRules
    beam: int | None = None
    rules: SetRules | None = None
    against: tuple[str, ...] = ()
    label: str | None = None
    adapt_rate: float | None = None


@dataclass(frozen=True)
class Sample:
    """A sampled text; `str` and `print` give the seed followed by the text.

    Attributes
    ----------
    seed
        The text that it continues.
    text
        The new characters.
    bits_per_character
        Mean surprisal of the new characters, and of the end symbol after them, under the network, in bits, before any
        sampling rule; NaN if there are none.
    stop
        Why it stopped: "end" if it is a whole document; "length", "stop", "lines" or "sentence"; "interrupted" if
        sampling ended before that.
    number
        Number of its random stream: the same random seed and rules give the same text for it, alone or beside others.
        For a text of beam search its rank, from 0.
    origin
        The rules by which it was made.
    surprisals : (N,) array
        −log₂ p of each new character under the network, and of the end symbol after a whole document, in bits, before
        any sampling rule.
    label
        The label of the document, chosen or drawn; None for a model without labels.
    """

    seed: str
    text: str
    bits_per_character: float
    stop: str
    number: int = 0
    origin: Origin = field(default_factory=lambda: Origin(SamplingConfig(), StoppingRules()), repr=False, compare=False)
    surprisals: Array = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    label: str | None = None

    def __str__(self) -> str:
        return self.seed + self.text

    @property
    def random_seed(self) -> int | None:
        """Seed of the random numbers; None for a text of beam search."""
        return self.origin.sampling.random_seed if self.origin.beam is None else None


class Sampler:
    """Samples B continuations of a text side by side.

    Iterate over it to get the characters one by one, or call `collect` for the whole samples.

    Parameters
    ----------
    model, seed, sampling
        See `sample_steps`; the seeds have been read when the sampler exists.
    stopping
        Where each sample stops.
    count
        Number of samples (B), 1 to 100,000.
    reader, streams, report, cache
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
        If the rules allow no character or exclude a stop string, or `count` is out of range.
    """

    def __init__(
        self,
        model: Model,
        seed: str | Sequence[str],
        sampling: SamplingConfig,
        stopping: StoppingRules,
        count: int = 1,
        reader: Reader | None = None,
        streams: Sequence[int] | None = None,
        report: Callable[[int], object] | None = None,
        cache: Cache | None = None,
    ) -> None:
        code_points = model.vocabulary.code_points
        stopping.check_allowed(code_points, sampling.allowed(code_points))
        self.count = check_whole("count", count, 1, MAX_ROWS)
        seeds = [seed] * count if isinstance(seed, str) else list(seed)
        shown = {each: model.documents.format(model.documents.parse(each)) for each in dict.fromkeys(seeds)}
        self._seeds = [shown[each] for each in seeds]
        self._streams = range(count) if streams is None else streams
        self._origin = Origin(sampling, stopping, label=model.label, adapt_rate=model.adapt_rate)
        self._labels: list[str | None] = [model.label] * count
        if model.labels:
            drawn = model.draw_labels(sampling.random_seed, self._streams) - len(model.vocabulary)  # (B,)
            self._labels = [model.labels[label] for label in drawn]
        self._steps = sample_steps(model, seed, sampling, count, reader, streams, report, cache)
        self._stoppers = [Stopper(stopping) for _ in range(count)]
        self._characters: list[list[str]] = [[] for _ in range(count)]
        self._blocks: list[Any] = [[]]  # rows and surprisals, (N,) each; the last one: characters without them

    def __iter__(self) -> Iterator[SampledCharacter]:
        """Yield each character as soon as it can be shown, the characters of one sample in their order."""
        held_back: list[deque[SampledCharacter]] = [deque() for _ in range(self.count)]
        rows = [row for row, stopper in enumerate(self._stoppers) if not stopper.reason]
        while rows:
            step = next(self._steps)
            for row in rows:
                held_back[row].append(SampledCharacter(row, step.characters[row], step))
                for _ in range(self._stoppers[row].add(step.characters[row])):
                    yield held_back[row].popleft()
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
        """Compute the surprisal of the characters that were collected since the last call: many at once are faster."""
        if not self._unscored:
            return
        rows, ids, logits = zip(*self._unscored, strict=True)
        scored = surprisal(log_softmax(np.stack(logits).astype(np.float64)), ids)  # (N,)
        self._blocks[-1:] = [(np.array(rows), scored), []]  # at once, so that an interrupt loses or repeats nothing

    @property
    def _unscored(self) -> list[tuple[int, int, Array]]:
        """The characters that were collected since the last call of `_score`."""
        unscored: list[tuple[int, int, Array]] = self._blocks[-1]
        return unscored

    @property
    def samples(self) -> list[Sample]:
        """What `collect` has collected so far, also after an interrupt: list of B samples."""
        self._score()
        blocks = self._blocks[:-1]
        rows = np.concatenate([np.zeros(0, np.intp), *(rows for rows, _ in blocks)])  # (N,)
        bits = np.concatenate([np.zeros(0), *(bits for _, bits in blocks)])  # (N,)
        ends = np.cumsum(np.bincount(rows, minlength=self.count))[:-1]
        of_row = np.split(bits[np.argsort(rows, kind="stable")], ends)
        return [
            Sample(
                seed,
                "".join(characters).removesuffix(END),
                sum(surprisals.tolist()) / len(characters) if characters else math.nan,
                stopper.reason or "interrupted",
                number,
                self._origin,
                surprisals,
                label,
            )
            for seed, characters, surprisals, stopper, number, label in zip(
                self._seeds, self._characters, of_row, self._stoppers, self._streams, self._labels, strict=True
            )
        ]


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
