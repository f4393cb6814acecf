"""The view of labels: which label a text probably has, after each character, and which words tell.

By Bayes' theorem, the probability of label l after the characters x_1 … x_n of a document is

    p(l | x_1 … x_n) ∝ p(l) · Π p(x_i | x_1 … x_{i−1}, l)

where p(l) is the share of the label in the corpus, and the other factors are the predictions of the model when it reads
the document with that label. Every document starts again from p(l).
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from charlstm.base.errors import ConfigError
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.inspection.view import Column, Kind, Strip, Table, View
from charlstm.model.model import Model, Reader
from charlstm.network.loss import NATS_PER_BIT, log_softmax

ROWS = 64  # labels read at once
MAX_NUMBERS = 100_000_000  # 800 MB of float64
SHOWN_LABELS, SHOWN_WORDS, HEAD = 8, 20, 400
LEAST_CHANGE = 0.01  # bits


def view_labels(model: Model, text: str) -> View:
    """Return the probability of each label after each character of a text, and the words that changed it most.

    Parameters
    ----------
    model
        A model whose documents have labels.
    text
        N characters, one or more.

    Raises
    ------
    ConfigError
        If the model has no labels, or the text is too long for its number of labels.
    """
    if not model.labels:
        raise ConfigError("the model's documents have no labels; the view labels needs a model trained with labels")
    if len(text) * len(model.labels) > MAX_NUMBERS:
        raise ConfigError(
            f"{len(text):,} characters with {len(model.labels):,} labels are too many for the view labels; give a text"
            f" of at most {MAX_NUMBERS // len(model.labels):,} characters"
        )
    log_p = measure_labels(model, text)  # (N, K)
    prior = measure_prior(model)  # (K,)
    ends = [n + 1 for n, character in enumerate(text) if character == END]
    bounds = [*dict.fromkeys([0, *ends, len(text)])]
    last = log_p[[stop - 1 for stop in bounds[1:]]]  # (D, K)
    order = np.argsort(-np.exp(last).sum(axis=0), kind="stable")[:SHOWN_LABELS]  # (≤ 8,)
    found = last.argmax(axis=1)  # (D,)
    lengths = [stop - start for start, stop in pairwise(bounds)]
    summary = Table(
        (
            Column("document", list(range(1, len(lengths) + 1)), Kind.WHOLE),
            Column("characters", lengths, Kind.WHOLE),
            Column("label", [model.labels[k] for k in found], Kind.TEXT),
            Column("probability", np.exp(last.max(axis=1)), Kind.PERCENT),
        )
    )
    strip = Strip(text, tuple(Column(model.labels[k], np.exp(log_p[:, k]), Kind.SHARE) for k in order), head=HEAD)
    return View(
        {
            "labels": summary,
            "probability of each label after each character": strip,
            "words that tell most": _build_word_table(model, text, log_p, prior, bounds, found),
        },
        (
            "The probabilities follow from the predictions of the model for each label, and from the shares of the"
            " labels in the corpus.",
        ),
    )


def measure_prior(model: Model) -> Array:
    """Return the log of the share of each label in the corpus, in nats: (K,)."""
    counts = np.array([count for _, count in model.facts.labels], np.float64)  # (K,)
    return np.asarray(np.log(counts / counts.sum()))


def measure_labels(model: Model, text: str) -> Array:
    """Return the log-probability of each label after each character of a text, in nats: (N, K)."""
    ids = np.concatenate([model.vocabulary.encode(END), model.vocabulary.encode(text)])  # (N + 1,)
    labels = len(model.vocabulary) + np.arange(len(model.labels))  # (K,)
    likelihood = np.empty((len(ids) - 1, len(labels)))  # (N, K)  log p(x_i | x_1 … x_{i−1}, l)
    for first in range(0, len(labels), ROWS):
        openings = labels[first : first + ROWS]  # (B,)
        place = 0
        for done in Reader(model, len(openings), openings).passes(np.repeat(ids[:-1, None], len(openings), axis=1)):
            stop = place + len(done.logits)
            predicted = log_softmax(done.logits)[np.arange(stop - place), :, ids[place + 1 : stop + 1]]  # (T, B)
            likelihood[place:stop, first : first + ROWS] = predicted
            place = stop
    prior = measure_prior(model)  # (K,)
    total = np.cumsum(likelihood, axis=0)  # (N, K)
    ends = np.flatnonzero(ids[1:-1] == model.vocabulary.end)  # (E,)  where documents end within the text
    before = np.concatenate([np.zeros((1, len(labels))), total[ends]])  # (E + 1, K)
    total -= before[np.searchsorted(ends, np.arange(len(total)))]
    return np.asarray(log_softmax(total + prior))


def _build_word_table(model: Model, text: str, log_p: Array, prior: Array, bounds: list[int], found: Array) -> Table:
    """Return the words that changed the log-probability of their document's label most, in bits."""
    rows: list[tuple[float, int, int, str]] = []  # change, document, position, word
    for number, (start, stop) in enumerate(pairwise(bounds)):
        label = found[number]
        course = np.concatenate([[prior[label]], log_p[start:stop, label]]) / NATS_PER_BIT  # (n + 1,)
        for match in re.finditer(r"\w+", text[start:stop]):
            change = float(course[match.end()] - course[match.start()])
            rows.append((change, number + 1, start + match.start(), match[0]))
    rows = sorted((row for row in rows if abs(row[0]) >= LEAST_CHANGE), key=lambda row: -abs(row[0]))[:SHOWN_WORDS]
    return Table(
        (
            Column("document", [row[1] for row in rows], Kind.WHOLE),
            Column("from", [row[2] + 1 for row in rows], Kind.WHOLE),
            Column("word", [row[3] for row in rows], Kind.TEXT),
            Column("label", [model.labels[found[row[1] - 1]] for row in rows], Kind.TEXT),
            Column("change in bits", [row[0] for row in rows], Kind.BITS),
        )
    )
