"""Where documents start and end.

A document is read from the zero state. A stream is one document; with `--lines` each line is a document, and the
newline before it opens it: the newline is read from the zero state and predicts the first character.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise

import numpy as np

from charlstm.base.errors import CorpusError
from charlstm.base.parameters import Array
from charlstm.text.vocabulary import Vocabulary, text_of

LONGEST_LINE = 10_000
BLOCK = 1 << 24


class Documents:
    """How a model tells one document from the next.

    Parameters
    ----------
    vocabulary
        The model's characters.
    lines
        True: each line is a document. False: a text is one document.

    Attributes
    ----------
    opening : str
        What is read before the first character of a document: a newline, or nothing for a stream.
    """

    def __init__(self, vocabulary: Vocabulary, lines: bool) -> None:
        self.opening = "\n" if lines else ""
        self._newline = vocabulary.id("\n") if lines else None

    def openings(self, ids: Array) -> Array:
        """Return which characters open a document, so that they are read from the zero state.

        Parameters
        ----------
        ids : (...) array of ids
            Any characters.

        Returns
        -------
        (...) array of bool
        """
        if self._newline is None:
            return np.zeros(ids.shape, bool)
        return np.asarray(ids == self._newline)

    def ends(self, ids: Array) -> Array:
        """Return where documents end in a text: one past each character that ends one, (K,); none in a stream."""
        return np.flatnonzero(self.openings(ids)) + 1


def find_lines(ids: Array, newline: int) -> Array:
    """Return the lines of a text, without empty ones.

    Parameters
    ----------
    ids : (N,) array of ids
        A text that begins and ends with a newline.
    newline
        Id of the newline.

    Returns
    -------
    (K, 2) array
        Position of the first character of each line, and one past the last.

    Raises
    ------
    CorpusError
        If a line is longer than `LONGEST_LINE` characters.
    """
    blocks = range(0, len(ids), BLOCK)
    ends = np.concatenate([np.flatnonzero(ids[k : k + BLOCK] == newline) + k for k in blocks])  # (K+1,)
    spans = np.stack([ends[:-1] + 1, ends[1:]], axis=1)  # (K, 2)
    lengths = spans[:, 1] - spans[:, 0]  # (K,)
    if lengths.size and lengths.max() > LONGEST_LINE:
        raise CorpusError(
            f"line {int(lengths.argmax()) + 1} has {int(lengths.max()):,} characters and --lines takes at most"
            f" {LONGEST_LINE:,} in a line; split the line, or leave out --lines to read the text as one stream"
        )
    return np.asarray(spans[lengths > 0])


def hash_line(line: str) -> int:
    """Return a 64-bit hash of a line; two of a million different lines collide in one of 10⁷ corpora."""
    return int.from_bytes(blake2b(line.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def hash_lines(ids: Array, vocabulary: Vocabulary) -> Array:
    """Return the hashes of the distinct lines of a text that begins and ends with a newline: (K,) uint64, ascending."""
    ends = np.flatnonzero(ids == vocabulary.id("\n")).tolist()
    lines = (text_of(vocabulary.code_points[ids[first + 1 : last]]) for first, last in pairwise(ends))
    return np.unique(np.fromiter(map(hash_line, lines), np.uint64))
