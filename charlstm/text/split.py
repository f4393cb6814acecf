"""What of a corpus is learnt, and what is held out to judge it by; both as batches.

Of a stream the end is held out, or stripes all over it; of lines, some drawn at random; or the last file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.config import TrainingConfig
from charlstm.errors import CorpusError
from charlstm.parameters import Array
from charlstm.randomness import Purpose, generator
from charlstm.text.batches import Batch, Batches, Lines, Streams, Stripes

LONGEST_LINE = 10_000
PIECE = 1 << 24
VALIDATION_ROWS = 64
VALIDATION_SPAN = 256
VALIDATION_CONTEXT = 256
VALIDATION_MEASURED = 1_000_000
STRIPES = 20
STRIPE_LEAST = 1000


class Split(NamedTuple):
    """A corpus, part to learn and part to be judged by.

    Attributes
    ----------
    training : Batches
        What is learnt.
    characters : int
        Predictions in an epoch of it.
    held_out : callable or None
        Gives the held-out part's batches, anew at every call; None where nothing is held out.
    validation_characters : int
        Predictions in the held-out part.
    measured : int
        How many of them `held_out` gives: all, or about the first million.
    longest_line : int
        Predictions in the longest line that is learnt; 0 for a stream.
    per_line : float
        Predictions in a line of those that `held_out` gives, on average; 0 for a stream.
    """

    training: Batches
    characters: int
    held_out: Callable[[], Iterable[Batch]] | None
    validation_characters: int
    measured: int
    longest_line: int = 0
    per_line: float = 0.0


def split_stream(ids: Array, config: TrainingConfig, last_file: int = 0) -> Split:
    """Hold out the end of a text, or stripes of it, and make streams of the rest.

    Parameters
    ----------
    ids : (N,) array of ids
        The text.
    config
        Batch, sequence length and what is held out.
    last_file
        Where the last file begins, for the split "file".

    Raises
    ------
    CorpusError
        If fewer than two characters are left to learn.
    """
    held = len(ids) - last_file if config.split == "file" else round(len(ids) * config.val_fraction)
    count = 1 if config.split != "stripes" else max(1, min(STRIPES, held // STRIPE_LEAST))
    stripes = Stripes(count, len(ids) // count - held // count, held // count)
    if stripes.learnt < 2:
        raise CorpusError(
            f"only {max(stripes.learnt, 0)} of {len(ids)} characters would be left to learn;"
            " give a longer text, or hold out less of it"
        )
    training = Streams(ids, config.batch_size, config.seq_len, stripes)
    measured = min(stripes.held, VALIDATION_MEASURED // count)
    spans = [(first, first + measured) for first, _ in stripes.held_out()]
    return Split(
        training,
        (count * stripes.learnt - 1) // training.rows * training.rows,
        (lambda: validation_streams(ids, spans, config.seq_len)) if measured else None,
        stripes.held * count,
        measured * count,
    )


def split_lines(ids: Array, newline: int, config: TrainingConfig, last_file: int = 0) -> Split:
    """Hold out a share of the lines, drawn at random, or those of the last file, and make rows of the others.

    Parameters
    ----------
    ids : (N,) array of ids
        A text that begins and ends with a newline.
    newline
        The newline's id.
    config
        Batch, what is held out, random seed and `curriculum`.
    last_file
        Where the last file begins, for the split "file".

    Raises
    ------
    CorpusError
        If no line is left to learn, or one is too long.
    """
    learnt, kept = shared_out(line_spans(ids, newline), config, last_file)  # (K, 2) each
    if not len(learnt):
        raise CorpusError("no line is left to learn; give a text with more lines, or hold out less of it")
    measured = kept[: 1 + int(np.searchsorted(np.cumsum(kept[:, 1] - kept[:, 0] + 1), VALIDATION_MEASURED))]  # (M, 2)
    learnt = np.sort(learnt, axis=0)
    return Split(
        Lines(ids, learnt, config.batch_size, config.random_seed, config.curriculum),
        _predictions(learnt),
        Lines(ids, np.sort(measured, axis=0), config.batch_size, config.random_seed).in_order if len(kept) else None,
        _predictions(kept),
        _predictions(measured),
        int((learnt[:, 1] - learnt[:, 0]).max()) + 1,
        _predictions(measured) / max(len(measured), 1),
    )


def shared_out(spans: Array, config: TrainingConfig, last_file: int = 0) -> tuple[Array, Array]:
    """Return which of a text's lines, (K, 2), are learnt and which are held out, in an order drawn at random."""
    order = generator(config.random_seed, Purpose.SPLIT).permutation(len(spans))  # (K,)
    if config.split == "file":
        of_file = spans[order, 0] >= last_file  # (K,)
        return spans[order[~of_file]], spans[order[of_file]]
    cut = len(spans) - round(len(spans) * config.val_fraction)
    return spans[order[:cut]], spans[order[cut:]]


def _predictions(spans: Array) -> int:
    """Return how many characters lines ask to predict: their own and the newline after each."""
    return int((spans[:, 1] - spans[:, 0] + 1).sum())


def line_spans(ids: Array, newline: int) -> Array:
    """Return where the lines of a text stand: (K, 2), first character and one past the last; empty lines are left out.

    Parameters
    ----------
    ids : (N,) array of ids
        A text that begins and ends with a newline.
    newline
        The newline's id.

    Raises
    ------
    CorpusError
        If a line is longer than `LONGEST_LINE` characters.
    """
    pieces = range(0, len(ids), PIECE)
    ends = np.concatenate([np.flatnonzero(ids[k : k + PIECE] == newline) + k for k in pieces])  # (K+1,)
    spans = np.stack([ends[:-1] + 1, ends[1:]], axis=1)  # (K, 2)
    lengths = spans[:, 1] - spans[:, 0]  # (K,)
    if lengths.size and lengths.max() > LONGEST_LINE:
        raise CorpusError(
            f"line {int(lengths.argmax()) + 1} has {int(lengths.max()):,} characters and --lines takes at most"
            f" {LONGEST_LINE:,} in a line; split it, or leave out --lines to read the text as one stream"
        )
    return np.asarray(spans[lengths > 0])


def validation_streams(ids: Array, spans: Sequence[tuple[int, int]], seq_len: int) -> Iterator[Batch]:
    """Yield batches that predict every character of some spans of a text exactly once.

    The spans are read in up to 64 rows side by side. Each row first reads up to 256 characters of what stands before
    its part, uncounted, so that it predicts with a state that knows the text.

    Parameters
    ----------
    ids : (N,) array of ids
        The whole text.
    spans
        The first character to predict, 1 or more, and one past the last, of each span; all of one length.
    seq_len
        Characters in a window (T).
    """
    wanted = spans[0][1] - spans[0][0]
    context = min(VALIDATION_CONTEXT, spans[0][0] - 1)
    rows = max(1, min(VALIDATION_ROWS // len(spans), wanted // VALIDATION_SPAN))
    width = -(-wanted // rows)
    starts, ends = np.array(
        [(first + row * width - 1 - context, last) for first, last in spans for row in range(rows)]
    ).T  # (B,) each
    for start in range(0, context + width, seq_len):
        k = np.arange(start, min(start + seq_len, context + width))[:, None]  # (T, 1)
        where = k + starts  # (T, B)
        counted = (k >= context) & (where + 1 < ends)  # (T, B)
        where = np.minimum(where, len(ids) - 2)
        yield Batch(ids[where], ids[where + 1], counted.astype(np.float32), fresh=start == 0)
