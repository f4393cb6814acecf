"""The mixture of a network with counts, from which characters are sampled before any other rule, and texts are scored.

There are two kinds of counts: those of the training set, which a model file can hold, and the cache, those of the text
that was read. Each has a weight w. One step follows the other:

    p(c) ← (1 − w) · p(c) + w · p_counts(c)
    p(c) ← (1 − w) · p(c) + w · p_cache(c)        where the cache interpolates its own counts with p
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from charlstm.base.parameters import Array
from charlstm.model.model import Model
from charlstm.sampling.filters import CACHE, COUNTS, SamplingConfig, softmax

if TYPE_CHECKING:
    from charlstm.text.cache import Cache, Context


def mix(network: Array, counts: Array, weight: float) -> Array:
    """Return the probabilities of a mixture: (…) and (…) → (…)."""
    return np.asarray((1.0 - weight) * network + weight * counts)


class Weights(NamedTuple):
    """The weights of a mixture; 0 leaves a step out.

    Attributes
    ----------
    counts
        Weight of the counts that the model holds.
    cache
        Weight of the cache.
    """

    counts: float
    cache: float

    @classmethod
    def of(cls, sampling: SamplingConfig, model: Model) -> Weights:
        """Return the weights of a configuration; raise ConfigError if it needs counts that the model does not hold."""
        sampling.check_counts(model)
        weights = dict(sampling.mix)
        return cls(weights.get(COUNTS, 0.0), weights.get(CACHE, 0.0))

    def mix(self, logits: Array, predict: Callable[[], Array], interpolate: Callable[[Array], Array]) -> Array:
        """Return the log-probabilities of the mixture, or without a weight the logits: (N, V) → (N, V).

        Parameters
        ----------
        logits : (N, V) array
            Predictions of the network.
        predict
            Returns those of the counts, (N, V).
        interpolate
            Returns those of the cache from those below its shortest context: (N, V) → (N, V).
        """
        if not any(self):
            return logits
        p = softmax(logits.astype(np.float64))  # (N, V)
        if self.counts:
            p = mix(p, predict(), self.counts)
        if self.cache:
            p = mix(p, interpolate(p), self.cache)
        return np.asarray(np.log(np.maximum(p, np.finfo(np.float64).tiny)))


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
        self._weights = Weights.of(sampling, model)
        self._end, self._openings = model.vocabulary.end, openings
        if self._weights.counts and model.counts is not None:
            self._ngrams = model.counts.ngrams.model
            read = [self._as_read(text[-self._ngrams.order :], row) for row, text in enumerate(texts)]
            self._nodes = self._ngrams.read(read)
        if self._weights.cache:
            self._contexts = _read_texts(texts) if cache is None else [cache.context] * len(texts)

    def mix(self, logits: Array) -> Array:
        """Return the log-probabilities of the mixture, or without a weight the network's logits: (B, V) → (B, V)."""
        return self._weights.mix(logits, lambda: self._ngrams.distribution(self._nodes), self._interpolate)

    def _interpolate(self, p: Array) -> Array:
        """Return the predictions of the caches: (B, V), those below their shortest contexts → (B, V)."""
        return np.array([context.predict(row) for context, row in zip(self._contexts, p, strict=True)])

    def add(self, ids: Array) -> None:
        """Read the next character of each text: (B,) ids."""
        if self._weights.counts:
            self._nodes = self._ngrams.extend(self._nodes, self._as_read(ids, slice(None)))
        if self._weights.cache:
            both = zip(self._contexts, ids.tolist(), strict=True)
            self._contexts = [context.follow(symbol) for context, symbol in both]

    def _as_read(self, ids: Array, rows: int | slice) -> Array:
        """Return ids with what opens a document in the place of the end symbol."""
        read = ids.astype(np.int64)
        return read if self._openings is None else np.where(read == self._end, self._openings[rows], read)


def _read_texts(texts: Sequence[Array]) -> list[Context]:
    """Return the context after each text in a cache that has read it; equal texts share one."""
    from charlstm.text.cache import Cache

    caches: dict[bytes, Cache] = {}
    for text in texts:
        if text.tobytes() not in caches:
            cache = caches[text.tobytes()] = Cache()
            cache.read(text)
    return [caches[text.tobytes()].context for text in texts]


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

        self._weights = Weights.of(sampling, model)
        self._model, self._cache = model, Cache()
        self._before = np.zeros(0, np.intp)  # (K,)  the last characters, as many as a prediction of the counts needs
        self.read(model.vocabulary.encode(model.opening))

    def read(self, ids: Array) -> None:
        """Read characters that are not predicted: (N,) ids."""
        self._follow(ids)
        self._cache.read(ids)

    def mix(self, logits: Array, ids: Array) -> Array:
        """Return the predictions of the next characters, each read before the next: (N, V), (N,) ids → (N, V)."""
        mixed = self._weights.mix(
            logits, lambda: self._predict(ids), lambda p: self._cache.predict_text(p, ids)
        )  # (N, V)
        self._follow(ids)
        return mixed

    def _predict(self, ids: Array) -> Array:
        """Return the predictions of the counts: (N,) ids → (N, V)."""
        assert self._model.counts is not None
        ngrams = self._model.counts.ngrams.model
        read = self._model.inputs(np.concatenate([self._before, ids[:-1]])[:, None])[:, 0]  # (K + N − 1,)
        return ngrams.distribution(ngrams.contexts(read)[:, len(read) - len(ids) :])

    def _follow(self, ids: Array) -> None:
        """Keep as many of the last characters as the counts depend on."""
        length = self._model.counts.order if self._model.counts is not None else 0
        text = np.concatenate([self._before, ids])  # (K + N,)
        self._before = text[max(0, len(text) - length) :]
