"""The mixture of a network and the counts of its model: what characters are sampled from before any other rule.

p(c) = (1 − weight) · p_network(c) + weight · p_counts(c)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charlstm.base.parameters import Array
from charlstm.model.model import Model
from charlstm.sampling.filters import COUNTS, SamplingConfig, softmax


class Mixture:
    """The mixture for B texts that are sampled side by side; without a weight the network alone.

    Parameters
    ----------
    model
        The model.
    sampling
        Its `mix` has the weight of the counts.
    texts
        The ids of each text so far, (N,).
    openings : (B,) array of ids, optional
        What opens the documents of each text in the place of the end symbol; None: the end symbol.

    Raises
    ------
    ConfigError
        If the counts have a weight, and the model holds none.
    """

    def __init__(
        self, model: Model, sampling: SamplingConfig, texts: Sequence[Array], openings: Array | None = None
    ) -> None:
        sampling.check_counts(model)
        self._weight = dict(sampling.mix).get(COUNTS, 0.0)
        if not self._weight or model.counts is None:
            return
        self._ngrams = model.counts.ngrams.model
        self._end, self._openings = model.vocabulary.end, openings
        read = [self._as_read(text[-self._ngrams.order :], row) for row, text in enumerate(texts)]
        self._nodes = self._ngrams.read(read)

    def mix(self, logits: Array) -> Array:
        """Return the log-probabilities of the mixture, or without a weight the network's logits: (B, V) → (B, V)."""
        if not self._weight:
            return logits
        network = softmax(logits.astype(np.float64))  # (B, V)
        return np.log((1.0 - self._weight) * network + self._weight * self._ngrams.distribution(self._nodes))

    def add(self, ids: Array) -> None:
        """Read the next character of each text: (B,) ids."""
        if self._weight:
            self._nodes = self._ngrams.extend(self._nodes, self._as_read(ids, slice(None)))

    def _as_read(self, ids: Array, rows: int | slice) -> Array:
        """Return ids with what opens a document in the place of the end symbol."""
        read = ids.astype(np.int64)
        return read if self._openings is None else np.where(read == self._end, self._openings[rows], read)
