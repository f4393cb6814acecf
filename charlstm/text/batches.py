"""From ids to batches: what is read side by side in one step of training, a function of the step's number alone.

A stream corpus is cut into B contiguous rows that are read in windows of T characters, the state carried from window
to window. A line corpus gives whole lines as rows, each from a fresh state: a newline is read, the line is predicted,
then the newline that ends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from charlstm.errors import CorpusError
from charlstm.parameters import Array
from charlstm.randomness import Purpose, generator

CHARACTERS_PER_BATCH = 200_000
LINES_SORTED_TOGETHER = 50


class Batch(NamedTuple):
    """T characters of each of B rows, what comes after each, and which of these predictions count.

    Attributes
    ----------
    ids, targets : (T, B) arrays of ids
        What is read and what is to be predicted.
    counted : (T, B) float32 array
        1 where the prediction counts, 0 in padding and in context that is only read.
    fresh : bool
        True where the rows start anew: the state before them is zero.
    """

    ids: Array
    targets: Array
    counted: Array
    fresh: bool


class Batches(Protocol):
    """A corpus as batches; the batch of a step does not depend on what was asked for before.

    Attributes
    ----------
    per_epoch : int
        Batches in which every character is predicted once.
    rows : int
        Rows of a full batch.
    """

    per_epoch: int
    rows: int

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, 0 or more; epochs follow one another."""


class Stripes(NamedTuple):
    """Which parts of a text are learnt and which are held out: they take turns, beginning with one to learn.

    Attributes
    ----------
    parts
        Parts of each kind.
    learnt
        Characters in a part to learn.
    held
        Characters in a part that is held out, none in the last one.
    """

    parts: int
    learnt: int
    held: int

    def place(self, characters: Array) -> Array:
        """Return where in the text the characters stand that are number so and so of those to learn."""
        return np.asarray(characters + characters // self.learnt * self.held)

    def held_out(self) -> list[tuple[int, int]]:
        """Return the first character of each part that is held out, and one past its last."""
        period = self.learnt + self.held
        return [(k * period + self.learnt, (k + 1) * period) for k in range(self.parts)]


class Streams:
    """A text as B parallel streams.

    Parameters
    ----------
    ids : (N,) array of ids
        The text, two characters or more.
    rows
        Streams wanted (B); fewer are made of a text that is too short for them.
    seq_len
        Characters in a window (T).
    stripes
        Which parts of the text are learnt; all of it without.
    """

    def __init__(self, ids: Array, rows: int, seq_len: int, stripes: Stripes | None = None) -> None:
        self._stripes = stripes or Stripes(1, max(len(ids), 1), 0)
        learnt = min(self._stripes.parts * self._stripes.learnt, len(ids))
        if learnt < 2:
            raise CorpusError("two characters or more are needed: one to read and one to predict")
        self.rows = max(1, min(rows, (learnt - 1) // min(seq_len, 8)))
        self._ids = ids
        self._seq_len = seq_len
        self._span = (learnt - 1) // self.rows
        self.per_epoch = -(-self._span // seq_len)

    def batch(self, step: int) -> Batch:
        """Return window `step` modulo `per_epoch` of every stream; the first one of an epoch is fresh."""
        window = step % self.per_epoch
        first = window * self._seq_len
        steps = min(self._seq_len, self._span - first)
        starts = np.arange(self.rows) * self._span + first  # (B,)
        characters = self._ids[self._stripes.place(np.arange(steps + 1)[:, None] + starts)]  # (T+1, B)
        return Batch(characters[:-1], characters[1:], np.ones((steps, self.rows), np.float32), fresh=window == 0)


class Lines:
    """Lines as texts of their own.

    Parameters
    ----------
    ids : (N,) array of ids
        The text, beginning and ending with a newline.
    spans : (K, 2) array
        Where each line stands in `ids`: first character and one past the last; at least one line.
    rows
        Lines of a batch (B).
    seed
        Random seed of the order.
    curriculum
        Over how many epochs' worth of steps, at the start, rows are drawn from the shortest lines, a share that grows
        from few to all (a curriculum; Bengio et al. 2009). Epochs begin after it.
    """

    def __init__(self, ids: Array, spans: Array, rows: int, seed: int, curriculum: float = 0.0) -> None:
        lengths = spans[:, 1] - spans[:, 0]  # (K,)
        self.rows = max(1, min(rows, len(spans), CHARACTERS_PER_BATCH // (int(lengths.max()) + 1)))
        self.per_epoch = -(-len(spans) // self.rows)
        self._ids = ids
        self._spans = spans
        self._seed = seed
        self._ramp = round(curriculum * self.per_epoch)
        self._by_length = np.argsort(lengths, kind="stable")  # (K,)
        self._epoch = -1
        self._plan: list[Array] = []

    def batch(self, step: int) -> Batch:
        """Return a batch of short lines during the ramp, then those of the epoch's own order; always fresh."""
        if step < self._ramp:
            return self._rows_of(self._short_lines(step))
        epoch, index = divmod(step - self._ramp, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._plan = epoch, self._order(epoch)
        return self._rows_of(self._plan[index])

    def in_order(self) -> Iterator[Batch]:
        """Yield every line once, shortest first."""
        for first in range(0, len(self._by_length), self.rows):
            yield self._rows_of(self._by_length[first : first + self.rows])

    def _short_lines(self, step: int) -> Array:
        """Draw lines of about one length from the shortest share of all."""
        rng = generator(self._seed, Purpose.RAMP, step)
        reach = max(self.rows, len(self._spans) * (step + 1) // self._ramp)
        middle = rng.integers(reach)
        near = self.rows * LINES_SORTED_TOGETHER // 2
        drawn = rng.integers(max(0, middle - near), min(reach, middle + near), self.rows)
        return np.asarray(self._by_length[drawn])

    def _order(self, epoch: int) -> list[Array]:
        """Shuffle the lines; sort pools of them by length, so that a batch has little padding; shuffle the batches."""
        rng = generator(self._seed, Purpose.ORDER, epoch)
        lines = rng.permutation(len(self._spans))  # (K,)
        lengths = (self._spans[:, 1] - self._spans[:, 0])[lines]  # (K,)
        pools = np.arange(len(lines)) // (self.rows * LINES_SORTED_TOGETHER)  # (K,)
        lines = lines[np.lexsort((lengths, pools))]
        batches = [lines[first : first + self.rows] for first in range(0, len(lines), self.rows)]
        return [batches[k] for k in rng.permutation(len(batches))]

    def _rows_of(self, lines: Array) -> Batch:
        starts, stops = self._spans[lines].T  # (B,) each
        where, counted = side_by_side(starts - 1, stops)  # (T, B) each
        return Batch(self._ids[where], self._ids[where + 1], counted.astype(np.float32), fresh=True)


def side_by_side(starts: Array, stops: Array) -> tuple[Array, Array]:
    """Return where the characters of spans stand that are read side by side, and which of them are no padding.

    Parameters
    ----------
    starts, stops : (B,) arrays
        First character of each span, and one past its last.

    Returns
    -------
    (T, B) array, (T, B) bool array
        Places, a span's last one again where it has ended before the longest; True where it has not.
    """
    where = np.arange((stops - starts).max())[:, None] + starts  # (T, B)
    counted = where < stops  # (T, B)
    return np.minimum(where, stops - 1), counted
