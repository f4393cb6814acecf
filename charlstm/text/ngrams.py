"""An n-gram model over symbols: counts in sorted arrays, and interpolated modified Kneser–Ney smoothing.

    p_k(c | h) = max(n(h c) − D(n(h c)), 0) / n(h) + γ(h) · p_{k−1}(c | h without its first symbol)
    γ(h)       = Σ_c D(n(h c)) / n(h)
    p_0(c)     = 1 / V

An n-gram of order k has a context h of k − 1 symbols. At the highest order, n(h c) is how often c follows h. Below it,
n(h c) is the number of different symbols before h c, because a lower order matters where the higher one does not know
the context. Where nothing follows h, p_k = p_{k−1}. So the probabilities sum to one.

Source: Chen & Goodman 1999, "An empirical study of smoothing techniques for language modeling", which gives the
discounts D from the numbers of n-grams with a count of 1, 2, 3 and 4. Where these numbers give none, such as in a short
text, D is 0.5, 1 and 1.5, as in KenLM (Heafield et al. 2013).

The n-grams form a trie. Node v < S is the symbol v alone. Node S + i is the i-th of all longer n-grams, which are
sorted by order, then by their first symbols, then by their last one. So the numbers parent · S + last symbol ascend,
and one binary search finds the child of a node. The context of a prediction is a node for each order. Reading a symbol
replaces each node by its child, which is one order higher.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from charlstm.base.errors import ConfigError
from charlstm.base.parameters import Array

MOST_ORDER = 12
MOST_NGRAMS = 1 << 23  # 320 MB in use, and at most 80 MB in a file of a vocabulary of fewer than 256 characters
MOST_SYMBOLS = 1 << 21
BLOCK = 1 << 20  # positions that are counted at once
DEPTHS = 255  # where the numbers of symbols before a position end
NOTHING = -1  # no symbol, no node
FALLBACK = (0.5, 1.0, 1.5)


class Passages(NamedTuple):
    """Passages of a text, one after another, each with a first symbol that is read and not predicted.

    Attributes
    ----------
    symbols : (N,) array
        Ids below S.
    depth : (N,) uint8 array
        Number of symbols before each one in its passage, at most 255.
    """

    symbols: Array
    depth: Array


def join_passages(ids: Array, spans: Sequence[tuple[int, int]], openings: Array | None = None) -> Passages:
    """Return spans of a text as passages.

    Parameters
    ----------
    ids : (N,) array of ids
        The text.
    spans
        The first symbol that is read in each span, and one past the last that is predicted.
    openings : (K,) array of ids, optional
        What stands in the place of the first symbol of each span.
    """
    lengths = np.array([stop - start for start, stop in spans], np.int64)  # (K,)
    ends = np.cumsum(lengths)  # (K,)
    total = int(ends[-1]) if len(ends) else 0
    symbols = np.empty(total, ids.dtype if openings is None else np.result_type(ids.dtype, openings.dtype))  # (N,)
    begins = ends - lengths  # (K,)
    for (start, stop), begin in zip(spans, begins.tolist(), strict=True):
        symbols[begin : begin + stop - start] = ids[start:stop]
    if openings is not None:
        symbols[begins] = openings
    depth = np.empty(total, np.uint8)  # (N,)
    for start in range(0, total, BLOCK):
        here = np.arange(start, min(start + BLOCK, total))
        depth[here] = np.minimum(here - begins[np.searchsorted(begins, here, side="right") - 1], DEPTHS)
    return Passages(symbols, depth)


@dataclass(frozen=True)
class NgramCounts:
    """How often each symbol follows each of the contexts of up to `order` − 1 symbols that occur.

    Attributes
    ----------
    predicted
        Number of symbols that are predicted (V): those below it; others only open documents.
    sizes : (order,) int64 array
        Number of n-grams of each order; the first is the number of symbols (S).
    symbols : (M − S,) array
        Last symbol of each n-gram of two symbols or more.
    counts : (M,) uint32 array
        How often each n-gram occurs with its last symbol as a prediction.
    children : (M − sizes[−1],) array
        How many n-grams extend each n-gram below the highest order by one symbol.
    """

    predicted: int
    sizes: Array
    symbols: Array
    counts: Array
    children: Array

    @property
    def order(self) -> int:
        """Symbols of the longest n-gram."""
        return len(self.sizes)

    @cached_property
    def model(self) -> NgramModel:
        """The smoothed probabilities, computed when they are first needed."""
        return NgramModel(self)

    def find_fault(self) -> str:
        """Return what is wrong with counts from a file; empty if nothing is."""
        S, leaves = int(self.sizes[0]), int(self.sizes[-1])
        levels = [self.children[start:stop].sum(dtype=np.int64) for start, stop in pairwise(self._levels[:-1])]
        if [*map(int, levels)] != self.sizes[1:].tolist() or len(self.counts) - leaves != len(self.children):
            return "n-grams that extend no other"
        starts = np.cumsum(self.children, dtype=np.int64) - self.children  # (M − leaves,)
        ascends = np.ones(len(self.symbols), bool)  # (M − S,)
        ascends[1:] = self.symbols[1:] > self.symbols[:-1]
        ascends[starts[self.children > 0]] = True
        if not ascends.all() or (self.symbols >= self.predicted).any():
            return "n-grams that are not in order, or have other symbols than its vocabulary"
        if not self.counts[S:].all() or self.counts[self.predicted : S].any():
            return "n-grams that never occur, or predictions of a label"
        return ""

    @cached_property
    def _levels(self) -> list[int]:
        """Where the n-grams of each order begin among all, and the number of all."""
        return [0, *np.cumsum(self.sizes).tolist()]


def count_ngrams(passages: Passages, order: int, predicted: int, symbols: int) -> NgramCounts:
    """Count the n-grams of a text, in blocks: it needs 4 bytes for each symbol beside the passages and the result.

    Parameters
    ----------
    passages
        The text.
    order
        Symbols of the longest n-gram, 1 to 12.
    predicted
        Number of symbols that are predicted (V).
    symbols
        Number of all symbols (S).

    Raises
    ------
    ConfigError
        If there are more than 8,388,608 n-grams.

    Examples
    --------
    >>> counts = count_ngrams(join_passages(np.array([0, 1, 0, 1, 1]), [(0, 5)]), 2, 2, 2)
    >>> counts.symbols.tolist(), counts.counts.tolist()  # 0 1, 1 0, 1 1
    ([1, 0, 1], [1, 3, 2, 1, 1])
    """
    text, depth = passages
    _check_number(symbols, order)
    count = np.zeros(symbols, np.int64)  # (S,)
    for part in _blocks(len(text)):
        count += np.bincount(text[part][depth[part] >= 1], minlength=symbols)
    nodes = text.astype(np.int32)  # (N,)  the n-gram of the present order that ends at each position
    sizes, counts, children, last = [symbols], [count], [], [np.zeros(0, np.int64)]
    for k in range(2, order + 1):
        keys, count = np.zeros(0, np.int64), np.zeros(0, np.int64)
        for _, _, found in _extend(text, depth, nodes, symbols, k):
            mine, times = np.unique(found, return_counts=True)
            keys, count = merge_counts(keys, count, mine, times) if len(keys) else (mine, times)
            _check_number(sum(sizes) + len(keys), order)
        for where, there, found in _extend(text, depth, nodes, symbols, k):
            nodes[where] = NOTHING
            nodes[there] = np.searchsorted(keys, found)
        children.append(np.bincount(keys // symbols, minlength=sizes[-1]))
        sizes.append(len(keys))
        counts.append(count)
        last.append(keys % symbols)
    return NgramCounts(
        predicted,
        np.array(sizes, np.int64),
        np.concatenate(last).astype(np.min_scalar_type(symbols - 1)),
        np.minimum(np.concatenate(counts), np.iinfo(np.uint32).max).astype(np.uint32),
        np.concatenate([*children, np.zeros(0, np.int64)]).astype(np.min_scalar_type(symbols)),
    )


def _check_number(number: int, order: int) -> None:
    if number > MOST_NGRAMS:
        raise ConfigError(
            f"the text has more than {MOST_NGRAMS:,} n-grams of up to {order} characters, which a model does not hold",
            python="give a lower order for counts",
            command="give --counts a lower order",
        )


def _blocks(length: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK))


def _extend(text: Array, depth: Array, nodes: Array, symbols: int, k: int) -> Iterator[tuple[slice, Array, Array]]:
    """Yield, block by block, where n-grams of order k end, and their keys: (positions, (n,) positions, (n,) keys).

    The nodes are those of order k − 1; those of a block may be overwritten before the next one.
    """
    before = np.full(1, NOTHING, nodes.dtype)  # the node before the block
    for part in _blocks(len(text)):
        context = np.concatenate([before, nodes[part][:-1]])  # (n,)
        before = nodes[part][-1:].copy()
        ends = depth[part] >= k - 1
        yield part, np.flatnonzero(ends) + part.start, context[ends].astype(np.int64) * symbols + text[part][ends]


def merge_counts(keys: Array, counts: Array, more_keys: Array, more_counts: Array) -> tuple[Array, Array]:
    """Return the distinct keys of two lists, ascending, with the sums of their counts."""
    joined = np.concatenate([keys, more_keys])
    order = np.argsort(joined, kind="stable")
    joined, numbers = joined[order], np.concatenate([counts, more_counts])[order]
    starts = np.flatnonzero(np.concatenate([[True], joined[1:] != joined[:-1]]))
    return joined[starts], np.add.reduceat(numbers, starts)


class Smoothed(NamedTuple):
    """The smoothed counts of n-grams of two symbols or more.

    Attributes
    ----------
    alpha : (M − S,) float64 array
        What each n-gram adds to the probability of its last symbol: max(n − D, 0) / n(h).
    gamma : (M − sizes[−1] + 1,) float64 array
        Weight of the lower order after each context; the last is 1, for a context that does not occur.
    """

    alpha: Array
    gamma: Array


class NgramModel:
    """The probabilities of an n-gram model.

    Parameters
    ----------
    counts
        What the model was counted from.

    Attributes
    ----------
    order : int
        Symbols of the longest n-gram (K).
    unigrams : (V,) float64 array
        Probability of each symbol without a context.
    """

    def __init__(self, counts: NgramCounts) -> None:
        self.order, self.predicted = counts.order, counts.predicted
        self._counts, self._levels, self._S = counts, counts._levels, int(counts.sizes[0])
        self._size = np.append(counts.children, 0).astype(np.int64)  # (C + 1,)  the last: of no node
        self._first = np.cumsum(self._size) - self._size  # (C + 1,)
        self._parents = np.repeat(np.arange(len(counts.children), dtype=np.int64), counts.children)  # (M − S,)
        self._keys = self._parents * self._S + counts.symbols  # (M − S,)
        unigrams, self._smoothed = self._smooth(self._adjust())
        self.unigrams: Array = unigrams

    def find(self, nodes: Array, symbols: Array) -> Array:
        """Return the child of each node at a symbol; −1 where there is none, or no node: two (…) arrays → (…)."""
        if not len(self._keys):
            return np.full(nodes.shape, NOTHING)
        keys = nodes.astype(np.int64) * self._S + symbols
        place = np.searchsorted(self._keys, keys)
        place[place == len(self._keys)] = 0
        return np.where((nodes >= 0) & (symbols >= 0) & (self._keys[place] == keys), self._S + place, NOTHING)

    def _adjust(self) -> Array:
        """Return the count n of every n-gram: (M,).

        Below the highest order it is the number of different symbols before the n-gram. An n-gram that only begins
        passages, such as the first characters of a document, has none before it, and keeps its count.
        """
        S, counts = self._S, self._counts.counts
        symbols = self._counts.symbols.astype(np.int64)  # (M − S,)
        suffix = np.full(len(symbols), NOTHING)  # (M − S,)  the node of each n-gram without its first symbol
        before = np.zeros(len(counts), np.int64)  # (M,)
        for shorter, start, stop in zip(self._levels, self._levels[1:], self._levels[2:], strict=False):
            mine = slice(start - S, stop - S)
            if start == S:
                suffix[mine] = symbols[mine]
            else:
                suffix[mine] = self.find(suffix[self._parents[mine] - S], symbols[mine])
            known = suffix[mine][suffix[mine] >= 0]
            before[shorter:start] = np.bincount(known - shorter, minlength=start - shorter)
        adjusted = np.where(before > 0, before, counts) * (counts > 0)  # (M,)
        adjusted[self._levels[-2] :] = counts[self._levels[-2] :]
        return adjusted

    def _smooth(self, counts: Array) -> tuple[Array, Smoothed]:
        """Return the probabilities without a context, and the smoothed counts of all longer n-grams: (M,) counts n."""
        S, V, contexts = self._S, self.predicted, len(self._size) - 1
        discounts = _discount(counts[:V])  # (V,)
        total = counts[:V].sum()
        unigrams = (counts[:V] - discounts + discounts.sum() / V) / total if total else np.full(V, 1.0 / V)
        alpha, gamma = np.zeros(len(counts) - S), np.ones(contexts + 1)
        for start, stop in pairwise(self._levels[1:]):
            mine = slice(start - S, stop - S)
            parents, discounts = self._parents[mine], _discount(counts[start:stop])
            below = int(parents[0]) if len(parents) else 0  # parents of this order follow one another
            totals = np.bincount(parents - below, counts[start:stop])
            weights = np.bincount(parents - below, discounts)
            alpha[mine] = (counts[start:stop] - discounts) / totals[parents - below]
            has_children = np.flatnonzero(totals)
            gamma[below + has_children] = weights[has_children] / totals[has_children]
        return unigrams, Smoothed(alpha, gamma)

    @cached_property
    def _unadjusted(self) -> tuple[Array, Smoothed]:
        """The smoothed counts if each order were the highest one."""
        return self._smooth(self._counts.counts.astype(np.int64))

    def predict(self, symbols: Array, targets: Array) -> Array:
        """Return the probability of each target after the symbols up to its position: (N,) and (N,) → (N,) float64.

        Parameters
        ----------
        symbols : (N,) array
            What is read; −1 begins a new text, in whose first prediction there is no context.
        targets : (N,) array
            What follows each of them, below V.

        Examples
        --------
        >>> counts = count_ngrams(join_passages(np.array([0, 1, 0, 1, 1]), [(0, 5)]), 2, 2, 2)
        >>> p = [counts.model.predict(np.array([0]), np.array([target]))[0] for target in (0, 1)]
        >>> bool(p[1] > p[0]), round(float(sum(p)), 9)
        (True, 1.0)
        """
        return np.asarray(self._chain(symbols, targets)[-1])

    def predict_by_order(self, symbols: Array, targets: Array) -> Array:
        """Return the probability of each target under the n-gram model of every order: → (order, N) float64.

        See `predict`, whose result is the last row.
        """
        return self._chain(symbols, targets, True)

    def _chain(self, symbols: Array, targets: Array, every: bool = False) -> Array:
        """Return the probabilities of the highest order, (1, N), or of each order as if it were the highest."""
        symbols, targets = symbols.astype(np.int64), targets.astype(np.int64)
        chain: Array = self.unigrams[targets]  # (N,)
        result = [self._unadjusted[0][targets] if every and self.order > 1 else chain]
        for order, nodes in enumerate(self._walk(symbols), 2):
            child = self.find(nodes, targets)  # (N,)
            if every and order < self.order:
                result.append(_interpolate(self._unadjusted[1], nodes, child - self._S, chain))
            chain = _interpolate(self._smoothed, nodes, child - self._S, chain)
        if self.order > 1:
            result.append(chain)
        return np.stack(result if every else result[-1:])

    def _walk(self, symbols: Array) -> Iterator[Array]:
        """Yield the contexts after each symbol of a text, of one symbol first: (N,) → (N,) each."""
        nodes = symbols.astype(np.int64)  # (N,)
        for length in range(1, self.order):
            yield nodes
            if length < self.order - 1:
                nodes = self.find(np.concatenate([[NOTHING], nodes[:-1]]), symbols)

    def contexts(self, symbols: Array) -> Array:
        """Return the contexts after each symbol of one text: (N,) → (order − 1, N) nodes; see `extend`."""
        return np.array(list(self._walk(symbols)), np.int64).reshape(self.order - 1, len(symbols))

    def extend(self, nodes: Array, symbols: Array) -> Array:
        """Return the contexts after one more symbol in each of B texts.

        Parameters
        ----------
        nodes : (order − 1, B) array
            The nodes of the last symbol, the last two, and so on; −1 where the text has fewer or nothing follows them.
        symbols : (B,) array
            The symbols.
        """
        if self.order == 1:
            return nodes
        return np.concatenate([symbols[None], self.find(nodes[:-1], symbols)])

    def read(self, texts: Sequence[Array]) -> Array:
        """Return the contexts after B texts, (N,) symbols each: (order − 1, B) nodes; see `extend`."""
        depth = self.order - 1
        last = np.full((depth, len(texts)), NOTHING)  # (depth, B)
        for row, text in enumerate(texts if depth else ()):
            tail = np.asarray(text[max(0, len(text) - depth) :])
            last[depth - len(tail) :, row] = tail
        nodes = np.full((depth, len(texts)), NOTHING)
        for symbols in last:
            nodes = self.extend(nodes, symbols)
        return nodes

    def distribution(self, nodes: Array) -> Array:
        """Return the probabilities of the next symbol of B texts: (order − 1, B) contexts → (B, V) float64.

        A text does not depend on those beside it, not even in its last bits.
        """
        V, B = self.predicted, nodes.shape[1]
        gamma = self._smoothed.gamma[nodes]  # (order − 1, B)
        beyond = np.ones((len(nodes) + 1, B))  # of each order, the weight that the higher orders leave it
        beyond[:-1] = np.cumprod(gamma[::-1], axis=0)[::-1]
        size = self._size[nodes].reshape(-1)  # ((order − 1) · B,)
        before = np.cumsum(size) - size
        place = np.repeat(self._first[nodes].reshape(-1) - before, size) + np.arange(int(size.sum()))
        weight = np.repeat(beyond[1:].reshape(-1), size) * self._smoothed.alpha[place]
        rows = np.repeat(np.tile(np.arange(B, dtype=np.int64), len(nodes)), size)
        found = np.bincount(rows * V + self._counts.symbols[place], weight, B * V).reshape(B, V)
        return np.asarray(found + beyond[0][:, None] * self.unigrams)


def _interpolate(smoothed: Smoothed, nodes: Array, child: Array, below: Array) -> Array:
    """Return p_k from p_{k−1}: (N,) contexts, (N,) indices of the longer n-grams, below 0 for none, and (N,)."""
    alpha = smoothed.alpha[np.maximum(child, 0)] if len(smoothed.alpha) else 0.0
    return np.asarray(np.where(child >= 0, alpha, 0.0) + smoothed.gamma[nodes] * below)


def _discount(counts: Array) -> Array:
    """Return the discount D of each count: (n,) → (n,) float64, between 0 and the count; 0 for a count of 0."""
    n1, n2, n3, n4 = (int((counts == times).sum()) for times in (1, 2, 3, 4))
    discounts = FALLBACK
    if n1 and n2 and n3 and n4:
        Y = n1 / (n1 + 2 * n2)
        estimated = (1 - 2 * Y * n2 / n1, 2 - 3 * Y * n3 / n2, 3 - 4 * Y * n4 / n3)
        if all(0 < discount < times for times, discount in enumerate(estimated, 1)):
            discounts = estimated
    return np.array([0.0, *discounts])[np.minimum(counts, 3)]
