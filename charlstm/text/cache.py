"""The cache: the n-grams of the text that was read so far, which raise the probability of what it has already said.

The text is counted as it is read. In a context h of k characters that was followed n(h) times, by T(h) different
characters, the prediction of a shorter context is interpolated by Witten–Bell smoothing:

    p_k(c) = (n(hc) + T(h) · p_{k−1}(c)) / (n(h) + T(h))        k = 3 … 8

Below the shortest context stands a prediction that is given, such as that of a network. So a cache that has read
nothing changes nothing.

Sources: Kuhn & De Mori 1990, "A cache-based natural language model for speech recognition"; Witten & Bell 1991, "The
zero-frequency problem".
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array

SHORTEST, LONGEST = 3, 8  # characters of a context
MOST_NODES = 1 << 22  # 64 MB
NONE = 0  # the node that stands for no node


class Context(NamedTuple):
    """Where in the counts a text is: what its next character is predicted from.

    Attributes
    ----------
    nodes
        The nodes of the last 3, 4, …, 8 characters; 0 where these were not read before.
    last
        The last characters, at most three.
    """

    nodes: tuple[int, ...] = (NONE,) * (LONGEST - SHORTEST + 1)
    last: tuple[int, ...] = ()


class Cache:
    """The counts of a text that grows. After about a million characters they are full: the older half is forgotten.

    Attributes
    ----------
    context : Context
        Where the text ends.

    Examples
    --------
    >>> cache = Cache()
    >>> even = np.full(5, 0.2)
    >>> cache.read(np.array([0, 1, 2, 3, 0, 1, 2]))
    >>> [round(float(p), 2) for p in cache.predict(cache.context, even)]
    [0.1, 0.1, 0.1, 0.6, 0.1]
    """

    def __init__(self) -> None:
        self._read, self._counted = array("i"), bytearray()  # every character, and whether it counts
        self._forget()

    def _forget(self) -> None:
        """Begin a tree without counts."""
        # A node is a string of characters, and its children are that string with one more. Siblings form a list.
        self._symbol, self._count = array("i", [0]), array("i", [0])
        self._first_child, self._next_sibling = array("i", [NONE]), array("i", [NONE])
        self._roots: dict[tuple[int, ...], int] = {}  # the three characters of a shortest context → its node
        self._since = 0  # the characters that count, since the last one that does not
        self.context = Context()

    def read(self, ids: Array, counted: bool = True) -> None:
        """Read the next characters of the text.

        Parameters
        ----------
        ids : (N,) array of ids
            The characters.
        counted
            False: neither they nor what follows them count, as far as their contexts reach into these characters.
        """
        for symbol in ids.tolist():
            self._read_one(symbol, counted)

    def predict_text(self, p: Array, ids: Array) -> Array:
        """Predict each of the next characters of the text, then read it and count it.

        Parameters
        ----------
        p : (N, V) float64 array
            The predictions below the shortest context.
        ids : (N,) array of ids
            The characters.

        Returns
        -------
        (N, V) float64 array
            The probabilities.
        """
        result = np.empty_like(p)  # (N, V)
        for row, symbol in enumerate(ids.tolist()):
            result[row] = self.predict(self.context, p[row])
            self._read_one(symbol, True)
        return result

    def predict(self, context: Context, p: Array) -> Array:
        """Return the probabilities of the next character in a context: (V,), those below the shortest one → (V,)."""
        symbols, counts, siblings = self._symbol, self._count, self._next_sibling
        result = p.copy()  # (V,)
        for node in context.nodes:
            child = self._first_child[node]
            followers, times = [], []
            while child != NONE:
                if count := counts[child]:
                    followers.append(symbols[child])
                    times.append(count)
                child = siblings[child]
            if not times:
                break
            total = sum(times) + len(times)  # n(h) + T(h)
            result *= len(times) / total
            for symbol, count in zip(followers, times, strict=True):
                result[symbol] += count / total
        return np.asarray(result)

    def follow(self, context: Context, symbol: int) -> Context:
        """Return the context after one more character, which is not counted."""
        last = (*context.last, symbol)[-SHORTEST:]
        children = [self._find_child(node, symbol) for node in context.nodes[:-1]]
        return Context((self._roots.get(last, NONE), *children), last)

    def _read_one(self, symbol: int, counted: bool) -> None:
        if max(len(self._symbol), len(self._read)) > MOST_NODES:
            self._forget_older_half()
        self._read.append(symbol)
        self._counted.append(counted)
        self._advance(symbol, counted)

    def _advance(self, symbol: int, counted: bool) -> None:
        """Move the context behind a character, and count it in all contexts before it."""
        children = []
        for length, node in enumerate(self.context.nodes, SHORTEST):
            child = self._find_child(node, symbol)
            if node != NONE and child == NONE:
                child = self._add_child(node, symbol)
            self._count[child] += counted and self._since >= length
            children.append(child)
        last = (*self.context.last, symbol)[-SHORTEST:]
        if len(last) == SHORTEST and last not in self._roots:
            self._roots[last] = self._add_node(symbol)
        self._since = self._since + 1 if counted else 0
        self.context = Context((self._roots.get(last, NONE), *children[:-1]), last)

    def _find_child(self, node: int, symbol: int) -> int:
        """Return the child of a node for a character; 0 if there is none."""
        symbols, siblings = self._symbol, self._next_sibling
        child = self._first_child[node]
        while child != NONE and symbols[child] != symbol:
            child = siblings[child]
        return child

    def _add_child(self, node: int, symbol: int) -> int:
        child = self._add_node(symbol)
        self._next_sibling[child] = self._first_child[node]
        self._first_child[node] = child
        return child

    def _add_node(self, symbol: int) -> int:
        self._symbol.append(symbol)
        for numbers in (self._count, self._first_child, self._next_sibling):
            numbers.append(0)
        return len(self._symbol) - 1

    def _forget_older_half(self) -> None:
        """Count the later half of the text anew."""
        half = len(self._read) // 2
        self._read, self._counted = self._read[half:], self._counted[half:]
        self._forget()
        for symbol, counted in zip(self._read, self._counted, strict=True):
            self._advance(symbol, bool(counted))
