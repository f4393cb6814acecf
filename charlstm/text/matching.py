"""Which parts of texts stand in a corpus, word for word: the texts are indexed, and the corpus streams past them.

The texts are small and the corpus is large, so all that is kept is made of the texts. At level j every substring of 2^j
characters has a name, its rank among them, from 1: two names of level j side by side make one of level j + 1. The
corpus is given the same names block by block, 0 where the texts have no such substring. Names are equal only where the
characters are, so no hash has to be verified. From every place of the corpus where a long enough name begins, the
longest match follows by adding names of ever lower levels, and each addition halves its way through the suffix array.

Sources: Karp, Miller & Rosenberg 1972, "Rapid identification of repeated patterns in strings, trees and arrays";
Manber & Myers 1993, "Suffix arrays: a new method for on-line string searches".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.parameters import Array
from charlstm.text.vocabulary import CODE_POINTS, code_points_of

BETWEEN_TEXTS = CODE_POINTS
LARGEST_TABLE = 1 << 22
FILTER_BITS = 22
SPREAD = np.uint64(0x9E3779B97F4A7C15)
NEWLINE = ord("\n")


class Copied(NamedTuple):
    """What of a text of N characters stands in a corpus.

    Attributes
    ----------
    text
        The text.
    stands : dict
        Length, a power of two → (N − length + 1,) array of bool: whether so many characters from here on do.
    longest : (N,) int64 array
        How many characters from here on stand there; 0 where it is less than was looked for.
    line, column : (N,) int64 arrays
        Where they do, counted from 0; one place of those that there may be.
    """

    text: str
    stands: dict[int, Array]
    longest: Array
    line: Array
    column: Array


def copied(texts: Sequence[str], corpus: Iterable[str], least: int) -> list[Copied]:
    """Find what of texts stands in a corpus.

    Parameters
    ----------
    texts
        One or more.
    corpus
        Its text in pieces, read once.
    least
        The shortest runs whose whole length is wanted: a power of two.

    Returns
    -------
    list of Copied
        One a text.
    """
    joined = [np.append(code_points_of(text), np.uint32(BETWEEN_TEXTS)) for text in texts]  # (N + 1,) each
    index = Index(np.concatenate(joined))
    search = Search(index, least)
    window = np.zeros(0, np.uint32)
    for piece in corpus:
        window = np.concatenate([window, code_points_of(piece)])  # (W,)
        window = window[search.look(window) :]
    search.look(window, last=True)
    longest, line, column = search.found()
    first = np.cumsum([0, *map(len, joined)])
    return [
        Copied(
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
    """The names of all substrings of N characters, and the order of its suffixes.

    Parameters
    ----------
    points : (N,) array of uint32
        Code points, 1 or more, the last of which is in no corpus.

    Attributes
    ----------
    ranks : list of (N + 1,) int32 arrays
        At level j the name of the 2^j characters from each place on; what reaches over the end has a name of its own,
        and the end itself is 0.
    suffixes : (N,) array
        Where the suffixes begin, in their order.
    before : list of int32 arrays
        At every level, by name: how many suffixes come before those that begin with it.
    """

    def __init__(self, points: Array) -> None:
        alphabet, names = np.unique(points, return_inverse=True)
        self._first = np.zeros(CODE_POINTS + 1, np.int32)  # (code points,)
        self._first[alphabet] = np.arange(1, len(alphabet) + 1)
        self.ranks = [np.append(names + 1, 0).astype(np.int32)]
        self._pairs: list[Pairs] = []
        while 1 << len(self._pairs) < len(points):
            pairs, names = Pairs.of(self.ranks[-1], 1 << len(self._pairs))
            self._pairs.append(pairs)
            self.ranks.append(np.append(names + 1, 0).astype(np.int32))
        self.suffixes = np.argsort(self.ranks[-1][:-1])  # (N,)
        self.before = [np.append(0, np.cumsum(np.bincount(ranks[:-1]))).astype(np.int32) for ranks in self.ranks]

    def names(self, points: Array) -> list[Array]:
        """Return at every level that occurs the names of other code points, (W,) → (W + 1,) int32 each, 0 for none."""
        found = [np.append(self._first[points], np.int32(0))]
        for j, pairs in enumerate(self._pairs):
            names = pairs.names(found[-1], 1 << j)
            if not names.any():
                break
            found.append(names)
        return found

    def at_least(self, level: int, low: Array, high: Array, offset: Array, name: Array) -> Array:
        """Return the first suffix of each range whose name at an offset is not below a name, or the range's end."""
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) // 2
            place = np.minimum(self.suffixes.take(middle, mode="clip") + offset, len(self.suffixes))
            below = (self.ranks[level][place] < name) & (low < high)
            low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
        return low

    def common(self) -> Array:
        """Return how many characters each suffix shares with the one before it in their order: (N,), the first 0."""
        one, other = self.suffixes[:-1], self.suffixes[1:]
        shared = np.zeros(len(other), np.int64)  # (N − 1,)
        for level in reversed(range(len(self.ranks))):
            ranks, end = self.ranks[level], len(self.suffixes)
            same = ranks[np.minimum(one + shared, end)] == ranks[np.minimum(other + shared, end)]
            shared += same.astype(np.int64) << level
        return np.append(0, shared)


class Pairs(NamedTuple):
    """The names of level j + 1 by the two of level j that make them.

    Attributes
    ----------
    base
        One more than the highest name of level j: the pair (a, b) has the key a·base + b.
    keys : (K,) int64 array
        The keys of the names 1 … K.
    table : (base², ) int32 array or None
        Name of every key, 0 for none, where that is not too large.
    likely : (2^22,) array of bool
        Where there is no table: False at the places of keys that there are not.
    """

    base: int
    keys: Array
    table: Array | None
    likely: Array

    @classmethod
    def of(cls, ranks: Array, reach: int) -> tuple[Pairs, Array]:
        """Return the pairs of an index's ranks, `reach` apart, and which of them begins at each place, (N,)."""
        base, size = int(ranks.max()) + 1, len(ranks) - 1
        second = ranks[np.minimum(np.arange(size) + reach, size)]  # (N,)
        keys, places = np.unique(ranks[:-1].astype(np.int64) * base + second, return_inverse=True)
        table, likely = None, np.zeros(0, bool)
        if base * base <= LARGEST_TABLE:
            table = np.zeros(base * base, np.int32)
            table[keys] = np.arange(1, len(keys) + 1)
        else:
            likely = np.zeros(1 << FILTER_BITS, bool)
            likely[_spread(keys)] = True
        return cls(base, keys, table, likely), places

    def names(self, names: Array, reach: int) -> Array:
        """Return the names one level up: (W + 1,) int32 array → another."""
        first, second = names[:-reach], names[reach:]
        result = np.zeros_like(names)
        if self.table is not None:
            result[: len(first)] = self.table.take(first * np.int32(self.base) + second)
            return result
        there = np.flatnonzero((first > 0) & (second > 0))
        keys = first[there].astype(np.int64) * self.base + second[there]
        likely = self.likely[_spread(keys)]
        there, keys = there[likely], keys[likely]
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        same = self.keys[places] == keys
        result[there[same]] = places[same] + 1
        return result


def _spread(keys: Array) -> Array:
    return np.asarray(keys.astype(np.uint64) * SPREAD >> np.uint64(64 - FILTER_BITS))


class Search:
    """What of an index was seen in a corpus.

    Parameters
    ----------
    index
        Of N characters.
    least
        The shortest runs whose whole length is wanted, a power of two.

    Attributes
    ----------
    seen : list of arrays of bool
        At every level, by name.
    """

    def __init__(self, index: Index, least: int) -> None:
        self.seen = [np.zeros(int(ranks.max()) + 1, bool) for ranks in index.ranks]
        self._index = index
        self._level = least.bit_length() - 1
        self._longest, self._line, self._column = np.zeros((3, len(index.suffixes)), np.int64)  # (N,) each
        self._lines = self._columns = 0

    def look(self, window: Array, last: bool = False) -> int:
        """Look at the next code points of the corpus.

        Parameters
        ----------
        window : (W,) array of uint32
            What was left of the last window, and what follows.
        last
            True: nothing follows.

        Returns
        -------
        int
            How much of it is done with; what matches up to its end may go on, and is left.
        """
        names = self._index.names(window)
        places = np.flatnonzero(names[self._level]) if len(names) > self._level else np.zeros(0, np.intp)
        length, suffix = self._matches(names, places)
        done = len(window)
        if not last:
            open_ = places[places + length == len(window)]
            done = max(0, min([len(window) - (1 << self._level) + 1, *open_[:1]]))
        for seen, level in zip(self.seen, names, strict=False):
            seen[level[:done]] = True
            seen[0] = False
        newlines = np.flatnonzero(window[:done] == NEWLINE)
        own = places < done
        self._note(places[own], length[own], suffix[own], newlines)
        self._lines += len(newlines)
        self._columns = done - 1 - int(newlines[-1]) if newlines.size else self._columns + done
        return done

    def _matches(self, names: list[Array], places: Array) -> tuple[Array, Array]:
        """Return how long the matches from places on are, and the first suffix that begins with each."""
        low, high, length = np.zeros((3, len(places)), np.int64)
        for level in reversed(range(len(names))):
            name = names[level][places + length]
            begun, begins = (length > 0) & (name > 0), (length == 0) & (name > 0)
            before = self._index.before[level]
            low[begins], high[begins] = before[name[begins]], before[name[begins] + 1]
            length[begins] = 1 << level
            on = np.flatnonzero(begun)
            first = self._index.at_least(level, low[on], high[on], length[on], name[on])
            last = self._index.at_least(level, first, high[on], length[on], name[on] + 1)
            goes = first < last
            low[on[goes]], high[on[goes]] = first[goes], last[goes]
            length[on[goes]] += 1 << level
        return length, low

    def _note(self, places: Array, length: Array, suffix: Array, newlines: Array) -> None:
        """Keep the longest match of every suffix, of equal ones the first."""
        more = length > self._longest[suffix]
        places, length, suffix = places[more], length[more], suffix[more]
        order = np.lexsort((-places, length))
        places, length, suffix = places[order], length[order], suffix[order]
        before = np.searchsorted(newlines, places)  # newlines of the window that stand before
        starts = np.append(-1 - self._columns, newlines)[before]
        self._longest[suffix], self._line[suffix] = length, self._lines + before
        self._column[suffix] = places - 1 - starts

    def found(self) -> tuple[Array, Array, Array]:
        """Return the longest match from every place of the texts on, and its line and column: (N,) each.

        A suffix has what its neighbours in order have, as far as it shares their characters.
        """
        common = self._index.common().tolist()
        longest, source = self._longest.tolist(), list(range(len(common)))
        ways = (range(1, len(common)), -1, 0), (range(len(common) - 2, -1, -1), 1, 1)
        for ways_on, beside, shared in ways:
            for k in ways_on:
                offered = min(longest[k + beside], common[k + shared])
                if offered > longest[k]:
                    longest[k], source[k] = offered, source[k + beside]
        result = np.zeros((3, len(common)), np.int64)  # (3, N)
        result[:, self._index.suffixes] = longest, self._line[source], self._column[source]
        return result[0], result[1], result[2]
