"""Score a given continuation of a text, and write the most probable one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array
from charlstm.model.model import Reader
from charlstm.network.loss import log_softmax


class ContinuationScores(NamedTuple):
    """How well B continuations are predicted.

    Attributes
    ----------
    log_probability : (B,) float64 array
        log p(continuation | text before it), in nats.
    rank : (B,) int64 array
        Rank of the least probable character among all that could stand in its place. 1 is the most probable. Of equal
        characters the one with the smaller id ranks first, as in `numpy.argmax`.
    """

    log_probability: Array
    rank: Array


def score_continuations(reader: Reader, continuations: Sequence[Array]) -> ContinuationScores:
    """Score one continuation in each row of a reader.

    The score of a row does not depend on the other rows. The reader moves on: it has then read every continuation,
    padded to the longest, except the last character.

    Parameters
    ----------
    reader
        B texts that have been read.
    continuations : B (T,) arrays of ids
        What follows each text, one character or more.
    """
    rows, longest = np.arange(len(continuations)), max(map(len, continuations))
    ids = np.stack([np.resize(ids, longest) for ids in continuations], axis=1)  # (T, B)
    inside = np.arange(longest)[:, None] < np.array([len(ids) for ids in continuations])  # (T, B)
    log_probability, rank = np.zeros(len(rows)), np.ones(len(rows), np.int64)
    for t in range(longest):
        if t:
            reader.read(ids[None, t - 1])
        logits, own = reader.logits, reader.logits[rows, ids[t], None]  # (B, V), (B, 1)
        ahead = (logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < ids[t, :, None]))  # (B, V)
        rank = np.maximum(rank, np.where(inside[t], ahead.sum(axis=1) + 1, 1))
        log_p = log_softmax(logits.astype(np.float64))[rows, ids[t]]  # (B,)
        log_probability += np.where(inside[t], log_p, 0.0)
    return ContinuationScores(log_probability, rank)


def write_greedily(reader: Reader) -> Iterator[Array]:
    """Yield the most probable next character of each row, (B,) ids, and then read it, without end."""
    while True:
        ids = reader.logits.argmax(axis=1)  # (B,)
        yield ids
        reader.read(ids[None])


def copy_reader(reader: Reader) -> Reader:
    """Return a reader whose rows stand where those of another stand."""
    other = Reader(reader.model, len(reader.logits))
    other.state, other.logits = reader.state.copy(), reader.logits
    return other
