"""Calibration: whether what a model predicts with a probability of 30 % occurs in 30 % of the cases.

Every probability that the model gives, to each character of the vocabulary at each place, counts in one of ten bins.
The fitted temperature is the number that the logits are divided by for the lowest loss on the same text. It is above 1
where the model is overconfident.

Source: Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import chebyshev

from charlstm.base.parameters import Array
from charlstm.network.loss import NATS_PER_BIT

BINS = 10
LARGEST_TEMPERATURE = 5.0  # and its inverse is the smallest: the range in which a temperature is fitted
NODES = 16  # temperatures at which the loss is measured; between them it is a polynomial
TRIED = 20_001  # points of that polynomial
POINTS = chebyshev.chebpts1(NODES)  # (16,)  from −1 to 1
INVERSE_TEMPERATURES = LARGEST_TEMPERATURE**-POINTS  # (16,)
VALUES_AT_ONCE = 1 << 18


class Calibration:
    """How well the probabilities of a model agree with what occurs: collected in pieces, in memory that does not grow.

    The loss as a function of the temperature is smooth. So it is measured at the Chebyshev nodes of an interval, and
    interpolated between them.

    Examples
    --------
    >>> calibration = Calibration()
    >>> calibration.add(np.log([[0.25, 0.75]] * 4), np.array([0, 1, 1, 1]))
    >>> calibration.predictions[[2, 7]], calibration.observed[[2, 7]]
    (array([4, 4]), array([0.25, 0.75]))
    >>> round(calibration.temperature, 2)
    1.0
    """

    def __init__(self) -> None:
        self._counts = np.zeros((3, BINS))  # predictions, their sum, how many occurred
        self._losses = np.zeros(NODES)  # Σ −log p at each temperature, in nats
        self._characters = 0

    def __repr__(self) -> str:
        return f"<Calibration: fitted temperature {self.temperature:.3f}, {self.bits_per_character:.4f} bits/character>"

    @property
    def predictions(self) -> Array:
        """Number of the probabilities in each bin, (10,): from 0 to 0.1, from 0.1 to 0.2, and so on."""
        return np.asarray(self._counts[0].astype(np.int64))

    @property
    def predicted(self) -> Array:
        """Mean probability in each bin, (10,); NaN in an empty bin."""
        return self._divide(self._counts[1])

    @property
    def observed(self) -> Array:
        """Fraction of the probabilities in each bin whose character occurred, (10,); NaN in an empty bin."""
        return self._divide(self._counts[2])

    @property
    def temperature(self) -> float:
        """The temperature with the lowest loss on this text, from 0.2 to 5; NaN if nothing was predicted."""
        return self._fit()[0]

    @property
    def bits_per_character(self) -> float:
        """Mean surprisal at the fitted temperature, in bits; NaN if nothing was predicted."""
        return self._fit()[1]

    def merge(self, other: Calibration) -> None:
        """Count all predictions of another text too."""
        self._counts += other._counts
        self._losses += other._losses
        self._characters += other._characters

    def add(self, logits: Array, ids: Array) -> None:
        """Count the predictions of some characters.

        Parameters
        ----------
        logits : (N, V) array
            The predictions; also log-probabilities.
        ids : (N,) array of ids
            The characters that occurred.
        """
        step = max(1, VALUES_AT_ONCE // logits.shape[1])
        for start in range(0, len(ids), step):
            self._add(logits[start : start + step], ids[start : start + step])

    def _add(self, logits: Array, ids: Array) -> None:
        rows = np.arange(len(ids))
        shifted = logits - logits.max(axis=1, keepdims=True)  # (N, V)
        target = shifted[rows, ids].astype(np.float64)  # (N,)
        work = np.empty_like(shifted)
        for k, factor in enumerate(INVERSE_TEMPERATURES.tolist()):
            np.exp(np.multiply(shifted, logits.dtype.type(factor), out=work), out=work)
            self._losses[k] += float((np.log(work.sum(axis=1, dtype=np.float64)) - factor * target).sum())
        np.exp(shifted, out=work)
        p = np.divide(work, work.sum(axis=1, keepdims=True), out=work)  # (N, V)
        # A row has at most ten probabilities of 0.1 and more. All others are in the first bin.
        row, character = np.nonzero(p >= 1.0 / BINS)
        likely = p[row, character].astype(np.float64)  # (K,)
        bins = np.minimum((likely * BINS).astype(np.intp), BINS - 1)  # (K,)
        occurred = (character == ids[row]).astype(np.float64)  # (K,)
        weights = (np.ones(len(bins)), likely, occurred)
        counts = np.stack([np.bincount(bins, weight, BINS) for weight in weights]).astype(np.float64)  # (3, 10)
        counts[:, 0] += (p.size - len(bins), len(ids) - likely.sum(), len(ids) - occurred.sum())
        self._counts += counts
        self._characters += len(ids)

    def _divide(self, sums: Array) -> Array:
        counts = self._counts[0]
        return np.asarray(np.divide(sums, counts, out=np.full(BINS, np.nan), where=counts > 0.0))

    def _fit(self) -> tuple[float, float]:
        """Return the fitted temperature, and the mean surprisal at it."""
        if not self._characters:
            return math.nan, math.nan
        polynomial = chebyshev.chebfit(POINTS, self._losses / self._characters, NODES - 1)
        x = np.linspace(-1.0, 1.0, TRIED)
        losses = chebyshev.chebval(x, polynomial)  # (TRIED,)
        best = int(losses.argmin())
        return LARGEST_TEMPERATURE ** float(x[best]), float(losses[best]) / NATS_PER_BIT
