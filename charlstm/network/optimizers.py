"""Optimizers: from a gradient to a change of the weights, every number alike on the flat vectors.

Sources: Kingma & Ba 2015, "Adam"; Tieleman & Hinton 2012, lecture 6.5 (RMSProp).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from charlstm.parameters import Array, Parameters

BETA1, BETA2, RMS_DECAY, EPSILON, MOMENTUM = 0.9, 0.99, 0.95, 1e-8, 0.9


class Optimizer(ABC):
    """Moments and the rule that uses them.

    Parameters
    ----------
    like : (P,) array
        The weights' flat vector; only its length and float type are used.

    Attributes
    ----------
    moments : (M, P) array
        Running averages of the gradient, as many as the rule needs.
    """

    averages: int

    def __init__(self, like: Array) -> None:
        self.moments: Array = np.zeros((self.averages, like.size), like.dtype)  # (M, P)
        self._work: Array = np.empty_like(like)  # (P,)

    @abstractmethod
    def update(self, weights: Array, gradient: Array, lr: float, step: int) -> None:
        """Change the weights in place.

        Parameters
        ----------
        weights, gradient : (P,) arrays
            The flat vectors.
        lr
            Learning rate of this step.
        step
            How many updates came before this one.
        """


class Adam(Optimizer):
    """m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²;  w ← w − lr · m̂ / (√v̂ + ε)."""

    averages = 2

    def update(self, weights: Array, gradient: Array, lr: float, step: int) -> None:
        """Change the weights in place; see `Optimizer.update`."""
        (m, v), work = self.moments, self._work
        m *= BETA1
        m += np.multiply(gradient, 1.0 - BETA1, out=work)
        v *= BETA2
        np.multiply(gradient, gradient, out=work)
        work *= 1.0 - BETA2
        v += work
        np.sqrt(v, out=work)
        work *= 1.0 / math.sqrt(1.0 - BETA2 ** (step + 1))
        work += EPSILON
        np.divide(m, work, out=work)
        work *= lr / (1.0 - BETA1 ** (step + 1))
        weights -= work


class RMSProp(Optimizer):
    """v ← ρ·v + (1−ρ)·g²;  w ← w − lr · g / (√v + ε)."""

    averages = 1

    def update(self, weights: Array, gradient: Array, lr: float, step: int) -> None:
        """Change the weights in place; see `Optimizer.update`."""
        (v,), work = self.moments, self._work
        v *= RMS_DECAY
        np.multiply(gradient, gradient, out=work)
        work *= 1.0 - RMS_DECAY
        v += work
        np.sqrt(v, out=work)
        work += EPSILON
        np.divide(gradient, work, out=work)
        work *= lr
        weights -= work


class SGD(Optimizer):
    """m ← µ·m + g;  w ← w − lr · m."""

    averages = 1

    def update(self, weights: Array, gradient: Array, lr: float, step: int) -> None:
        """Change the weights in place; see `Optimizer.update`."""
        (m,) = self.moments
        m *= MOMENTUM
        m += gradient
        weights -= np.multiply(m, lr, out=self._work)


_OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "rmsprop": RMSProp, "sgd": SGD}


def make(name: str, like: Array) -> Optimizer:
    """Return the optimizer of that name; the names are those that `TrainingConfig` allows."""
    return _OPTIMIZERS[name](like)


def decay(parameters: Parameters, share: float) -> None:
    """Take a share of every matrix away, in place; biases stay (Loshchilov & Hutter 2019, "Decoupled weight decay")."""
    if share:
        for block in parameters.values():
            if block.ndim > 1:
                block *= 1.0 - share


def clip(gradient: Array, limit: float) -> float:
    """Scale the gradient in place so that its norm is at most `limit` (0: leave it); return the norm it had."""
    norm = math.sqrt(float(np.dot(gradient, gradient)))
    if limit and norm > limit:
        gradient *= limit / norm
    return norm
