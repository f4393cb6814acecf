"""Optimizers: how a gradient changes the weights. Every rule is element-wise on the flat vectors.

Sources: Kingma & Ba 2015, "Adam: A method for stochastic optimization"; Tieleman & Hinton 2012, "Lecture 6.5: RMSProp";
Loshchilov & Hutter 2019, "Decoupled weight decay regularization"; Shamir & Zhang 2013, "Stochastic gradient descent for
non-smooth optimization: Convergence results and optimal averaging schemes".
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from charlstm.base.parameters import Array, Parameters

BETA1, BETA2, RMS_DECAY, EPSILON, MOMENTUM = 0.9, 0.99, 0.95, 1e-8, 0.9


class Optimizer(ABC):
    """An update rule and the moments that it keeps.

    Parameters
    ----------
    weights : (P,) array
        The flat vector of weights; only its length and dtype are used.

    Attributes
    ----------
    moments : (M, P) array
        Running averages of the gradient, as many as the rule needs.
    """

    averages: int

    def __init__(self, weights: Array) -> None:
        self.moments: Array = np.zeros((self.averages, weights.size), weights.dtype)  # (M, P)
        self._work: Array = np.empty_like(weights)  # (P,)  temporary values

    @abstractmethod
    def update(self, weights: Array, gradient: Array, lr: float, step: int) -> None:
        """Update the weights in place.

        Parameters
        ----------
        weights, gradient : (P,) arrays
            The flat vectors; the gradient is not changed.
        lr
            Learning rate of this step.
        step
            Number of updates before this one.
        """


class Adam(Optimizer):
    """m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²;  w ← w − lr · m̂ / (√v̂ + ε)."""

    averages = 2

    def update(self, weights: Array, gradient: Array, lr: float, step: int) -> None:
        """Update the weights in place; see `Optimizer.update`."""
        (m, v), work = self.moments, self._work
        m *= BETA1
        m += np.multiply(gradient, 1.0 - BETA1, out=work)
        v *= BETA2
        np.multiply(gradient, gradient, out=work)
        work *= 1.0 - BETA2
        v += work
        np.sqrt(v, out=work)
        work *= 1.0 / math.sqrt(1.0 - BETA2 ** (step + 1))  # √v̂
        work += EPSILON
        np.divide(m, work, out=work)
        work *= lr / (1.0 - BETA1 ** (step + 1))  # m̂ = m / (1 − β1ᵗ)
        weights -= work


class RMSProp(Optimizer):
    """v ← ρ·v + (1−ρ)·g²;  w ← w − lr · g / (√v + ε)."""

    averages = 1

    def update(self, weights: Array, gradient: Array, lr: float, step: int) -> None:
        """Update the weights in place; see `Optimizer.update`."""
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
    """Gradient descent with momentum: m ← µ·m + g;  w ← w − lr · m."""

    averages = 1

    def update(self, weights: Array, gradient: Array, lr: float, step: int) -> None:
        """Update the weights in place; see `Optimizer.update`."""
        (m,) = self.moments
        m *= MOMENTUM
        m += gradient
        weights -= np.multiply(m, lr, out=self._work)


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "rmsprop": RMSProp, "sgd": SGD}


def build_optimizer(name: str, weights: Array) -> Optimizer:
    """Return a new optimizer with zero moments.

    Parameters
    ----------
    name
        One of `charlstm.base.config.OPTIMIZERS`.
    weights : (P,) array
        The flat vector that it will update.
    """
    return OPTIMIZERS[name](weights)


def decay_weights(parameters: Parameters, rate: float) -> None:
    """Apply decoupled weight decay in place: multiply every matrix by 1 − rate.

    Vectors, such as biases, do not decay. Source: Loshchilov & Hutter 2019.

    Parameters
    ----------
    parameters
        The weights.
    rate
        Weight decay times the learning rate of the step; 0 changes nothing.

    Examples
    --------
    >>> parameters = Parameters({"W": (1, 2), "b": (2,)}, "float64", np.ones(4))
    >>> decay_weights(parameters, 0.25)
    >>> parameters.flat
    array([0.75, 0.75, 1.  , 1.  ])
    """
    if rate:
        for block in parameters.values():
            if block.ndim > 1:
                block *= 1.0 - rate


def average_weights(average: Array, weights: Array, exponent: float, step: int, work: Array) -> None:
    """Add the newest weights to the polynomial-decay average of all weights, in place.

    a ← a + (η+1)/(t+η) · (w − a), so that the weights after step t count in proportion to about t^η. The average needs
    no length of the run. Source: Shamir & Zhang 2013.

    Parameters
    ----------
    average, weights : (P,) arrays
        The flat vectors.
    exponent
        η; a larger one forgets sooner.
    step
        Updates of the weights so far (t), 1 or more; the first one begins the average.
    work : (P,) array
        Room for temporary values.

    Examples
    --------
    >>> average, work = np.zeros(1), np.zeros(1)
    >>> for step, weight in enumerate((3.0, 6.0, 9.0), start=1):
    ...     average_weights(average, np.array([weight]), 1, step, work)
    >>> float(average[0])  # (1·3 + 2·6 + 3·9) / (1 + 2 + 3)
    7.0
    """
    np.subtract(weights, average, out=work)
    work *= (exponent + 1.0) / (step + exponent)
    average += work


def clip_gradient_norm(gradient: Array, max_norm: float) -> float:
    """Clip the gradient by its norm, in place, and return the norm before clipping.

    Parameters
    ----------
    gradient : (P,) array
        The whole gradient.
    max_norm
        Largest Euclidean norm that it may keep; 0 turns clipping off.

    Examples
    --------
    >>> gradient = np.array([3.0, 4.0])
    >>> clip_gradient_norm(gradient, 1.0)
    5.0
    >>> gradient
    array([0.6, 0.8])
    """
    norm = math.sqrt(float(np.dot(gradient, gradient)))
    if max_norm and norm > max_norm:
        gradient *= max_norm / norm
    return norm
