"""Small networks, batches and models, filled with fixed random numbers."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import reference

from charlstm.base.config import TrainingConfig
from charlstm.base.parameters import Buffers
from charlstm.base.symbols import END
from charlstm.model.counts import Counts
from charlstm.model.model import Model
from charlstm.network.config import NetworkConfig
from charlstm.network.dropout import unit_masks
from charlstm.network.network import Network
from charlstm.text.corpus import Corpus
from charlstm.text.documents import find_documents
from charlstm.text.facts import CorpusFacts
from charlstm.text.ngrams import count_ngrams, join_passages
from charlstm.text.rare_words import count_words
from charlstm.text.vocabulary import Vocabulary

KINDS = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn", "activation": "tanh"},
    "relu": {"cell": "rnn", "activation": "relu"},
}
every_kind = pytest.mark.parametrize("kind", KINDS)
one_and_two_layers = pytest.mark.parametrize("layers", [1, 2])
with_and_without_dropout = pytest.mark.parametrize("dropout", [0.0, 0.4])


def network(kind, dtype=np.float64, vocabulary=5, seed=1, **config):
    """Return a network whose weights and biases are all far from zero."""
    made = Network(NetworkConfig(**KINDS[kind], **({"hidden": 3} | config)), vocabulary, dtype)
    made.parameters.flat[:] = np.random.default_rng(seed).normal(0.0, 0.7, made.parameters.flat.size)
    return made


class Example(NamedTuple):
    """The input of a pass: characters, targets, loss mask, state, dropout masks."""

    ids: np.ndarray
    targets: np.ndarray
    loss_mask: np.ndarray
    state: np.ndarray
    masks: np.ndarray | None


def example(network, steps=4, rows=3, seed=2):
    """Return random characters, a loss mask that is partly zero, and a state that is not zero."""
    rng = np.random.default_rng(seed)
    ids, targets = rng.integers(network.vocabulary_size, size=(2, steps, rows))
    loss_mask = rng.uniform(0.2, 1.5, (steps, rows)) * (rng.random((steps, rows)) < 0.7)
    dtype = network.parameters.flat.dtype
    state = rng.normal(0.0, 0.8, network.zero_state(rows).shape).astype(dtype)
    return Example(ids, targets, loss_mask.astype(dtype), state, unit_masks(network.config, dtype, rows, seed, 0))


def gradient(network, of, buffers=None, tar=0.0):
    """Return loss, new state and gradient of an example; the gradient overwrites other numbers."""
    result = network.parameters.like()
    result.flat.fill(7.0)
    buffers = buffers or Buffers(network.parameters.flat.dtype)
    loss, state = network.loss_and_gradient(*of, buffers, result, tar)
    return loss, state, result.flat


def by_reference(kind, network, ids, state=None, masks=None):
    """Return what the plain equations compute from the same weights and characters."""
    weights = {name: block.tolist() for name, block in network.parameters.items()}
    state = network.zero_state(np.shape(ids)[1]) if state is None else state
    return reference.read(
        kind, weights, np.asarray(ids).tolist(), state.tolist(), None if masks is None else masks.tolist()
    )


def model(network, characters, lines=False):
    """Return a model with this network, as if it had been trained; with lines, the end symbol for the newline."""
    known = characters.replace("\n", END) if lines else characters
    training = TrainingConfig(steps=0, documents="line" if lines else "")
    return Model(network, Vocabulary.of(np.array([*map(ord, known)])), training, CorpusFacts((), 0, 0, ""))


def with_counts(model, text, order=3, weight=0.25):
    """Return a model with counts of a text, in which its end symbol, if it has one, stands after each document."""
    vocabulary, S = model.vocabulary, len(model.vocabulary) + len(model.labels)
    ids = vocabulary.encode(model.opening + text)
    spans = [(0, len(ids))]
    if model.documents:
        spans = [(start - 1, stop + 1) for start, stop in find_documents(ids, vocabulary.end).tolist()]
    passages = join_passages(ids, spans, model.opening_ids(len(spans)) if model.documents else None)
    ngrams = count_ngrams(passages, order, len(vocabulary), S)
    return replace(model, counts=Counts(ngrams, count_words(passages, vocabulary, S), weight))


def corpus_of(ids, last_file=0):
    """Return a corpus of documents, which 0 separates; every other id is a character of its own."""
    vocabulary = Vocabulary.of(np.array([ord(END), *range(ord("0"), ord("0") + int(max(ids)))]))
    return Corpus(ids, vocabulary, CorpusFacts((), len(ids), 0, ""), (), np.array([1, *[last_file] * (last_file > 0)]))


LABELS = (("gloomy", 1), ("merry", 6), ("wild", 3))


def labelled_model(kind="lstm", dtype=np.float64):
    """Return a model of documents with three labels, as if it had been trained."""
    vocabulary = Vocabulary.of(np.array([*map(ord, f"{END}\nabc")]))
    it = Network(NetworkConfig(kind, hidden=4, labels=len(LABELS)), len(vocabulary))
    it = it.with_weights(np.random.default_rng(3).normal(0.0, 0.7, it.parameters.flat.size).astype(dtype))
    training = TrainingConfig(steps=0, documents="blank-line", label="file")
    return Model(it, vocabulary, training, CorpusFacts((), 0, 0, "", LABELS))
