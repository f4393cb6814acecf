"""Exact substring matches between texts and a corpus.

The texts are small and the corpus is large, so the index is built from the texts, and the corpus is read once in
blocks. At level j every substring of 2^j characters has a number, its rank among them, from 1; a pair of adjacent
numbers of level j makes a number of level j + 1. The corpus gets the same numbers, 0 where the texts do not have the
substring. Numbers are equal only if the characters are, so a match needs no verification. From every position of the
corpus at which a substring of the least length begins, the longest match is found by adding numbers of ever lower
levels; each addition is a binary search in the suffix array.

Sources: Karp, Miller & Rosenberg 1972, "Rapid identification of repeated patterns in strings, trees and arrays";
Manber & Myers 1993, "Suffix arrays: a new method for on-line string searches".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array
from charlstm.text.vocabulary import CODE_POINTS, code_points_of

BETWEEN_TEXTS = CODE_POINTS
LARGEST_TABLE = 1 << 22
FILTER_BITS = 22
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)
NEWLINE = ord("\n")


class Matches(NamedTuple):
    """Matches of a text of N characters in a corpus.

    Attributes
    ----------
    text
        The text.
    occurs : dict
        Length, a power of two → (N − length + 1,) array of bool: whether the substring of this length that begins at
        each position occurs in the corpus.
    longest : (N,) int64 array
        Length of the longest match that begins at each position; 0 where it is shorter than the least length.
    line, column : (N,) int64 arrays
        Where that match begins in the corpus, counted from 0; one of several possible places.
    """

    text: str
    occurs: dict[int, Array]
    longest: Array
    line: Array
    column: Array


def find_matches(texts: Sequence[str], corpus: Iterable[str], least: int) -> list[Matches]:
    """Find the substrings of texts that occur in a corpus.

    Parameters
    ----------
    texts
        One text or more.
    corpus
        The corpus in blocks, which are read once.
    least
        Length of the shortest matches in `Matches.longest`: a power of two.

    Returns
    -------
    list of Matches
        One for each text.

    Examples
    --------
    >>> [found] = find_matches(["a cat sat"], ["the cat ran, ", "a cow sat"], 4)
    >>> found.longest.tolist()
    [0, 5, 4, 0, 0, 4, 0, 0, 0]
    """
    joined = [np.append(code_points_of(text), np.uint32(BETWEEN_TEXTS)) for text in texts]  # (N + 1,) each
    index = Index(np.concatenate(joined))
    search = Search(index, least)
    window = np.zeros(0, np.uint32)  # (0,)
    for block in corpus:
        window = np.concatenate([window, code_points_of(block)])  # (W,)
        window = window[search.scan(window) :]
    search.scan(window, last=True)
    longest, line, column = search.longest_matches()
    first = np.cumsum([0, *map(len, joined)])
    return [
        Matches(
            text,
            {
                1 << j: seen[ranks[start : start + len(text) - (1 << j) + 1]]
                for j, (seen, ranks) in enumerate(zip(search.seen, index.ranks, strict=True))
                if 1 << j <= len(text)
            },
            *(values[start : start + len(text)] for values in (longest, line, column)),
        )
        for text, start in zip(texts, first, strict=False)
    ]


class Index:
    """Numbers of all substrings of N characters, and the order of its suffixes.

    Parameters
    ----------
    points : (N,) array of uint32
        Code points, one or more; the last one occurs in no corpus.

    Attributes
    ----------
    ranks : list of (N + 1,) int32 arrays
        At level j the number of the 2^j characters that begin at each position; a substring that extends beyond the end
        has a number too, and the end itself is 0.
    suffixes : (N,) array
        Positions of the suffixes in lexicographic order.
    before : list of int32 arrays
        At every level, by number: how many suffixes sort before those that begin with it.
    """

    def __init__(self, points: Array) -> None:
        alphabet, numbers = np.unique(points, return_inverse=True)
        self._first = np.zeros(CODE_POINTS + 1, np.int32)  # (code points,)
        self._first[alphabet] = np.arange(1, len(alphabet) + 1)
        self.ranks = [np.append(numbers + 1, 0).astype(np.int32)]
        self._pairs: list[Pairs] = []
        while 1 << len(self._pairs) < len(points):
            pairs, numbers = Pairs.build(self.ranks[-1], 1 << len(self._pairs))
            self._pairs.append(pairs)
            self.ranks.append(np.append(numbers + 1, 0).astype(np.int32))
        self.suffixes = np.argsort(self.ranks[-1][:-1])  # (N,)
        self.before = [np.append(0, np.cumsum(np.bincount(ranks[:-1]))).astype(np.int32) for ranks in self.ranks]

    def numbers(self, points: Array) -> list[Array]:
        """Return the numbers of other code points, (W,), at every level: (W + 1,) int32 each, 0 for none."""
        found = [np.append(self._first[points], np.int32(0))]
        for j, pairs in enumerate(self._pairs):
            numbers = pairs.numbers(found[-1], 1 << j)
            if not numbers.any():
                break
            found.append(numbers)
        return found

    def lower_bound(self, level: int, low: Array, high: Array, offset: Array, number: Array) -> Array:
        """Return the first suffix of each range whose number at an offset is at least `number`, or the range's end."""
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) // 2
            place = np.minimum(self.suffixes.take(middle, mode="clip") + offset, len(self.suffixes))
            below = (self.ranks[level][place] < number) & (low < high)
            low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
        return low

    def common_prefixes(self) -> Array:
        """Return how many characters each suffix has in common with the suffix that sorts before it: (N,), first 0."""
        one, other = self.suffixes[:-1], self.suffixes[1:]
        shared = np.zeros(len(other), np.int64)  # (N − 1,)
        for level in reversed(range(len(self.ranks))):
            ranks, end = self.ranks[level], len(self.suffixes)
            same = ranks[np.minimum(one + shared, end)] == ranks[np.minimum(other + shared, end)]
            shared += same.astype(np.int64) << level
        return np.append(0, shared)


class Pairs(NamedTuple):
    """Numbers of level j + 1 from pairs of numbers of level j.

    Attributes
    ----------
    base
        One more than the largest number of level j: the pair (a, b) has the key a·base + b.
    keys : (K,) int64 array
        Keys of the numbers 1 … K.
    table : (base²,) int32 array or None
        Number of every key, 0 for none; None if that would be too large.
    may_exist : (2^22,) array of bool
        Without a table: a Bloom filter with one hash; False for keys that do not exist.
    """

    base: int
    keys: Array
    table: Array | None
    may_exist: Array

    @classmethod
    def build(cls, ranks: Array, distance: int) -> tuple[Pairs, Array]:
        """Return the pairs of ranks that are `distance` apart, and which of them begins at each position: (N,)."""
        base, size = int(ranks.max()) + 1, len(ranks) - 1
        second = ranks[np.minimum(np.arange(size) + distance, size)]  # (N,)
        keys, places = np.unique(ranks[:-1].astype(np.int64) * base + second, return_inverse=True)
        table, may_exist = None, np.zeros(0, bool)
        if base * base <= LARGEST_TABLE:
            table = np.zeros(base * base, np.int32)
            table[keys] = np.arange(1, len(keys) + 1)
        else:
            may_exist = np.zeros(1 << FILTER_BITS, bool)
            may_exist[_hash(keys)] = True
        return cls(base, keys, table, may_exist), places

    def numbers(self, below: Array, distance: int) -> Array:
        """Return the numbers of the next level from those of this level: (W + 1,) int32 → (W + 1,) int32."""
        first, second = below[:-distance], below[distance:]
        result = np.zeros_like(below)  # (W + 1,)
        if self.table is not None:
            result[: len(first)] = self.table.take(first * np.int32(self.base) + second)
            return result
        pairs = np.flatnonzero((first > 0) & (second > 0))
        keys = first[pairs].astype(np.int64) * self.base + second[pairs]
        known = self.may_exist[_hash(keys)]
        pairs, keys = pairs[known], keys[known]
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        same = self.keys[places] == keys
        result[pairs[same]] = places[same] + 1
        return result


def _hash(keys: Array) -> Array:
    return np.asarray(keys.astype(np.uint64) * HASH_FACTOR >> np.uint64(64 - FILTER_BITS))


class Search:
    """Matches of an index in a corpus that is read block by block.

    Parameters
    ----------
    index
        Of N characters.
    least
        Length of the shortest matches to find, a power of two.

    Attributes
    ----------
    seen : list of arrays of bool
        At every level, by number: whether the corpus has the substring.
    """

    def __init__(self, index: Index, least: int) -> None:
        self.seen = [np.zeros(int(ranks.max()) + 1, bool) for ranks in index.ranks]
        self._index = index
        self._level = least.bit_length() - 1
        self._longest, self._line, self._column = np.zeros((3, len(index.suffixes)), np.int64)  # (N,) each
        self._lines = self._columns = 0

    def scan(self, window: Array, last: bool = False) -> int:
        """Search the next code points of the corpus.

        Parameters
        ----------
        window : (W,) array of uint32
            The rest of the previous window, and the next block.
        last
            True: this is the end of the corpus.

        Returns
        -------
        int
            How many code points are done; a match that extends to the end of the window may continue, so the rest
            belongs to the next window.
        """
        numbers = self._index.numbers(window)
        places = np.flatnonzero(numbers[self._level]) if len(numbers) > self._level else np.zeros(0, np.intp)
        length, suffix = self._find(numbers, places)
        done = len(window)
        if not last:
            open_ = places[places + length == len(window)]
            done = max(0, min([len(window) - (1 << self._level) + 1, *open_[:1]]))
        for seen, level in zip(self.seen, numbers, strict=False):
            seen[level[:done]] = True
            seen[0] = False
        newlines = np.flatnonzero(window[:done] == NEWLINE)
        own = places < done
        self._keep_longest(places[own], length[own], suffix[own], newlines)
        self._lines += len(newlines)
        self._columns = done - 1 - int(newlines[-1]) if newlines.size else self._columns + done
        return done

    def _find(self, numbers: list[Array], places: Array) -> tuple[Array, Array]:
        """Return the lengths of the matches that begin at some places, and the first suffix that begins with each."""
        low, high, length = np.zeros((3, len(places)), np.int64)
        for level in reversed(range(len(numbers))):
            number = numbers[level][places + length]
            extends, begins = (length > 0) & (number > 0), (length == 0) & (number > 0)
            before = self._index.before[level]
            low[begins], high[begins] = before[number[begins]], before[number[begins] + 1]
            length[begins] = 1 << level
            on = np.flatnonzero(extends)
            first = self._index.lower_bound(level, low[on], high[on], length[on], number[on])
            last = self._index.lower_bound(level, first, high[on], length[on], number[on] + 1)
            found = first < last
            low[on[found]], high[on[found]] = first[found], last[found]
            length[on[found]] += 1 << level
        return length, low

    def _keep_longest(self, places: Array, length: Array, suffix: Array, newlines: Array) -> None:
        """Keep the longest match of every suffix, and of equally long ones the first."""
        more = length > self._longest[suffix]
        places, length, suffix = places[more], length[more], suffix[more]
        order = np.lexsort((-places, length))
        places, length, suffix = places[order], length[order], suffix[order]
        before = np.searchsorted(newlines, places)  # newlines of the window before each place
        starts = np.append(-1 - self._columns, newlines)[before]
        self._longest[suffix], self._line[suffix] = length, self._lines + before
        self._column[suffix] = places - 1 - starts

    def longest_matches(self) -> tuple[Array, Array, Array]:
        """Return the longest match that begins at every position of the texts, and its line and column: (N,) each.

        A suffix also has the match of its neighbour in sorted order, up to the length of their common prefix.
        """
        common = self._index.common_prefixes().tolist()
        longest, source = self._longest.tolist(), list(range(len(common)))
        upwards, downwards = (range(1, len(common)), -1, 0), (range(len(common) - 2, -1, -1), 1, 1)
        for suffixes, neighbour, shared in (upwards, downwards):
            for k in suffixes:
                length = min(longest[k + neighbour], common[k + shared])
                if length > longest[k]:
                    longest[k], source[k] = length, source[k + neighbour]
        result = np.zeros((3, len(common)), np.int64)  # (3, N)
        result[:, self._index.suffixes] = longest, self._line[source], self._column[source]
        return result[0], result[1], result[2]
