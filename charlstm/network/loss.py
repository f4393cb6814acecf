"""The loss: how surprised a prediction was by what came, and the derivative of that beneath it."""

from __future__ import annotations

import numpy as np

from charlstm.parameters import Array

NATS_PER_BIT = float(np.log(2.0))


def log_softmax(logits: Array) -> Array:
    """Return log-probabilities of logits: the same shape, each last axis normalised.

    Parameters
    ----------
    logits : (…, V) array
        Any finite numbers.

    Returns
    -------
    (…, V) array
        logits − log Σ exp(logits), in nats; never above zero.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)  # (…, V)
    normaliser = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # (…, 1)
    return np.asarray(shifted - normaliser)


def cross_entropy(logits: Array, targets: Array, weights: Array) -> float:
    """Return Σ weight · −log p(target), in nats.

    Parameters
    ----------
    logits : (N, V) array
        Predictions.
    targets : (N,) array of ids
        What came.
    weights : (N,) array
        How much each position counts: 1, or 0 for padding.
    """
    picked = log_softmax(logits)[np.arange(len(targets)), targets]  # (N,)
    return -float(np.dot(picked.astype(np.float64), weights))


def cross_entropy_gradient(logits: Array, targets: Array, weights: Array) -> float:
    """Turn logits into ∂loss/∂logits = weight · (softmax(logits) − one-hot(target)), in place; return the loss.

    Parameters
    ----------
    logits : (N, V) array
        Predictions; overwritten with the derivative.
    targets : (N,) array of ids
        What came.
    weights : (N,) array
        How much each position counts.

    Returns
    -------
    float
        `cross_entropy(logits, targets, weights)`.
    """
    rows = np.arange(len(targets))
    logits -= logits.max(axis=-1, keepdims=True)
    picked = logits[rows, targets]  # (N,)
    np.exp(logits, out=logits)
    total = logits.sum(axis=-1)  # (N,)
    loss = np.dot((np.log(total) - picked).astype(np.float64), weights)
    logits *= (weights / total).astype(logits.dtype)[:, None]
    logits[rows, targets] -= weights.astype(logits.dtype)
    return float(loss)
