"""The sampler: it samples continuations of a text side by side and stops each by its rules.

A sample depends only on its own random stream, never on the samples beside it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from charlstm.base.config import check_whole
from charlstm.base.errors import CharlstmError, ConfigError
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.model.model import Model, Reader
from charlstm.network.loss import log_softmax
from charlstm.sampling.decoder import MAX_ROWS, DecodingStep, sample_steps, surprisal
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.stopping import Stopper, StoppingRules

SCORED_AT_ONCE = 256
MAX_KNOWN_LINES = 1000
MAX_LINE = 100_000
LOOKAHEAD = 1000  # characters after the end of the text that may show whether its last line occurs in the corpus


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
        Mean surprisal of the new characters, and of the end symbol after them, under the network, in bits, before any
        sampling rule; NaN if there are none.
    stop
        Why it stopped: "end" if it is a whole document; "length", "stop", "lines" or "sentence"; "interrupted" if
        sampling ended before that.
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
        Number of samples (B), 1 to 100,000.
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
        If the rules allow no character or exclude a stop string, `count` is out of range, or `new_only` is set for a
        model that was not trained on lines.
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
        if new_only and not model.documents:
            raise ConfigError(
                "the model stores no documents to compare with",
                python="new_only needs a model that was trained with documents",
                command="--new-only needs a model that was trained with --documents",
            )
        code_points = model.vocabulary.code_points
        stopping.check_allowed(code_points, sampling.allowed(code_points))
        self.count = check_whole("count", count, 1, MAX_ROWS)
        seed = model.documents.parse(seed)
        self._seed = model.documents.format(seed)
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
        CharlstmError
            If a thousand lines in a row occur in the model's corpus, or a line does not end.
        """
        held_back: list[deque[SampledCharacter]] = [deque() for _ in range(self.count)]
        rows = [row for row, stopper in enumerate(self._stoppers) if not stopper.reason]
        while rows:
            step = next(self._steps)
            for row in rows:
                stopper, new_lines = self._stoppers[row], self._filters[row]
                sampled = SampledCharacter(row, step.characters[row], step)
                for each in (sampled,) if new_lines is None else new_lines.add(sampled, stopper.left):
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
                "".join(characters).removesuffix(END),
                bits / len(characters) if characters else math.nan,
                stopper.reason or "interrupted",
            )
            for characters, bits, stopper in zip(self._characters, self._bits, self._stoppers, strict=True)
        ]


class NewLines:
    """Holds back each line of one text until it is complete, and drops it if the model's corpus contains it.

    A line that does not end within 1,000 characters after the end of the text counts as new.

    Parameters
    ----------
    model
        A model that was trained on lines.
    seed
        The text before; its last line is part of the first one.
    """

    def __init__(self, model: Model, seed: str) -> None:
        self._model = model
        self._begun = seed.rpartition(END)[2]
        self._line: list[SampledCharacter] = []
        self._known = 0

    def add(self, sampled: SampledCharacter, left: int | None) -> list[SampledCharacter]:
        """Take the next character; return a whole line if it completes one that is new, else nothing.

        Parameters
        ----------
        sampled
            The character.
        left
            How many more characters the text may have; None: any number.

        Raises
        ------
        CharlstmError
            If the corpus contains a thousand sampled lines in a row, or a line of a text without a maximum length has
            100,000 characters and no end.
        """
        if sampled.character != END:
            self._line.append(sampled)
            if left is not None and len(self._line) >= left + LOOKAHEAD:
                line, self._line = self._line, []
                return line
            if left is None and len(self._line) >= MAX_LINE:
                raise CharlstmError(
                    f"the model sampled a line of {MAX_LINE:,} characters without an end; give a maximum length, or"
                    " raise the temperature"
                )
            return []
        line, self._line = self._line, []
        begun, self._begun = self._begun, ""
        if not self._model.has_seen(begun + "".join(each.character for each in line)):
            self._known = 0
            return [*line, sampled]
        self._known += 1
        if self._known > MAX_KNOWN_LINES:
            raise CharlstmError("the corpus contains the last thousand sampled lines; raise the temperature")
        return []


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
