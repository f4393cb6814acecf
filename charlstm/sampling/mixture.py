"""The mixture of a network with counts, from which characters are sampled before any other rule, and texts are scored.

There are two kinds of counts: those of the training set, which a model file can hold, and the cache, those of the text
that was read. Each has a weight w. One step follows the other:

    p(c) ← (1 − w) · p(c) + w · p_counts(c)
    p(c) ← (1 − w) · p(c) + w · p_cache(c)        where the cache interpolates its own counts with p
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from charlstm.base.parameters import Array
from charlstm.model.model import Model
from charlstm.sampling.filters import CACHE, COUNTS, SamplingConfig, softmax

if TYPE_CHECKING:
    from charlstm.text.cache import Cache


def mix(network: Array, counts: Array, weight: float) -> Array:
    """Return the probabilities of a mixture: (…) and (…) → (…)."""
    return np.asarray((1.0 - weight) * network + weight * counts)


class Mixture:
    """The mixture for B texts that are sampled side by side; without a weight the network alone.

    The cache counts the text to continue, and not what the model writes.

    Parameters
    ----------
    model
        The model.
    sampling
        Its `mix` has the weights.
    texts
        The ids of each text so far, (N,).
    openings : (B,) array of ids, optional
        What opens the documents of each text in the place of the end symbol; None: the end symbol.
    cache
        A cache that has read the one text; None: one is made for each text.

    Raises
    ------
    ConfigError
        If the counts have a weight, and the model holds none.
    """

    def __init__(
        self,
        model: Model,
        sampling: SamplingConfig,
        texts: Sequence[Array],
        openings: Array | None = None,
        cache: Cache | None = None,
    ) -> None:
        sampling.check_counts(model)
        weights = dict(sampling.mix)
        self._weight, self._cache_weight = weights.get(COUNTS, 0.0), weights.get(CACHE, 0.0)
        self._end, self._openings = model.vocabulary.end, openings
        if self._weight and model.counts is not None:
            self._ngrams = model.counts.ngrams.model
            read = [self._as_read(text[-self._ngrams.order :], row) for row, text in enumerate(texts)]
            self._nodes = self._ngrams.read(read)
        if self._cache_weight:
            self._caches = [cache] * len(texts) if cache is not None else _read_texts(texts)
            self._contexts = [each.context for each in self._caches]

    def mix(self, logits: Array) -> Array:
        """Return the log-probabilities of the mixture, or without a weight the network's logits: (B, V) → (B, V)."""
        if not self._weight and not self._cache_weight:
            return logits
        p = softmax(logits.astype(np.float64))  # (B, V)
        if self._weight:
            p = mix(p, self._ngrams.distribution(self._nodes), self._weight)
        if self._cache_weight:
            found = [cache.predict(*both) for cache, *both in zip(self._caches, self._contexts, p, strict=True)]
            p = mix(p, np.array(found), self._cache_weight)
        return np.log(p)

    def add(self, ids: Array) -> None:
        """Read the next character of each text: (B,) ids."""
        if self._weight:
            self._nodes = self._ngrams.extend(self._nodes, self._as_read(ids, slice(None)))
        if self._cache_weight:
            rows = zip(self._caches, self._contexts, ids.tolist(), strict=True)
            self._contexts = [cache.follow(context, one) for cache, context, one in rows]

    def _as_read(self, ids: Array, rows: int | slice) -> Array:
        """Return ids with what opens a document in the place of the end symbol."""
        read = ids.astype(np.int64)
        return read if self._openings is None else np.where(read == self._end, self._openings[rows], read)


def _read_texts(texts: Sequence[Array]) -> list[Cache]:
    """Return a cache that has read each text; equal texts share one."""
    from charlstm.text.cache import Cache

    caches: dict[bytes, Cache] = {}
    for text in texts:
        if text.tobytes() not in caches:
            cache = caches[text.tobytes()] = Cache()
            cache.read(text)
    return [caches[text.tobytes()] for text in texts]


class TextMixture:
    """The mixture for consecutive characters of one text, all of which the cache counts.

    Parameters
    ----------
    model
        The model.
    sampling
        Its `mix` has the weights.

    Raises
    ------
    ConfigError
        If the counts have a weight, and the model holds none.
    """

    def __init__(self, model: Model, sampling: SamplingConfig) -> None:
        from charlstm.text.cache import Cache

        sampling.check_counts(model)
        weights = dict(sampling.mix)
        self._model = model
        self._weight, self._cache_weight = weights.get(COUNTS, 0.0), weights.get(CACHE, 0.0)
        self._length = model.counts.order if model.counts is not None else 0  # of what a prediction depends on
        self._before = np.zeros(0, np.intp)  # (K,)  the last characters
        self._cache = Cache()
        self.read(model.vocabulary.encode(model.opening))

    def read(self, ids: Array) -> None:
        """Read characters that are not predicted: (N,) ids."""
        self._follow(ids)
        self._cache.read(ids)

    def mix(self, logits: Array, ids: Array) -> Array:
        """Return the predictions of the next characters, each read before the next: (N, V), (N,) ids → (N, V)."""
        if not self._weight and not self._cache_weight:
            return logits
        p = softmax(logits.astype(np.float64))  # (N, V)
        if self._weight and self._model.counts is not None:
            ngrams = self._model.counts.ngrams.model
            read = self._model.inputs(np.concatenate([self._before, ids[:-1]])[:, None])[:, 0]  # (K + N − 1,)
            nodes = ngrams.contexts(read)[:, len(read) - len(ids) :]  # (order − 1, N)
            p = mix(p, ngrams.distribution(nodes), self._weight)
        self._follow(ids)
        if self._cache_weight:
            p = mix(p, self._cache.predict_text(p, ids), self._cache_weight)
        return np.log(p)

    def _follow(self, ids: Array) -> None:
        """Keep as many of the last characters as the counts depend on."""
        text = np.concatenate([self._before, ids])  # (K + N,)
        self._before = text[max(0, len(text) - self._length) :]
