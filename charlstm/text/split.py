"""From a corpus to its training set and its validation set, both as batches.

The validation set of a stream is the end of the text, or stripes of it; that of lines is a random sample of them; or it
is the last file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.base.config import TrainingConfig
from charlstm.base.errors import CorpusError
from charlstm.base.parameters import Array
from charlstm.base.randomness import Purpose, generator
from charlstm.text.batches import Batch, Batches, LineBatches, StreamBatches, Stripes
from charlstm.text.corpus import Corpus
from charlstm.text.documents import find_lines

VALIDATION_ROWS = 64
SHORTEST_VALIDATION_ROW = 256
VALIDATION_CONTEXT = 256
MOST_VALIDATION_CHARACTERS = 1_000_000
MOST_STRIPES = 20
SHORTEST_STRIPE = 1000


class Split(NamedTuple):
    """A corpus as training set and validation set.

    Attributes
    ----------
    training : Batches
        The training set.
    training_characters : int
        Predictions in an epoch.
    validation : callable or None
        Each call returns the batches of the validation set; None if there is no validation set.
    validation_characters : int
        Predictions in the validation set.
    measured_characters : int
        Predictions in the batches that `validation` returns: all, or about the first million.
    longest_line : int
        Predictions in the longest line of the training set; 0 for a stream.
    characters_per_line : float
        Mean predictions in a line of the batches that `validation` returns; 0 for a stream.
    """

    training: Batches
    training_characters: int
    validation: Callable[[], Iterable[Batch]] | None
    validation_characters: int
    measured_characters: int
    longest_line: int = 0
    characters_per_line: float = 0.0


def split_corpus(corpus: Corpus, config: TrainingConfig) -> Split:
    """Split a corpus as the settings say.

    Raises
    ------
    CorpusError
        If the training set would be too small, or a line is too long.
    """
    if config.lines:
        return split_lines(corpus.ids, corpus.vocabulary.id("\n"), config, corpus.last_file)
    return split_stream(corpus.ids, config, corpus.last_file)


def split_stream(ids: Array, config: TrainingConfig, last_file: int = 0) -> Split:
    """Split a stream: its end, or stripes of it, are the validation set.

    Parameters
    ----------
    ids : (N,) array of ids
        The text.
    config
        Batch size, sequence length and kind of split.
    last_file
        Position at which the last file begins, for the split "file".

    Raises
    ------
    CorpusError
        If fewer than two characters are left to train on.
    """
    wanted = len(ids) - last_file if config.split == "file" else round(len(ids) * config.val_fraction)
    count = 1 if config.split != "stripes" else max(1, min(MOST_STRIPES, wanted // SHORTEST_STRIPE))
    stripes = Stripes(count, len(ids) // count - wanted // count, wanted // count)
    if stripes.training < 2:
        raise CorpusError(
            f"only {max(stripes.training, 0)} of {len(ids)} characters would be left to train on;"
            " give a longer text, or a smaller validation set"
        )
    training = StreamBatches(ids, config.batch_size, config.seq_len, stripes)
    measured = min(stripes.validation, MOST_VALIDATION_CHARACTERS // count)
    spans = [(first, first + measured) for first, _ in stripes.validation_spans()]
    return Split(
        training,
        (count * stripes.training - 1) // training.rows * training.rows,
        (lambda: validation_batches(ids, spans, config.seq_len)) if measured else None,
        stripes.validation * count,
        measured * count,
    )


def split_lines(ids: Array, newline: int, config: TrainingConfig, last_file: int = 0) -> Split:
    """Split lines: a random sample of them, or those of the last file, are the validation set.

    Parameters
    ----------
    ids : (N,) array of ids
        A text that begins and ends with a newline.
    newline
        Id of the newline.
    config
        Batch size, kind of split, random seed and curriculum.
    last_file
        Position at which the last file begins, for the split "file".

    Raises
    ------
    CorpusError
        If no line is left to train on, or a line is too long.
    """
    training, validation = split_spans(find_lines(ids, newline), config, last_file)  # (K, 2) each
    if not len(training):
        raise CorpusError("no line is left to train on; give a text with more lines, or a smaller validation set")
    predictions = np.cumsum(validation[:, 1] - validation[:, 0] + 1)
    measured = validation[: 1 + int(np.searchsorted(predictions, MOST_VALIDATION_CHARACTERS))]  # (M, 2)
    training = np.sort(training, axis=0)
    return Split(
        LineBatches(ids, training, config.batch_size, config.random_seed, config.curriculum),
        _count_predictions(training),
        LineBatches(ids, np.sort(measured, axis=0), config.batch_size, config.random_seed).in_order
        if len(validation)
        else None,
        _count_predictions(validation),
        _count_predictions(measured),
        int((training[:, 1] - training[:, 0]).max()) + 1,
        _count_predictions(measured) / max(len(measured), 1),
    )


def split_spans(spans: Array, config: TrainingConfig, last_file: int = 0) -> tuple[Array, Array]:
    """Return the lines of the training set and of the validation set, each (K, 2) and in random order."""
    order = generator(config.random_seed, Purpose.SPLIT).permutation(len(spans))  # (K,)
    if config.split == "file":
        in_last_file = spans[order, 0] >= last_file  # (K,)
        return spans[order[~in_last_file]], spans[order[in_last_file]]
    cut = len(spans) - round(len(spans) * config.val_fraction)
    return spans[order[:cut]], spans[order[cut:]]


def _count_predictions(spans: Array) -> int:
    """Return how many characters are predicted in lines: their own, and the newline after each."""
    return int((spans[:, 1] - spans[:, 0] + 1).sum())


def validation_batches(ids: Array, spans: Sequence[tuple[int, int]], seq_len: int) -> Iterator[Batch]:
    """Yield batches that predict every character of some spans of a stream exactly once.

    A batch has up to 64 rows. Each row first reads up to 256 characters before its part, which do not count in the
    loss, so that its first prediction has a context.

    Parameters
    ----------
    ids : (N,) array of ids
        The whole text.
    spans
        The first character to predict, 1 or more, and one past the last, of each span; all of one length.
    seq_len
        Characters in a window (T).
    """
    length = spans[0][1] - spans[0][0]
    context = min(VALIDATION_CONTEXT, spans[0][0] - 1)
    rows = max(1, min(VALIDATION_ROWS // len(spans), length // SHORTEST_VALIDATION_ROW))
    width = -(-length // rows)
    starts, ends = np.array(
        [(first + row * width - 1 - context, last) for first, last in spans for row in range(rows)]
    ).T  # (B,) each
    for start in range(0, context + width, seq_len):
        k = np.arange(start, min(start + seq_len, context + width))[:, None]  # (T, 1)
        positions = k + starts  # (T, B)
        loss_mask = (k >= context) & (positions + 1 < ends)  # (T, B)
        positions = np.minimum(positions, len(ids) - 2)
        yield Batch(ids[positions], ids[positions + 1], loss_mask.astype(np.float32), resets_state=start == 0)
