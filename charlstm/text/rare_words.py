"""Words of a text, and how often each word occurs in a corpus: its hash, with a count of at most six.

A word is a run of letters and digits. Its hash is Σ p_i · P^i modulo 2⁶⁴, over the code points p_i of its first 64
characters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array
from charlstm.text.ngrams import BLOCK, Passages, merge_counts
from charlstm.text.vocabulary import Vocabulary

MOST_COUNTED = 6
MOST_WORDS = 1 << 22  # distinct ones; beyond it, those that occur once are dropped
LONGEST = 64  # characters of a word that its hash reads
POWERS = np.append(np.cumprod(np.full(LONGEST, 0x9E3779B97F4A7C15, np.uint64)), np.uint64(0))


class Words(NamedTuple):
    """The W words of a text.

    Attributes
    ----------
    starts, stops : (W,) arrays
        Position of the first character of each word, and one past its last.
    hashes : (W,) uint64 array
        Equal for equal words.
    """

    starts: Array
    stops: Array
    hashes: Array


def find_words(code_points: Array, is_letter: Array) -> Words:
    """Return the words of a text: (N,) code points, and whether each is a letter or a digit, (N,) bool.

    Examples
    --------
    >>> points = np.array([*map(ord, "to be, to")])
    >>> words = find_words(points, np.array([*map(str.isalnum, "to be, to")]))
    >>> words.starts.tolist(), words.stops.tolist(), bool(words.hashes[0] == words.hashes[2])
    ([0, 3, 7], [2, 5, 9], True)
    """
    edges = np.diff(np.concatenate([[False], is_letter, [False]]).astype(np.int8))  # (N + 1,)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)  # (W,) each
    if not len(starts):
        return Words(starts, stops, np.zeros(0, np.uint64))
    where = np.flatnonzero(is_letter)  # (L,)
    begins = np.cumsum(stops - starts) - (stops - starts)  # (W,)
    offsets = np.arange(len(where)) - np.repeat(begins, stops - starts)  # (L,)
    terms = code_points[where].astype(np.uint64) * POWERS[np.minimum(offsets, LONGEST)]  # (L,)
    return Words(starts, stops, np.add.reduceat(terms, begins))


class WordCounts(NamedTuple):
    """How often each word of a corpus occurs in it.

    Attributes
    ----------
    hashes : (K,) uint64 array
        Hashes of the distinct words, ascending.
    counts : (K,) uint8 array
        How often each occurs, 1 to 6; 6 stands for more as well.
    """

    hashes: Array
    counts: Array

    def look_up(self, hashes: Array) -> Array:
        """Return how often words occur, at most 6: (W,) hashes → (W,)."""
        if not len(self.hashes):
            return np.zeros(len(hashes), np.uint8)
        place = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.where(self.hashes[place] == hashes, self.counts[place], 0)

    def find_fault(self) -> str:
        """Return what is wrong with counts from a file; empty if nothing is."""
        if (self.hashes[1:] <= self.hashes[:-1]).any() or not np.isin(self.counts, range(1, MOST_COUNTED + 1)).all():
            return "words that are not in order, or with other counts than 1 to 6"
        return ""


def count_words(passages: Passages, vocabulary: Vocabulary, symbols: int) -> WordCounts:
    """Count the words of a text, in blocks; `symbols` is the number of ids that it may have."""
    points = np.zeros(symbols, np.uint32)  # (S,)
    points[: len(vocabulary)] = vocabulary.code_points
    letters = np.zeros(symbols, bool)  # (S,)
    letters[: len(vocabulary)] = [character.isalnum() for character in vocabulary.characters]
    hashes, counts = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    start = 0
    while start < len(passages.symbols):
        part = passages.symbols[start : start + BLOCK]
        is_letter = letters[part]  # (n,)
        if start + BLOCK < len(passages.symbols) and not is_letter.all():
            part = part[: len(part) - int(is_letter[::-1].argmin())]  # no word is cut, unless it fills a block
        found = find_words(points[part], letters[part])
        mine, times = np.unique(found.hashes, return_counts=True)
        hashes, counts = merge_counts(hashes, counts, mine, times) if len(hashes) else (mine, times)
        if len(hashes) > MOST_WORDS:
            hashes, counts = hashes[counts > 1][:MOST_WORDS], counts[counts > 1][:MOST_WORDS]
        start += len(part)
    return WordCounts(hashes, np.minimum(counts, MOST_COUNTED).astype(np.uint8))
