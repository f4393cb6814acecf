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
MOST_NODES = 1 << 20  # about 40 MB
NONE = 0  # the node that stands for no node


class Tree:
    """The n-grams of a text. A node is a string of characters, and its children are that string with one more.

    Attributes
    ----------
    symbol, count : array
        The last character of each node, and how often it counts there.
    first_child, next_sibling : array
        The children of a node form a list; 0 ends it.
    roots : dict
        The three characters of a shortest context → its node.
    """

    def __init__(self) -> None:
        self.symbol, self.count = array("i", [0]), array("i", [0])
        self.first_child, self.next_sibling = array("i", [NONE]), array("i", [NONE])
        self.roots: dict[tuple[int, ...], int] = {}

    def __len__(self) -> int:
        return len(self.symbol)

    def find_child(self, node: int, symbol: int) -> int:
        """Return the child of a node for a character; 0 if there is none."""
        symbols, siblings = self.symbol, self.next_sibling
        child = self.first_child[node]
        while child != NONE and symbols[child] != symbol:
            child = siblings[child]
        return child

    def add_child(self, node: int, symbol: int) -> int:
        """Return a new child of a node."""
        child = self._add_node(symbol)
        self.next_sibling[child] = self.first_child[node]
        self.first_child[node] = child
        return child

    def add_root(self, last: tuple[int, ...]) -> None:
        """Add the node of a shortest context, unless it exists."""
        if len(last) == SHORTEST and last not in self.roots:
            self.roots[last] = self._add_node(last[-1])

    def followers(self, node: int) -> tuple[list[int], list[int]]:
        """Return the characters that follow a context, and how often each does."""
        symbols, times = [], []
        child = self.first_child[node]
        while child != NONE:
            if count := self.count[child]:
                symbols.append(self.symbol[child])
                times.append(count)
            child = self.next_sibling[child]
        return symbols, times

    def _add_node(self, symbol: int) -> int:
        self.symbol.append(symbol)
        for numbers in (self.count, self.first_child, self.next_sibling):
            numbers.append(0)
        return len(self.symbol) - 1


class Context(NamedTuple):
    """Where in the counts a text is: what its next character is predicted from.

    Attributes
    ----------
    tree
        The counts.
    nodes
        The nodes of the last 3, 4, …, 8 characters; 0 where these were not read before.
    last
        The last characters, at most three.
    """

    tree: Tree
    nodes: tuple[int, ...] = (NONE,) * (LONGEST - SHORTEST + 1)
    last: tuple[int, ...] = ()

    def predict(self, p: Array) -> Array:
        """Return the probabilities of the next character: (V,), those below the shortest context → (V,)."""
        result = p.copy()  # (V,)
        for node in self.nodes:
            symbols, times = self.tree.followers(node)
            if not times:
                break
            total = sum(times) + len(times)  # n(h) + T(h)
            result *= len(times) / total
            for symbol, count in zip(symbols, times, strict=True):
                result[symbol] += count / total
        return np.asarray(result)

    def follow(self, symbol: int) -> Context:
        """Return the context after one more character, which is not counted."""
        children = [self.tree.find_child(node, symbol) for node in self.nodes[:-1]]
        last = (*self.last, symbol)[-SHORTEST:]
        return Context(self.tree, (self.tree.roots.get(last, NONE), *children), last)


class Cache:
    """The counts of a text that grows. When they are full, the older half of the text is forgotten.

    Attributes
    ----------
    context : Context
        Where the text ends.

    Examples
    --------
    >>> cache = Cache()
    >>> even = np.full(5, 0.2)
    >>> cache.read(np.array([0, 1, 2, 3, 0, 1, 2]))
    >>> [round(float(p), 2) for p in cache.context.predict(even)]
    [0.1, 0.1, 0.1, 0.6, 0.1]
    """

    def __init__(self) -> None:
        self._read, self._counted = array("i"), bytearray()  # every character, and whether it counts
        self._start()

    def _start(self) -> None:
        """Begin without counts. Contexts that others hold keep the counts that they have."""
        self.context = Context(Tree())
        self._since = 0  # the characters that count, since the last one that does not

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
            result[row] = self.context.predict(p[row])
            self._read_one(symbol, True)
        return result

    def _read_one(self, symbol: int, counted: bool) -> None:
        if max(len(self.context.tree), len(self._read)) > MOST_NODES:
            self._forget_older_half()
        self._read.append(symbol)
        self._counted.append(counted)
        self._advance(symbol, counted)

    def _advance(self, symbol: int, counted: bool) -> None:
        """Move the context behind a character, and count it in all contexts before it."""
        tree, nodes, last = self.context
        for length, node in enumerate(nodes, SHORTEST):
            if node != NONE:
                child = tree.find_child(node, symbol) or tree.add_child(node, symbol)
                tree.count[child] += counted and self._since >= length
        tree.add_root((*last, symbol)[-SHORTEST:])
        self._since = self._since + 1 if counted else 0
        self.context = self.context.follow(symbol)

    def _forget_older_half(self) -> None:
        """Count the later half of the text anew."""
        half = len(self._read) // 2
        self._read, self._counted = self._read[half:], self._counted[half:]
        self._start()
        for symbol, counted in zip(self._read, self._counted, strict=True):
            self._advance(symbol, bool(counted))
