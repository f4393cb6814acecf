"""Sort the characters of a text into kinds, by what would help a model that predicts them wrongly.

A character belongs to the first kind that fits, in the order of `KINDS`:

    predicted by an n-gram      an n-gram model of any order up to the highest gives it a probability of at least 1/2
    said in the last …          it is in a word, not its first character, which stands in the last 100, 1,000 or 5,000
                                characters of the document
    word not in the training set, word up to 5 times in it
    after a space, newline or quote
    closing quote or bracket    what it closes opened up to 20 or up to 100 characters before, or still earlier
    punctuation and white space
    rest

Source: Karpathy, Johnson & Fei-Fei 2015, "Visualizing and understanding recurrent networks", section 4, which removes
errors with one oracle after another. Here a word that was said before is the same whole word, not a part of another
word, and closing quotes and brackets are a kind of their own.
"""

from __future__ import annotations

import numpy as np

from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.text.rare_words import MOST_COUNTED, WordCounts, find_words
from charlstm.text.vocabulary import code_points_of

SAID_WITHIN = (100, 1000, 5000)  # characters
CLOSED_WITHIN = (20, 100)  # characters
CLOSES = {")": "(", "]": "[", "}": "{", "”": "“", "»": "«"}
STRAIGHT_QUOTE = '"'
QUOTES = "\"'“”‘’«»"
KINDS = (
    "predicted by an n-gram",
    *(f"said in the last {count:,} characters" for count in SAID_WITHIN),
    "word not in the training set",
    f"word up to {MOST_COUNTED - 1} times in it",
    "after a space, newline or quote",
    *(f"closing quote or bracket, to {count}" for count in CLOSED_WITHIN),
    f"closing quote or bracket, beyond {CLOSED_WITHIN[-1]}",
    "punctuation and white space",
    "rest",
)
PLACES = ("first of a word", "second or third", "later in a word", "white space", "punctuation", "end of a document")


class Sorter:
    """Sorts the characters of a text that is read in pieces, none of which ends within a word.

    Parameters
    ----------
    words
        How often words occur in the training set.
    """

    def __init__(self, words: WordCounts) -> None:
        self._words = words
        self._before = ""  # the last characters that a later word may repeat
        self._read = 0
        self._open: dict[str, list[int]] = {}  # what is open, with where it opened

    def add(self, piece: str, by_ngram: Array) -> tuple[Array, Array]:
        """Read the next characters.

        Parameters
        ----------
        piece
            N characters.
        by_ngram : (N,) bool array
            Whether an n-gram of any order gives each of them a probability of at least one half.

        Returns
        -------
        (N,) array, (N,) array
            Index in `KINDS` and in `PLACES` of each character.
        """
        text, first = self._before + piece, len(self._before)
        points = code_points_of(text)  # (M,)
        letters = np.fromiter(map(str.isalnum, text), bool, len(text))  # (M,)
        spaces = np.fromiter(map(str.isspace, text), bool, len(text))
        ends = points == ord(END)
        found = find_words(points, letters)
        lengths = found.stops - found.starts  # (W,)
        since = _find_repetition(found.starts, found.hashes, np.cumsum(ends))  # (W,)
        times = self._words.look_up(found.hashes)  # (W,)
        offset = np.where(letters, np.arange(len(text)) - _spread(found.starts, lengths, letters), 0)
        said, known = _spread(since, lengths, letters), _spread(times, lengths, letters)
        before = np.concatenate([[ord(END)], points[:-1]])
        starts = np.isin(before, [ord(END), *map(ord, QUOTES)]) | np.concatenate([[True], spaces[:-1]])
        closed = np.full(len(text), -1)  # (M,)
        closed[first:] = self._measure_closings(piece)
        is_rest = letters & (offset > 0)
        n_gram = np.concatenate([np.zeros(first, bool), by_ngram])
        conditions = [
            n_gram,
            *(is_rest & (said <= count) for count in SAID_WITHIN),
            letters & (known == 0),
            letters & (known < MOST_COUNTED),
            starts,
            *((closed >= 0) & (closed <= count) for count in CLOSED_WITHIN),
            closed >= 0,
            ~letters,
        ]
        kinds = np.select(conditions, range(len(conditions)), len(conditions))  # (M,)
        places = np.select([letters & (offset == 0), letters & (offset < 3), letters, spaces, ~ends], range(5), 5)
        self._before = text[-SAID_WITHIN[-1] :]
        self._read += len(piece)
        return kinds[first:], places[first:]

    def _measure_closings(self, piece: str) -> Array:
        """Return how far before each closing quote or bracket its opening is: (N,), −1 elsewhere.

        A straight quote closes if one is open. An empty line and the end of a document close everything.
        """
        distances = np.full(len(piece), -1)
        marks = np.isin(code_points_of(piece), [*map(ord, (*CLOSES, *CLOSES.values(), STRAIGHT_QUOTE, "\n", END))])
        for n in np.flatnonzero(marks).tolist():
            mark, place = piece[n], self._read + n
            opening = CLOSES.get(mark, mark)
            if mark == END or (mark == "\n" and piece[n - 1 : n] == "\n"):
                self._open.clear()
            elif (mark in CLOSES or mark == STRAIGHT_QUOTE) and self._open.get(opening):
                distances[n] = place - self._open[opening].pop()
            elif mark not in CLOSES and mark != "\n":
                self._open.setdefault(mark, []).append(place)
        return distances


def _spread(values: Array, lengths: Array, letters: Array) -> Array:
    """Return for every letter the value of its word, elsewhere 0: (W,) values and lengths, (M,) bool → (M,)."""
    spread = np.zeros(len(letters), np.int64)
    spread[letters] = np.repeat(values, lengths)
    return spread


def _find_repetition(starts: Array, hashes: Array, documents: Array) -> Array:
    """Return how far before each word the same word starts in its document: (W,), more than any limit if nowhere.

    Parameters
    ----------
    starts : (W,) array
        Where the words start, ascending.
    hashes : (W,) array
        Equal for equal words.
    documents : (M,) array
        Number of the document of each character.
    """
    since = np.full(len(starts), np.iinfo(np.int64).max)  # (W,)
    order = np.argsort(hashes, kind="stable")
    earlier, later = order[:-1], order[1:]
    same = (hashes[earlier] == hashes[later]) & (documents[starts[earlier]] == documents[starts[later]])
    since[later[same]] = (starts[later] - starts[earlier])[same]
    return since
