"""Exact substring matches between texts and a corpus.

The texts are small and the corpus is large, so the index is built from the texts, and the corpus is read once in
blocks. At level j every substring of 2^j characters has a number: the place, from 1, of the first suffix of the texts
that begins with it, in lexicographic order. A pair of adjacent numbers of level j gives a number of level j + 1. The
corpus gets the same numbers, 0 where the texts do not have the substring. Numbers are equal only if the characters are,
so a match needs no verification. From every position of the corpus at which a substring of the least length begins, the
longest match is found by adding numbers of ever lower levels.

A substring that occurs once in the texts keeps its number at all higher levels, since the same suffix begins with it.
So only pairs whose first number occurs several times are sorted and stored, and a level without any needs no memory.

Sources: Karp, Miller & Rosenberg 1972, "Rapid identification of repeated patterns in strings, trees and arrays";
Manber & Myers 1993, "Suffix arrays: a new method for on-line string searches"; Larsson & Sadakane 2007, "Faster suffix
sorting" (the numbers).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array
from charlstm.text.vocabulary import CODE_POINTS, code_points_of

BETWEEN_TEXTS = CODE_POINTS
SEARCHED_AT_ONCE = 1 << 18  # characters of the corpus
FEWEST_FILTER_BITS, FILTER_BITS_OF_A_KEY = 16, 2
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
    longest : (N,) int32 array
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
        points = code_points_of(block)
        for start in range(0, len(points), SEARCHED_AT_ONCE):
            window = np.concatenate([window, points[start : start + SEARCHED_AT_ONCE]])  # (W,)
            window = window[search.scan(window) :]
    search.scan(window, last=True)
    longest, line, column = search.longest_matches()
    first = np.cumsum([0, *map(len, joined)])
    return [
        Matches(
            text,
            {
                1 << j: search.occurs(j, start, len(text) - (1 << j) + 1)
                for j in range(len(index.levels))
                if 1 << j <= len(text)
            },
            *(values[start : start + len(text)] for values in (longest, line, column)),
        )
        for text, start in zip(texts, first, strict=False)
    ]


class Level(NamedTuple):
    """The numbers of all substrings of 2^j characters of the texts.

    Attributes
    ----------
    ranks : (N + 1,) int32 array
        The number of the 2^j characters that begin at each position; a substring that extends beyond the end has a
        number too, and the end itself is 0.
    is_repeated : (N + 1,) array of bool
        By number: whether the substring occurs several times.
    repeated, last : (R,) int32 arrays
        The numbers of these substrings, ascending, and the place of the last suffix that begins with each.
    """

    ranks: Array
    is_repeated: Array
    repeated: Array
    last: Array

    @classmethod
    def build(cls, ranks: Array, numbers: Array, counts: Array) -> Level:
        """Return the level with some numbers, ascending, and how often each occurs."""
        several = counts > 1
        repeated = numbers[several].astype(np.int32)
        is_repeated = np.zeros(len(ranks), bool)
        is_repeated[repeated] = True
        return cls(ranks, is_repeated, repeated, (repeated + counts[several] - 1).astype(np.int32))

    def last_of(self, numbers: Array) -> Array:
        """Return the place of the last suffix that begins with each of some substrings: (M,) int32 → (M,) int32."""
        result: Array = numbers.copy()
        several = np.flatnonzero(self.is_repeated[numbers])
        result[several] = self.last[np.searchsorted(self.repeated, numbers[several])]
        return result


class Index:
    """Numbers of all substrings of N characters, and the order of its suffixes.

    Parameters
    ----------
    points : (N,) array of uint32
        Code points, one or more; the last one occurs in no corpus.

    Attributes
    ----------
    levels : list of Level
        Level j has the substrings of 2^j characters. A level that equals the one before it shares its arrays.
    suffixes : (N,) int32 array
        Positions of the suffixes in lexicographic order.
    """

    def __init__(self, points: Array) -> None:
        alphabet, places, counts = np.unique(points, return_inverse=True, return_counts=True)
        starts = np.cumsum(counts) - counts + 1  # (K,)  the number of each character
        self._first = np.zeros(CODE_POINTS + 1, np.int32)  # (code points,)
        self._first[alphabet] = starts
        self.levels = [Level.build(np.append(starts[places], 0).astype(np.int32), starts, counts)]
        self._pairs: list[Pairs] = []
        repeated = np.flatnonzero(counts[places] > 1)  # positions whose substring occurs several times
        while 1 << len(self._pairs) < len(points):
            pairs, level, repeated = Pairs.build(self.levels[-1], repeated, 1 << len(self._pairs))
            self._pairs.append(pairs)
            self.levels.append(level)
        self.suffixes = np.empty(len(points), np.int32)  # (N,)
        self.suffixes[self.levels[-1].ranks[:-1] - 1] = np.arange(len(points), dtype=np.int32)

    def numbers(self, points: Array) -> list[Array]:
        """Return the numbers of other code points, (W,), at every level: (W + 1,) int32 each, 0 for none."""
        found = [np.append(self._first[points], np.int32(0))]
        for j, pairs in enumerate(self._pairs):
            numbers = self._numbers_above(found[-1], j, pairs)
            if not numbers.any():
                break
            found.append(numbers)
        return found

    def _numbers_above(self, below: Array, level: int, pairs: Pairs) -> Array:
        """Return the numbers of the level above a level: (W + 1,) int32 → (W + 1,) int32."""
        result, distance = np.zeros_like(below), 1 << level  # (W + 1,)
        first, second = below[:-distance], below[distance:]
        places = np.flatnonzero((first > 0) & (second > 0))
        first, second = first[places], second[places]
        once = ~self.levels[level].is_repeated[first]  # (M,)
        if once.any():  # the number stays if the second substring follows in the texts too
            known = first[once]
            same = self.rank_at(level, self.suffixes[known - 1], distance) == second[once]
            result[places[once][same]] = known[same]
        if not once.all():
            result[places[~once]] = pairs.find(first[~once], second[~once])
        return result

    def rank_at(self, level: int, position: Array, offset: Array | int) -> Array:
        """Return the numbers of a level at some positions of the texts plus an offset; 0 beyond the end."""
        place: Array = position + offset
        return np.asarray(self.levels[level].ranks.take(place, mode="clip"))

    def lower_bound(self, level: int, low: Array, high: Array, offset: Array, number: Array) -> Array:
        """Return the first suffix of each range whose number at an offset is at least `number`, or the range's end."""
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) // 2
            below = self.rank_at(level, self.suffixes.take(middle, mode="clip"), offset) < number
            below &= low < high
            low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
        return low

    def common_prefixes(self) -> Array:
        """Return how many characters each suffix has in common with the suffix before it: (N,) int32, first 0."""
        one, other = self.suffixes[:-1], self.suffixes[1:]
        shared = np.zeros(len(other), np.int32)  # (N − 1,)
        for level in reversed(range(len(self.levels))):
            same = self.rank_at(level, one, shared) == self.rank_at(level, other, shared)
            shared += same.astype(np.int32) << level
        return np.append(np.int32(0), shared)


class Pairs(NamedTuple):
    """Numbers of level j + 1 from pairs of numbers of level j, of which the first occurs several times in the texts.

    Attributes
    ----------
    base
        One more than the largest number: the pair (a, b) has the key a·base + b.
    keys : (K,) int64 array
        Keys of the pairs, ascending.
    values : (K,) int32 array
        Number of each pair.
    may_exist : array of bool
        A Bloom filter with one hash: False for keys that do not exist. Its length is a power of two.
    """

    base: int
    keys: Array
    values: Array
    may_exist: Array

    @classmethod
    def build(cls, below: Level, repeated: Array, distance: int) -> tuple[Pairs, Level, Array]:
        """Return the pairs, the level that they give, and the positions whose substrings are repeated at that level.

        Parameters
        ----------
        below
            Level j.
        repeated : (R,) array
            The positions whose substrings occur several times at level j.
        distance
            2^j.
        """
        base = len(below.ranks)
        if not repeated.size:
            nothing = np.zeros(0, np.int64)
            return cls(base, nothing, nothing, nothing), below, repeated
        keys = below.ranks[repeated].astype(np.int64) * base  # (R,)
        keys += below.ranks.take(repeated + distance, mode="clip")
        keys, places, counts = np.unique(keys, return_inverse=True, return_counts=True)  # (K,), (R,), (K,)
        before, group = np.cumsum(counts) - counts, keys // base  # repeated suffixes that sort before each pair
        opens = np.diff(group, prepend=0) > 0  # the first pair of each group, which keeps the number of the group
        values = (group + before - np.maximum.accumulate(np.where(opens, before, 0))).astype(np.int32)  # (K,)
        ranks = below.ranks.copy()
        ranks[repeated] = values[places]
        bits = max(FEWEST_FILTER_BITS, len(keys).bit_length() + FILTER_BITS_OF_A_KEY)
        may_exist = np.zeros(1 << bits, bool)
        may_exist[_hash(keys, bits)] = True
        level = Level.build(ranks, values, counts)
        return cls(base, keys, values, may_exist), level, repeated[counts[places] > 1]

    def find(self, first: Array, second: Array) -> Array:
        """Return the numbers of pairs, 0 for pairs that do not exist: (M,) int32 each."""
        keys = first.astype(np.int64) * self.base + second
        result = np.zeros_like(first)  # (M,)
        known = np.flatnonzero(self.may_exist[_hash(keys, len(self.may_exist).bit_length() - 1)])
        keys = keys[known]
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        same = self.keys[places] == keys
        result[known[same]] = self.values[places[same]]
        return result


def _hash(keys: Array, bits: int) -> Array:
    """Return hashes below 2^bits: (K,) int64 → (K,)."""
    return np.asarray(keys.astype(np.uint64) * HASH_FACTOR >> np.uint64(64 - bits))


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
        self.seen = [np.zeros(len(index.suffixes) + 1, bool) for _ in index.levels]
        self._index = index
        self._level = least.bit_length() - 1
        self._longest = np.zeros(len(index.suffixes), np.int32)  # (N,)
        self._line, self._column = np.zeros((2, len(index.suffixes)), np.int64)  # (N,) each
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
        length, suffix = np.zeros((2, len(places)), np.int32)
        for start in range(0, len(places), SEARCHED_AT_ONCE):
            part = slice(start, start + SEARCHED_AT_ONCE)
            length[part], suffix[part] = self._find(numbers, places[part])
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
        low, high, length = np.zeros((3, len(places)), np.int32)
        for level in reversed(range(len(numbers))):
            number = numbers[level][places + length]
            begins = np.flatnonzero((length == 0) & (number > 0))
            extends = np.flatnonzero((length > 0) & (number > 0))
            self._extend(level, low, high, length, number, extends)
            first = number[begins]
            low[begins], high[begins] = first - 1, self._index.levels[level].last_of(first)
            length[begins] = 1 << level
        return length, low

    def _extend(self, level: int, low: Array, high: Array, length: Array, number: Array, places: Array) -> None:
        """Extend the matches at some places by a number of a level, in place, where suffixes of their ranges have it.

        Parameters
        ----------
        level
            The level.
        low, high, length, number : (M,) arrays
            The range of suffixes of each match, its length, and the number that follows it.
        places : (K,) array
            Which of the matches to extend.
        """
        index = self._index
        once = high[places] == low[places] + 1
        one, several = places[once], places[~once]
        same = index.rank_at(level, index.suffixes[low[one]], length[one]) == number[one]
        length[one[same]] += 1 << level
        first = index.lower_bound(level, low[several], high[several], length[several], number[several])
        some = np.flatnonzero(first < high[several])
        follows = index.rank_at(level, index.suffixes[first[some]], length[several[some]])
        some = some[follows == number[several[some]]]
        several, first = several[some], first[some]
        high[several] = index.lower_bound(level, first, high[several], length[several], number[several] + 1)
        low[several] = first
        length[several] += 1 << level

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

    def occurs(self, level: int, start: int, count: int) -> Array:
        """Return which of the substrings of a level that begin at some positions of the texts the corpus has."""
        seen = self.seen[level]
        if not seen.any():
            return np.zeros(count, bool)  # takes no memory until somebody writes to it
        return np.asarray(seen[self._index.levels[level].ranks[start : start + count]])

    def longest_matches(self) -> tuple[Array, Array, Array]:
        """Return the longest match that begins at every position of the texts, and its line and column: (N,) each.

        A suffix also has the match of its neighbour in sorted order, up to the length of their common prefix.
        """
        common = self._index.common_prefixes()
        longest, source = _spread(self._longest, common)
        after = np.append(common[1:], np.int32(0))[::-1]
        longest, following = _spread(longest[::-1], after)
        longest, source = longest[::-1], source[::-1][following][::-1]
        suffixes = self._index.suffixes
        length, line, column = (np.empty_like(values) for values in (self._longest, self._line, self._column))
        length[suffixes] = longest
        line[suffixes] = self._line[source]
        column[suffixes] = self._column[source]
        return length, line, column


def _spread(lengths: Array, common: Array) -> tuple[Array, Array]:
    """Give each suffix the longer match of the suffix before it, up to the length of their common prefix.

    Parameters
    ----------
    lengths, common : (N,) arrays
        Length of the match of each suffix; length of the prefix that it has in common with the one before.

    Returns
    -------
    (N,) array, (N,) array
        The lengths, and the suffix whose match each has.

    Examples
    --------
    >>> [values.tolist() for values in _spread(np.array([5, 0, 1, 0]), np.array([0, 3, 2, 0]))]
    [[5, 3, 2, 0], [0, 0, 0, 3]]
    """
    result, distance = lengths.copy(), 1
    prefix = common.copy()  # in common with the suffix `distance` before
    while distance < len(result) and prefix[distance:].any():
        np.maximum(result[distance:], np.minimum(result[:-distance], prefix[distance:]), out=result[distance:])
        prefix[distance:] = np.minimum(prefix[distance:], prefix[:-distance])
        distance *= 2
    own = np.ones(len(result), bool)
    own[1:] = lengths[1:] >= np.minimum(result[:-1], common[1:])
    return result, np.maximum.accumulate(np.where(own, np.arange(len(result), dtype=np.int32), np.int32(0)))
