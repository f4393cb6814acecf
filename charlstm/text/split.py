"""From a corpus to its training set and its validation set, both as batches.

The validation set of a stream is the end of the text, the end of each file, or stripes of the text. That of documents
is a random sample of them, in which equal documents stay together. Or it is the last file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.base.config import TrainingConfig
from charlstm.base.errors import CorpusError
from charlstm.base.parameters import Array
from charlstm.base.randomness import Purpose, generator
from charlstm.text.batches import Batch, Batches, DocumentBatches, Parts, StreamBatches
from charlstm.text.corpus import Corpus
from charlstm.text.documents import LINE, LONGEST_WINDOW, find_documents, hash_documents
from charlstm.text.remarks import describe_names

VALIDATION_ROWS = 64
SHORTEST_VALIDATION_ROW = 256
VALIDATION_CONTEXT = 256
MOST_VALIDATION_CHARACTERS = 1_000_000
COMPARED = 1_000_000
MOST_DOCUMENTS_COMPARED = 20_000
PARTS = 8  # of the training set, each compared with the rest
SHORTEST_COMPARED = 50  # characters
BUCKETS = 65_521  # numbers of pairs of characters; more pairs share numbers
# Tails of homogeneous texts stay below one of the two, and those in another language exceed both: see the test.
LEAST_RATIO = 1.4
LEAST_DIFFERENCE = 0.15  # bits
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
    longest_document : int
        Predictions in the longest document of the training set; 0 for a stream.
    characters_per_document : float
        Mean predictions in a document of the batches that `validation` returns; 0 for a stream.
    hashes : (K,) uint64 array
        The distinct hashes of the documents of the corpus, ascending; none for a stream.
    remarks : tuple of str
        About equal documents, and about a validation set that is unlike the training set.
    is_alike : bool
        Whether the validation set is the same kind of text as the training set.
    validation_spans : (K, 2) array
        The parts of the validation set of a stream, or the documents that `validation` returns, in the order of the
        text: position in the text of the first character of each, and one past its last.
    validation_labels : (K,) array
        For each of these documents the index of its label; empty without labels.
    training_spans : (K, 2) array
        The parts of the training set of a stream, or its documents, as `validation_spans` has them.
    training_labels : (K,) array
        For each document of the training set the index of its label; empty without labels.
    """

    training: Batches
    training_characters: int
    validation: Callable[[], Iterable[Batch]] | None
    validation_characters: int
    measured_characters: int
    longest_document: int = 0
    characters_per_document: float = 0.0
    hashes: Array = np.zeros(0, np.uint64)
    remarks: tuple[str, ...] = ()
    is_alike: bool = True
    validation_spans: Array = np.zeros((0, 2), np.int64)
    validation_labels: Array = np.zeros(0, np.int64)
    training_spans: Array = np.zeros((0, 2), np.int64)
    training_labels: Array = np.zeros(0, np.int64)


def split_corpus(corpus: Corpus, config: TrainingConfig) -> Split:
    """Split a corpus as the settings say.

    Raises
    ------
    CorpusError
        If the training set would be too small.
    """
    if config.documents:
        return split_documents(corpus, config)
    return split_stream(corpus.ids, config, corpus.starts_for(config.split))


def split_stream(ids: Array, config: TrainingConfig, file_starts: Sequence[int] | Array = (0,)) -> Split:
    """Split a stream: its end, the end of each file, or stripes of it are the validation set.

    Parameters
    ----------
    ids : (N,) array of ids
        The text.
    config
        Batch size, sequence length and kind of split.
    file_starts
        Position at which each file begins, for the splits "file" and "tails".

    Raises
    ------
    CorpusError
        If fewer than two characters are left to train on.
    """
    parts = choose_parts(len(ids), config, file_starts)
    if parts.training < 2:
        raise CorpusError(
            f"only {max(parts.training, 0)} of {len(ids)} characters would be left to train on;"
            " give a longer text, or a smaller validation set"
        )
    training = StreamBatches(ids, config.batch_size, config.seq_len, parts)
    lengths = np.array([stop - start for start, stop in parts.validation_spans])
    if lengths.sum() > MOST_VALIDATION_CHARACTERS:
        equal = lengths.min() == lengths.max()
        share = MOST_VALIDATION_CHARACTERS // len(lengths)
        lengths = np.minimum(lengths, share) if equal else lengths * MOST_VALIDATION_CHARACTERS // lengths.sum()
    spans = [
        (start, start + int(length))
        for (start, _), length in zip(parts.validation_spans, lengths, strict=True)
        if length
    ]
    unlike = _compare(ids, parts.positions(_spread(parts.training)), _select(spans))
    return Split(
        training,
        (parts.training - 1) // training.rows * training.rows,
        (lambda: validation_batches(ids, spans, config.seq_len)) if spans else None,
        sum(stop - start for start, stop in parts.validation_spans),
        sum(stop - start for start, stop in spans),
        remarks=unlike,
        is_alike=not unlike,
        validation_spans=np.array(parts.validation_spans, np.int64).reshape(-1, 2),
        training_spans=np.array(parts.training_spans, np.int64).reshape(-1, 2),
    )


def choose_parts(length: int, config: TrainingConfig, file_starts: Sequence[int] | Array) -> Parts:
    """Return the training and validation parts of a stream of a given length."""
    if config.split == "tails":
        starts = _group_files(np.asarray(file_starts), length)  # (K,)
        stops = np.append(starts[1:], length)
        return Parts(starts, stops - np.round((stops - starts) * config.val_fraction).astype(np.int64), stops)
    validation = length - int(file_starts[-1]) if config.split == "file" else round(length * config.val_fraction)
    count = 1 if config.split != "stripes" else max(1, min(MOST_STRIPES, validation // SHORTEST_STRIPE))
    return Parts.of_equal_length(count, length // count - validation // count, validation // count)


def _group_files(starts: Array, length: int) -> Array:
    """Return where groups of consecutive files start, at most 64 of similar size: each has a tail of its own."""
    starts = np.unique(np.append(0, starts[starts < length]))
    if len(starts) <= VALIDATION_ROWS:
        return starts
    wanted = np.arange(VALIDATION_ROWS) * length // VALIDATION_ROWS
    return np.unique(starts[np.searchsorted(starts, wanted, side="right") - 1])


def _spread(count: int) -> Array:
    """Return at most a million numbers from 0 to count − 1, evenly spaced."""
    return np.arange(min(count, COMPARED)) * (count / min(count, COMPARED)) // 1 if count else np.arange(0)


def _select(spans: Sequence[tuple[int, int]] | Array) -> Array:
    """Return the positions of all characters in spans, or an even selection of at most about a million."""
    lengths = np.array([stop - start for start, stop in spans], np.int64)
    every = max(1, -(-int(lengths.sum()) // COMPARED))
    return np.concatenate([np.arange(start, stop, every) for start, stop in spans] or [np.arange(0)])


def _compare(ids: Array, training: Array, validation: Array) -> tuple[str, ...]:
    """Return a remark if the characters at two lists of positions belong to different kinds of text.

    The validation set is compared with the training set by the frequencies of pairs of characters, which tell apart
    languages in one script. What is usual follows from the training set: eighths of it, each compared with the rest.
    """
    size = min(len(validation), len(training) // PARTS)
    if size < SHORTEST_COMPARED:
        return ()
    pairs = [_hash_pairs(ids, places.astype(np.int64)) for places in (training, validation)]  # (K,) each

    def count(start: int, of: Array) -> Array:
        return np.bincount(of[start : start + size], minlength=BUCKETS)

    whole = np.bincount(pairs[0], minlength=BUCKETS)  # (BUCKETS,)
    parts = [count(k * len(training) // PARTS, pairs[0]) for k in range(PARTS)]
    usual = [measure_divergence(part, whole - part) for part in parts]
    starts = range(0, len(validation) - size + 1, size)
    found = np.mean(
        [
            measure_divergence(count(start, pairs[1]), whole - part)
            for start, part in zip(starts, itertools.cycle(parts), strict=False)
        ]
    )
    if found < LEAST_RATIO * max(usual) or found < LEAST_DIFFERENCE + np.mean(usual):
        return ()
    return (
        "the validation set is another kind of text than the training set: its pairs of characters have other"
        f" frequencies (a Jensen-Shannon divergence of {found:.2f} bits; parts of the training set have at most"
        f" {max(usual):.2f}), so a high validation loss does not mean overfitting; mix the kinds of text, or choose a"
        " validation set of the same kind",
    )


def _hash_pairs(ids: Array, places: Array) -> Array:
    """Return a number below BUCKETS for each character at (K,) positions and the one before it: (K,)."""
    before = ids[np.maximum(places - 1, 0)].astype(np.int64)  # (K,)
    return np.asarray((before * (int(ids.max()) + 1) + ids[places]) % BUCKETS)


def measure_divergence(one: Array, other: Array) -> float:
    """Return the Jensen–Shannon divergence of two (V,) counts, in bits: 0 for equal frequencies, at most 1.

    Examples
    --------
    >>> measure_divergence(np.array([1, 3]), np.array([2, 6])), measure_divergence(np.array([1, 0]), np.array([0, 1]))
    (0.0, 1.0)
    """

    def entropy(p: Array) -> float:
        p = p[p > 0]
        return -float((p * np.log2(p)).sum())

    p, q = one / one.sum(), other / other.sum()
    return entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2


def split_documents(corpus: Corpus, config: TrainingConfig) -> Split:
    """Split documents: a random sample of them, or those of the last file, are the validation set.

    Parameters
    ----------
    corpus
        A text that begins and ends with the end symbol.
    config
        Batch size, sequence length, kind of split, random seed and curriculum.

    Raises
    ------
    CorpusError
        If no document is left to train on.
    """
    ids, end = corpus.ids, corpus.vocabulary.end
    assert end is not None
    spans = find_documents(ids, end)  # (K, 2)
    hashes = hash_documents(ids, spans, corpus.vocabulary)  # (K,)
    chosen = choose_validation(spans, hashes, config, corpus.starts_for(config.split))  # (K,) bool
    order = generator(config.random_seed, Purpose.SPLIT).permutation(len(spans))  # (K,)
    validation, training = order[chosen[order]], np.flatnonzero(~chosen)  # numbers of documents
    if not len(training):
        raise CorpusError(
            "no document is left to train on; give a text with more documents, or a smaller validation set"
        )
    predictions = np.cumsum(spans[validation, 1] - spans[validation, 0] + 1)
    measured = np.sort(validation[: 1 + int(np.searchsorted(predictions, MOST_VALIDATION_CHARACTERS))])  # (M,)
    openings = len(corpus.vocabulary) + corpus.labels if corpus.labels.size else None  # (K,)
    seq_len = config.seq_len if config.documents != LINE else LONGEST_WINDOW
    rows, seed, learnt, kept = config.batch_size, config.random_seed, spans[training], spans[measured]
    unlike = _compare(ids, _select_documents(learnt), _select_documents(kept))
    return Split(
        DocumentBatches(ids, learnt, rows, seq_len, seed, config.curriculum, _select_openings(openings, training)),
        _count_predictions(learnt),
        DocumentBatches(ids, kept, rows, seq_len, openings=_select_openings(openings, measured)).in_order
        if len(kept)
        else None,
        _count_predictions(spans[validation]),
        _count_predictions(kept),
        int((learnt[:, 1] - learnt[:, 0]).max()) + 1,
        _count_predictions(kept) / max(len(kept), 1),
        np.unique(hashes),
        (*_count_equal(hashes, chosen, config), *_name_unlearnt(corpus, chosen), *unlike),
        not unlike,
        kept,
        corpus.labels[measured] if corpus.labels.size else corpus.labels,
        learnt,
        corpus.labels[training] if corpus.labels.size else corpus.labels,
    )


def _select_openings(openings: Array | None, documents: Array) -> Array | None:
    """Return what opens some of the documents; None if it is the end symbol."""
    return None if openings is None else openings[documents]


def choose_validation(spans: Array, hashes: Array, config: TrainingConfig, file_starts: Sequence[int] | Array) -> Array:
    """Return which documents are in the validation set: (K,) bool.

    Equal documents are on one side together. Each of several files has its share in the validation set. A document that
    is longer than all others together is in the training set.

    Parameters
    ----------
    spans : (K, 2) array
        Position of the first character of each document, and one past its last.
    hashes : (K,) array
        Equal for equal documents.
    config
        Kind of split, share of the validation set and random seed.
    file_starts
        Position at which each file begins.
    """
    starts, lengths = spans[:, 0], spans[:, 1] - spans[:, 0]  # (K,) each
    if config.split == "file":
        return np.asarray(starts >= file_starts[-1])
    if config.split == "tail":  # a run of an earlier version
        hashes, file_starts = np.arange(len(starts)), [0]
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)  # (D,), (K,): D distinct documents
    ranks = np.empty_like(first)  # (D,)
    ranks[np.argsort(first)] = np.arange(len(first))
    group = ranks[group.reshape(-1)]  # (K,)  numbered in the order of their first occurrence
    sizes = np.bincount(group, minlength=len(first))  # (D,)
    order = generator(config.random_seed, Purpose.SPLIT).permutation(len(first))  # (D,)
    files = np.searchsorted(np.asarray(file_starts), starts[np.sort(first)], side="right")  # (D,)
    order = order[np.argsort(files[order], kind="stable")]
    if config.split != "tail":
        order = order[2 * lengths[np.sort(first)][order] <= lengths.sum()]
    if len(file_starts) == 1:
        wanted = round(len(starts) * config.val_fraction)
        most = max(wanted, int(sizes.min())) if wanted > 0 and len(sizes) > 1 else wanted
        order = order[sizes[order] <= most][::-1]
        taken = order[np.cumsum(sizes[order]) <= most]
    else:  # at equal distances in the order, so that every file has its share
        some = round(len(order) * config.val_fraction)
        taken = order[np.diff(np.arange(len(order) + 1) * some // max(len(order), 1)) > 0]
    return np.isin(group, taken)


def _name_unlearnt(corpus: Corpus, chosen: Array) -> tuple[str, ...]:
    """Return a remark if no document of the training set has a label; (K,) bool: which are in the validation set."""
    if not corpus.labels.size:
        return ()
    missing = np.setdiff1d(corpus.labels, corpus.labels[~chosen]).tolist()
    if not missing:
        return ()
    names = describe_names([corpus.facts.labels[label][0] for label in missing], "label")
    return (f"the training set has no document with the label {names}, so the model does not learn what it means",)


def _count_equal(hashes: Array, chosen: Array, config: TrainingConfig) -> tuple[str, ...]:
    """Return a remark if documents are equal to others: (K,) hashes, and which are in the validation set, (K,) bool."""
    if config.split == "file":
        common = int(np.isin(hashes[chosen], hashes[~chosen]).sum())
        if common:
            return (
                f"{common:,} of {int(chosen.sum()):,} documents of the validation set"
                f" {'is' if common == 1 else 'are'} in the training set too, so"
                " the validation loss does not show how well the model generalises; leave them out of one of them",
            )
    equal = len(hashes) - len(np.unique(hashes))
    if not equal:
        return ()
    where = "" if config.split == "file" else "; copies are together in the training set or in the validation set"
    verb = "is a copy of another" if equal == 1 else "are copies of others"
    return (f"{equal:,} of {len(hashes):,} documents {verb}{where}",)


def _select_documents(spans: Array) -> Array:
    """Return the positions of the characters of documents, or of an even selection of them."""
    return _select(spans[:: max(1, len(spans) // MOST_DOCUMENTS_COMPARED)].tolist())


def _count_predictions(spans: Array) -> int:
    """Return how many predictions there are in documents: their characters, and the end symbol after each."""
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
        The first character to predict, 1 or more, and one past the last, of each span.
    seq_len
        Characters in a window (T).
    """
    lengths = [last - first for first, last in spans]
    context = min(VALIDATION_CONTEXT, spans[0][0] - 1)
    width = _choose_width(lengths)
    starts, ends = np.array(
        [(first + begin - 1 - context, last) for first, last in spans for begin in range(0, last - first, width)]
    ).T  # (B,) each
    for start in range(0, context + width, seq_len):
        k = np.arange(start, min(start + seq_len, context + width))[:, None]  # (T, 1)
        positions = k + starts  # (T, B)
        loss_mask = (k >= context) & (positions + 1 < ends)  # (T, B)
        positions = np.minimum(positions, len(ids) - 2)
        yield Batch(ids[positions], ids[positions + 1], loss_mask.astype(np.float32), resets_state=start == 0)


def _choose_width(lengths: Sequence[int]) -> int:
    """Return in how many characters a row spans are cut so that they are at most 64 rows, or one row each."""
    longest = max(lengths)
    widths = (
        -(-longest // max(1, min(rows, longest // SHORTEST_VALIDATION_ROW))) for rows in range(VALIDATION_ROWS, 0, -1)
    )
    return next(
        (width for width in widths if sum(-(-length // width) for length in lengths) <= VALIDATION_ROWS), longest
    )
