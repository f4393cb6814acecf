"""Counting the training set of a model, and fitting the weight of the counts on its validation set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from charlstm.base.config import check_whole
from charlstm.base.errors import CorpusError
from charlstm.base.inputs import Input
from charlstm.base.parameters import Array, Buffers
from charlstm.model.counts import Counts
from charlstm.model.model import Model
from charlstm.network.loss import log_softmax
from charlstm.sampling.mixture import mix
from charlstm.text import corpus
from charlstm.text.batches import Batch
from charlstm.text.corpus import Corpus
from charlstm.text.ngrams import MOST_ORDER, NOTHING, NgramModel, count_ngrams, join_passages
from charlstm.text.rare_words import count_words
from charlstm.text.remarks import describe_names
from charlstm.text.split import Split, split_corpus
from charlstm.text.vocabulary import name as describe_character

ORDER = 6
HALVINGS = 20  # the weight is exact to a millionth before it is rounded
DIGITS = 4


class Counted(NamedTuple):
    """A model with counts, and the corpus that was counted.

    Attributes
    ----------
    model : Model
        The model, which has the counts.
    corpus : Corpus
        The text.
    split : Split
        Its training set, which was counted, and its validation set, on which the weight was fitted.
    """

    model: Model
    corpus: Corpus
    split: Split


def check_order(value: int, name: str = "order") -> int:
    """Return the order of an n-gram model; raise ConfigError if it is not a whole number, 1 to 12."""
    return check_whole(name, value, 1, MOST_ORDER)


def count_training_set(model: Model, split: Split, ids: Array, order: int) -> Counts:
    """Count the training set of a corpus, without a weight.

    In a model of documents each is counted on its own, from the end symbol or the label before it to its end symbol.

    Parameters
    ----------
    model
        The model, for its vocabulary and its labels.
    split
        The training set.
    ids : (N,) array of ids
        The text.
    order
        Symbols of the longest n-gram, 1 to 12.

    Raises
    ------
    ConfigError
        If there are too many n-grams.
    """
    V, spans = len(model.vocabulary), split.training_spans.tolist()
    openings = V + split.training_labels if split.training_labels.size else None  # (K,)
    if model.documents:
        spans = [(start - 1, stop + 1) for start, stop in spans]
    passages = join_passages(ids, spans, openings)
    symbols = V + len(model.labels)
    return Counts(count_ngrams(passages, order, V, symbols), count_words(passages, model.vocabulary, symbols))


def count_corpus(
    model: Model,
    corpora: Sequence[str | os.PathLike[str] | Input],
    order: int = ORDER,
    encoding: str = "utf-8",
    field: str | None = None,
) -> Counted:
    """Read a corpus as the training of a model did, count its training set, and fit the weight.

    Parameters
    ----------
    model
        The model.
    corpora
        Files and folders.
    order
        Symbols of the longest n-gram, 1 to 12.
    encoding, field
        As for training.

    Raises
    ------
    CorpusError
        If the corpus cannot be read, or has characters or labels that the model does not know.
    ConfigError
        If the order is out of range, or there are too many n-grams.
    """
    check_order(order)
    training = model.training
    text = corpus.read(corpora, encoding, model.documents, model.vocabulary, field, training.label)
    unknown = np.setdiff1d(text.vocabulary.code_points, model.vocabulary.code_points).tolist()
    labels = sorted({label for label, _ in text.facts.labels}.difference(model.labels))
    if unknown or labels:
        odd = (
            describe_names([describe_character(chr(point)) for point in unknown], "character")
            if unknown
            else describe_names(labels, "label")
        )
        raise CorpusError(
            f"{describe_names(text.facts.files)} has {'characters' if unknown else 'labels'} that the model does not"
            f" know ({odd}), and the counts must predict what the network predicts; give the corpus of the model"
        )
    if text.labels.size:
        known = np.array([model.labels.index(label) for label, _ in text.facts.labels])
        text = text._replace(labels=known[text.labels], facts=replace(text.facts, labels=model.facts.labels))
    split = split_corpus(text, training)
    counts = count_training_set(model, split, text.ids, order)
    return Counted(fit_weight(replace(model, counts=counts), split), text, split)


def fit_weight(model: Model, split: Split) -> Model:
    """Return a model whose counts have the weight that fits the validation set best; as it is without one."""
    if model.counts is None or split.validation is None:
        return model
    network, counts = measure_predictions(model, model.counts.ngrams.model, split.validation())  # (N,) each
    weight = find_weight(network, counts)
    return replace(
        model,
        counts=replace(
            model.counts,
            weight=weight,
            ngram_loss=-float(np.log(counts).mean()),
            mixture_loss=-float(np.log(mix(network, counts, weight)).mean()),
        ),
    )


def find_weight(network: Array, counts: Array) -> float:
    """Return the weight of the counts with which a mixture predicts a text best, to four digits.

    The log-likelihood is concave in the weight, so bisection on its derivative finds the maximum.

    Parameters
    ----------
    network, counts : (N,) arrays
        Probability of each character of the text under each of the two.

    Examples
    --------
    >>> find_weight(np.array([0.5, 0.1]), np.array([0.1, 0.5]))
    0.5
    """
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        weight = (low + high) / 2
        if ((counts - network) / mix(network, counts, weight)).sum() > 0:
            low = weight
        else:
            high = weight
    return round((low + high) / 2, DIGITS)


def measure_predictions(model: Model, ngrams: NgramModel, batches: Iterable[Batch]) -> tuple[Array, Array]:
    """Return the probability of every target of batches that counts, under the network and under an n-gram model.

    Returns
    -------
    (N,) float64 array, (N,) float64 array
        In the same order.
    """
    network, buffers = model.network, Buffers(model.network.parameters.flat.dtype)
    results: list[tuple[Array, Array]] = [(np.zeros(0), np.zeros(0))]
    windows: list[tuple[Batch, Array]] = []
    rows, weights, state = 0, None, network.zero_state(0)
    for batch in batches:
        if batch.resets_state:
            results += _measure_rows(ngrams, windows)
            windows, state = [], network.zero_state(batch.ids.shape[1])
        if weights is None or rows != batch.ids.shape[1]:
            rows = batch.ids.shape[1]
            weights = network.pack(rows, buffers)
        done = network.forward(batch.ids, state, None, buffers, weights)
        log_p = np.take_along_axis(log_softmax(done.logits), batch.targets[..., None].astype(np.intp), -1)[..., 0]
        windows.append((batch, np.exp(log_p.astype(np.float64))))  # (T, B)
        state = done.state
    results += _measure_rows(ngrams, windows)
    first, second = zip(*results, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _measure_rows(ngrams: NgramModel, windows: Sequence[tuple[Batch, Array]]) -> list[tuple[Array, Array]]:
    """Return the probabilities of the targets of rows that are read from their start, in consecutive windows."""
    if not windows:
        return []
    ids, targets, counted, network = (
        np.concatenate([part.astype(kind) for part in parts])
        for parts, kind in zip(
            zip(*((batch.ids, batch.targets, batch.loss_mask, p) for batch, p in windows), strict=True),
            (np.int64, np.int64, bool, np.float64),
            strict=True,
        )
    )  # (T, B) each
    begin = np.full((1, ids.shape[1]), NOTHING)
    symbols = np.concatenate([begin, ids]).T.reshape(-1)  # (B · (T + 1),)  a row after the other
    follows = np.concatenate([np.zeros_like(begin), targets]).T.reshape(-1)
    p = ngrams.predict(symbols, follows).reshape(ids.shape[1], -1)[:, 1:].T  # (T, B)
    return [(network[counted], p[counted])]
