"""From ids to batches: what one step of training reads, as a function of the step alone.

A stream is cut into B contiguous pieces, one for each row of the batch. Rows are read in windows of T characters, and
the state is carried from window to window. Lines are whole rows, each read from the zero state: the newline before the
line, its characters, and as the last target the newline that ends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from charlstm.base.errors import CorpusError
from charlstm.base.parameters import Array
from charlstm.base.randomness import Purpose, generator

CHARACTERS_PER_BATCH = 200_000
LINES_SORTED_TOGETHER = 50
SHORTEST_STREAM = 8


class Batch(NamedTuple):
    """T characters in each of B rows.

    Attributes
    ----------
    ids : (T, B) array of ids
        The characters that are read.
    targets : (T, B) array of ids
        The character after each of them.
    loss_mask : (T, B) float32 array
        1 where the prediction counts in the loss; 0 in padding and in context that is only read.
    resets_state : bool
        True: the rows begin in the zero state.
    """

    ids: Array
    targets: Array
    loss_mask: Array
    resets_state: bool


class Batches(Protocol):
    """A training text as batches; the batch of a step does not depend on earlier calls.

    Attributes
    ----------
    per_epoch : int
        Batches that predict every character once.
    rows : int
        Rows of a full batch (B).
    """

    per_epoch: int
    rows: int

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, 0 or more; epochs follow one another."""


class Parts:
    """A text as alternating training and validation parts, of which a training part is the first.

    Parameters
    ----------
    starts, cuts, stops : (K,) arrays
        Where each training part starts, where the validation part after it starts, and one past its end.
    """

    def __init__(self, starts: Array, cuts: Array, stops: Array) -> None:
        lengths = cuts - starts  # (K,)
        self._ends = np.cumsum(lengths)  # (K,)
        self._offsets = cuts - self._ends  # (K,)
        self._spans = [(int(cut), int(stop)) for cut, stop in zip(cuts, stops, strict=True) if stop > cut]

    @classmethod
    def of_equal_length(cls, count: int, training: int, validation: int) -> Parts:
        """Return a number of parts of each kind that have given numbers of characters."""
        starts = np.arange(count) * (training + validation)
        return cls(starts, starts + training, starts + training + validation)

    @property
    def training(self) -> int:
        """Number of characters in the training parts."""
        return int(self._ends[-1])

    @property
    def validation_spans(self) -> list[tuple[int, int]]:
        """The first character of each validation part that is not empty, and one past its last."""
        return self._spans

    def positions(self, characters: Array) -> Array:
        """Return the positions in the text of training characters, which are numbered without the validation parts."""
        if len(self._ends) == 1:
            return np.asarray(characters + self._offsets[0])
        return np.asarray(characters + self._offsets[np.searchsorted(self._ends, characters, side="right")])


class StreamBatches:
    """A text as B parallel streams.

    Parameters
    ----------
    ids : (N,) array of ids
        The text, two characters or more.
    rows
        Streams (B); a text that is too short for them gives fewer.
    seq_len
        Characters in a window (T).
    parts
        The training parts of the text; all of it by default.

    Raises
    ------
    CorpusError
        If the training text has fewer than two characters.
    """

    def __init__(self, ids: Array, rows: int, seq_len: int, parts: Parts | None = None) -> None:
        self._parts = parts or Parts.of_equal_length(1, len(ids), 0)
        characters = self._parts.training
        if characters < 2:
            raise CorpusError("two characters or more are needed: one to read and one to predict")
        self.rows = max(1, min(rows, (characters - 1) // min(seq_len, SHORTEST_STREAM)))
        self._ids = ids
        self._seq_len = seq_len
        self._stream = (characters - 1) // self.rows
        self.per_epoch = -(-self._stream // seq_len)

    def batch(self, step: int) -> Batch:
        """Return window `step` modulo `per_epoch` of every stream; the first window of an epoch resets the state."""
        window = step % self.per_epoch
        first = window * self._seq_len
        steps = min(self._seq_len, self._stream - first)
        starts = np.arange(self.rows) * self._stream + first  # (B,)
        text = self._ids[self._parts.positions(np.arange(steps + 1)[:, None] + starts)]  # (T+1, B)
        return Batch(text[:-1], text[1:], np.ones((steps, self.rows), np.float32), resets_state=window == 0)


class LineBatches:
    """Lines as rows, each from the zero state.

    Parameters
    ----------
    ids : (N,) array of ids
        The text, which begins and ends with a newline.
    spans : (K, 2) array
        Position in `ids` of the first character of each line, and one past the last; one line or more.
    rows
        Lines in a batch (B).
    seed
        Random seed of the order.
    curriculum
        Epochs' worth of steps at the start in which a batch is sampled from the shortest lines, whose share grows from
        few to all (Bengio et al. 2009, "Curriculum learning"). Epochs begin after them.
    """

    def __init__(self, ids: Array, spans: Array, rows: int, seed: int, curriculum: float = 0.0) -> None:
        lengths = spans[:, 1] - spans[:, 0]  # (K,)
        self.rows = max(1, min(rows, len(spans), CHARACTERS_PER_BATCH // (int(lengths.max()) + 1)))
        self.per_epoch = -(-len(spans) // self.rows)
        self._ids = ids
        self._spans = spans
        self._seed = seed
        self._curriculum_steps = round(curriculum * self.per_epoch)
        self._by_length = np.argsort(lengths, kind="stable")  # (K,)
        self._epoch = -1
        self._order: list[Array] = []

    def batch(self, step: int) -> Batch:
        """Return a batch of short lines during the curriculum, then the batches of each epoch."""
        if step < self._curriculum_steps:
            return self._gather(self._sample_short_lines(step))
        epoch, index = divmod(step - self._curriculum_steps, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffle(epoch)
        return self._gather(self._order[index])

    def in_order(self) -> Iterator[Batch]:
        """Yield every line once, shortest first."""
        for first in range(0, len(self._by_length), self.rows):
            yield self._gather(self._by_length[first : first + self.rows])

    def _sample_short_lines(self, step: int) -> Array:
        """Sample lines of similar length from the shortest of all: (B,) numbers of lines."""
        rng = generator(self._seed, Purpose.CURRICULUM, step)
        available = max(self.rows, len(self._spans) * (step + 1) // self._curriculum_steps)
        middle = rng.integers(available)
        near = self.rows * LINES_SORTED_TOGETHER // 2
        ranks = rng.integers(max(0, middle - near), min(available, middle + near), self.rows)  # (B,)
        return np.asarray(self._by_length[ranks])

    def _shuffle(self, epoch: int) -> list[Array]:
        """Shuffle the lines, sort pools of them by length so that a batch has little padding, shuffle the batches."""
        rng = generator(self._seed, Purpose.ORDER, epoch)
        lines = rng.permutation(len(self._spans))  # (K,)
        lengths = (self._spans[:, 1] - self._spans[:, 0])[lines]  # (K,)
        pools = np.arange(len(lines)) // (self.rows * LINES_SORTED_TOGETHER)  # (K,)
        lines = lines[np.lexsort((lengths, pools))]
        batches = [lines[first : first + self.rows] for first in range(0, len(lines), self.rows)]
        return [batches[k] for k in rng.permutation(len(batches))]

    def _gather(self, lines: Array) -> Batch:
        starts, stops = self._spans[lines].T  # (B,) each
        positions, loss_mask = pad_spans(starts - 1, stops)  # (T, B) each
        return Batch(self._ids[positions], self._ids[positions + 1], loss_mask.astype(np.float32), resets_state=True)


def pad_spans(starts: Array, stops: Array) -> tuple[Array, Array]:
    """Return the positions of spans of a text as the columns of one array, padded to the longest.

    Parameters
    ----------
    starts, stops : (B,) arrays
        Position of the first character of each span, and one past its last.

    Returns
    -------
    (T, B) array, (T, B) bool array
        Positions, padded with the last position of each span; False in the padding.
    """
    positions = np.arange((stops - starts).max())[:, None] + starts  # (T, B)
    mask = positions < stops  # (T, B)
    return np.minimum(positions, stops - 1), mask
