"""From ids to batches: what one step of training reads, as a function of the step alone.

A stream is cut into B contiguous pieces, one for each row of the batch. Rows are read in windows of T characters, and
the state is carried from window to window.

Documents are rows too. B documents of similar length form a group. A group is read from the zero state, in one window
if its documents are short, otherwise in several of equal length. A long document is cut into pieces first, so that its
group has little padding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from charlstm.base.errors import CorpusError
from charlstm.base.parameters import Array
from charlstm.base.randomness import Purpose, generator

CHARACTERS_PER_BATCH = 200_000
BATCHES_SORTED_TOGETHER = 50
PIECES_PER_ROW = 8  # of documents that are cut
WINDOWS_PER_PIECE = 16
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
        self._training = [(int(start), int(cut)) for start, cut in zip(starts, cuts, strict=True) if cut > start]

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
    def training_spans(self) -> list[tuple[int, int]]:
        """The first character of each training part that is not empty, and one past its last."""
        return self._training

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


class DocumentBatches:
    """Documents as rows, each from the zero state.

    Parameters
    ----------
    ids : (N,) array of ids
        The text, in which the end symbol stands before and after each document.
    spans : (K, 2) array
        Position in `ids` of the first character of each document, and one past the last; one document or more.
    rows
        Documents in a batch (B).
    seq_len
        Largest number of characters in a window (T); None: each document is one window.
    seed
        Random seed of the order.
    curriculum
        Epochs' worth of steps at the start in which a group is sampled from the shortest documents, whose share grows
        from few to all (Bengio et al. 2009, "Curriculum learning"). Epochs begin after them.
    openings : (K,) array of ids, optional
        What is read before the first character of each document in place of the end symbol.
    """

    def __init__(
        self,
        ids: Array,
        spans: Array,
        rows: int,
        seq_len: int | None = None,
        seed: int = 0,
        curriculum: float = 0.0,
        openings: Array | None = None,
    ) -> None:
        lengths = spans[:, 1] + 1 - spans[:, 0]  # (K,)  predictions: the characters and the end symbol
        longest = max(WINDOWS_PER_PIECE * (seq_len or 0), int(lengths.sum()) // (rows * PIECES_PER_ROW))
        counts = -(-lengths // longest) if seq_len else np.ones_like(lengths)  # (K,)
        self._first, self._stop = _cut_evenly(spans[:, 0], lengths, counts)  # (P,) each: the targets of each piece
        begins = np.cumsum(counts) - counts  # (K,)
        self._ids = ids
        self._openings = ids[self._first - 1] if openings is None else ids[self._first - 1].astype(openings.dtype)
        if openings is not None:
            self._openings[begins] = openings

        lengths = self._stop - self._first  # (P,)
        self._seq_len = min(seq_len or int(lengths.max()), int(lengths.max()))
        self.rows = max(1, min(rows, len(lengths), CHARACTERS_PER_BATCH // self._seq_len))
        self._seed = seed
        self._by_length = np.argsort(lengths, kind="stable")  # (P,)
        ends = np.minimum(np.arange(self.rows, len(lengths) + self.rows, self.rows), len(lengths)) - 1  # (G,)
        self._windows = -(-lengths[self._by_length[ends]] // self._seq_len)  # (G,)  of each group, shortest first
        self._windows_of = np.empty_like(lengths)  # (P,)  pieces whose groups have as many windows change places
        self._windows_of[self._by_length] = np.repeat(self._windows, self.rows)[: len(lengths)]
        self.per_epoch = int(self._windows.sum())
        self._curriculum_steps = round(curriculum * self.per_epoch)
        self._epoch = -1
        self._order: list[Array] = []
        self._begins = np.zeros(0, np.int64)
        self._curriculum_begins = [0]

    @property
    def padding(self) -> float:
        """Fraction of the positions in the batches of the first epoch that is padding."""
        positions = sum(len(group) * self._find_longest(group) for group in self._shuffle(0)[0])
        return 1.0 - float((self._stop - self._first).sum()) / positions

    def batch(self, step: int) -> Batch:
        """Return a batch of short documents during the curriculum, then the batches of each epoch."""
        if step < self._curriculum_steps:
            return self._gather(*self._find_in_curriculum(step))
        epoch, index = divmod(step - self._curriculum_steps, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, (self._order, self._begins) = epoch, self._shuffle(epoch)
        number = int(np.searchsorted(self._begins, index, side="right")) - 1
        return self._gather(self._order[number], index - int(self._begins[number]))

    def in_order(self) -> Iterator[Batch]:
        """Yield every document once, shortest first."""
        for first in range(0, len(self._by_length), self.rows):
            group = self._by_length[first : first + self.rows]
            for window in range(self._count_windows(group)):
                yield self._gather(group, window)

    def _find_longest(self, group: Array) -> int:
        """Return the predictions in the longest piece of a group."""
        return int((self._stop[group] - self._first[group]).max())

    def _count_windows(self, group: Array) -> int:
        """Return in how many windows a group is read."""
        return -(-self._find_longest(group) // self._seq_len)

    def _find_in_curriculum(self, step: int) -> tuple[Array, int]:
        """Return the group that a step of the curriculum reads, and which of its windows."""
        begins = self._curriculum_begins
        while begins[-1] <= step:
            begins.append(begins[-1] + self._count_windows(self._sample_short(begins[-1])))
        number = bisect_right(begins, step) - 1
        return self._sample_short(begins[number]), step - begins[number]

    def _sample_short(self, step: int) -> Array:
        """Sample documents of similar length from the shortest of all: (B,) numbers of pieces."""
        rng = generator(self._seed, Purpose.CURRICULUM, step)
        available = max(self.rows, len(self._by_length) * (step + 1) // self._curriculum_steps)
        middle = rng.integers(available)
        near = self.rows * BATCHES_SORTED_TOGETHER // 2
        ranks = rng.integers(max(0, middle - near), min(available, middle + near), self.rows)  # (B,)
        return np.asarray(self._by_length[ranks])

    def _shuffle(self, epoch: int) -> tuple[list[Array], Array]:
        """Return the groups of an epoch in their order, and the number of windows before each.

        Shuffle the pieces, sort pools of them by length so that a group has little padding, shuffle the groups. A pool
        has pieces whose groups have as many windows, so that every epoch has the same number of batches. What is left
        for a last pool belongs to the one before, where it might be too short for these windows.
        """
        rng = generator(self._seed, Purpose.ORDER, epoch)
        pieces = rng.permutation(len(self._first))  # (P,)
        pieces = pieces[np.argsort(self._windows_of[pieces], kind="stable")]
        windows, lengths = self._windows_of[pieces], (self._stop - self._first)[pieces]  # (P,) each
        begins, ends = (np.searchsorted(windows, windows, side) for side in ("left", "right"))  # (P,) each
        size = self.rows * BATCHES_SORTED_TOGETHER
        last = np.where(windows > 1, np.maximum((ends - begins) // size - 1, 0), len(pieces))  # (P,)
        pools = np.minimum((np.arange(len(pieces)) - begins) // size, last)  # (P,)
        pieces = pieces[np.lexsort((lengths, pools, windows))]
        order = rng.permutation(len(self._windows))  # (G,)
        groups = [pieces[first : first + self.rows] for first in range(0, len(pieces), self.rows)]
        return [groups[k] for k in order], np.cumsum(self._windows[order]) - self._windows[order]

    def _gather(self, group: Array, window: int) -> Batch:
        """Return one of the windows of a group."""
        starts, stops = self._first[group], self._stop[group]  # (B,) each
        width = -(-self._find_longest(group) // self._count_windows(group))
        positions, loss_mask = pad_spans(starts, stops, window * width, width)  # (T, B) each
        read = self._ids[positions - 1]  # (T, B)
        if window == 0:
            read = read.astype(self._openings.dtype)
            read[0] = self._openings[group]
        return Batch(read, self._ids[positions], loss_mask.astype(np.float32), resets_state=window == 0)


def _cut_evenly(starts: Array, lengths: Array, counts: Array) -> tuple[Array, Array]:
    """Cut spans into given numbers of pieces of nearly equal length; return where each begins, and one past its end."""
    span = np.repeat(np.arange(len(counts)), counts)  # (P,)
    number = np.arange(len(span)) - np.repeat(np.cumsum(counts) - counts, counts)  # (P,)  within its span
    begins, ends = (starts[span] + lengths[span] * k // counts[span] for k in (number, number + 1))
    return begins, ends


def pad_spans(starts: Array, stops: Array, skipped: int = 0, width: int | None = None) -> tuple[Array, Array]:
    """Return the positions of spans of a text as the columns of one array, padded to the longest.

    Parameters
    ----------
    starts, stops : (B,) arrays
        Position of the first character of each span, and one past its last.
    skipped, width
        Skip this many positions of every span, and return at most so many; None: all others.

    Returns
    -------
    (T, B) array, (T, B) bool array
        Positions, padded with the last position of each span; False in the padding.
    """
    longest = int((stops - starts).max())
    steps = np.arange(skipped, longest if width is None else min(skipped + width, longest))  # (T,)
    positions = steps[:, None] + starts  # (T, B)
    mask = positions < stops  # (T, B)
    return np.minimum(positions, stops - 1), mask
