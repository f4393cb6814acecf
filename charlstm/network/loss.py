"""The loss: cross-entropy of the predictions, and its derivative."""

from __future__ import annotations

import math

import numpy as np

from charlstm.base.parameters import Array

NATS_PER_BIT = float(np.log(2.0))


def log_softmax(logits: Array) -> Array:
    """Return the log-probabilities of logits, normalised over the last axis.

    Parameters
    ----------
    logits : (…, V) array
        Any finite numbers.

    Returns
    -------
    (…, V) array
        logits − log Σ exp(logits), in nats; never above zero.

    Examples
    --------
    >>> np.exp(log_softmax(np.array([0.0, 0.0])))
    array([0.5, 0.5])
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)  # (…, V)  so that exp cannot overflow
    log_sum = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # (…, 1)
    return np.asarray(shifted - log_sum)


def perplexity(bits_per_character: float) -> float:
    """Return 2 to the power of a loss in bits per character; infinite where that exceeds the range of a float.

    Examples
    --------
    >>> perplexity(3.0), perplexity(5000.0)
    (8.0, inf)
    """
    return 2.0**bits_per_character if not bits_per_character >= 1024 else math.inf


def cross_entropy(logits: Array, targets: Array, loss_mask: Array) -> float:
    """Return Σ loss_mask · −log p(target), in nats.

    Parameters
    ----------
    logits : (N, V) array
        The predictions.
    targets : (N,) array of ids
        The characters that followed.
    loss_mask : (N,) array
        Weight of each prediction; 0 for padding.

    Examples
    --------
    >>> round(cross_entropy(np.zeros((2, 4)), np.array([1, 3]), np.array([1.0, 0.0])) / NATS_PER_BIT, 6)
    2.0
    """
    log_p = log_softmax(logits)[np.arange(len(targets)), targets]  # (N,)
    return -float(np.dot(log_p.astype(np.float64), loss_mask))


def tar_gradient(h: Array, loss_mask: Array, weight: float) -> Array:
    """Return the gradient of temporal activation regularisation: weight · Σ loss_mask · mean over units of (h − h')².

    h' is h before the character. Source: Merity, McCann & Socher 2017, "Revisiting activation regularization for
    language RNNs".

    Parameters
    ----------
    h : (T + 1, B, H) array
        The outputs of a layer: before the first character, and after each.
    loss_mask : (T, B) array
        Weight of each prediction in the loss; 0 for padding.
    weight
        Weight of the whole.

    Returns
    -------
    (T, B, H) array
        The gradient with respect to h after each character.

    Examples
    --------
    >>> tar_gradient(np.array([[[0.0]], [[1.0]], [[4.0]]]), np.ones((2, 1)), 1.0).ravel()  # of 1² + 3²
    array([-4.,  6.])
    """
    d_change: Array = np.diff(h, axis=0)  # (T, B, H)
    d_change *= (2.0 * weight / h.shape[2] * loss_mask)[:, :, None].astype(h.dtype)
    d_h: Array = d_change.copy()  # (T, B, H)
    d_h[:-1] -= d_change[1:]
    return d_h


def cross_entropy_gradient(logits: Array, targets: Array, loss_mask: Array) -> float:
    """Replace the logits by ∂loss/∂logits = loss_mask · (softmax(logits) − one-hot(target)), and return the loss.

    Parameters
    ----------
    logits : (N, V) array
        The predictions; overwritten with the derivative.
    targets : (N,) array of ids
        The characters that followed.
    loss_mask : (N,) array
        Weight of each prediction; 0 for padding.

    Returns
    -------
    float
        `cross_entropy(logits, targets, loss_mask)`.
    """
    rows = np.arange(len(targets))
    logits -= logits.max(axis=-1, keepdims=True)
    target_logits = logits[rows, targets]  # (N,)
    exp = np.exp(logits, out=logits)  # (N, V)  in the memory of the logits, as is all that follows
    exp_sum = exp.sum(axis=-1)  # (N,)
    loss = np.dot((np.log(exp_sum) - target_logits).astype(np.float64), loss_mask)
    exp *= (loss_mask / exp_sum).astype(logits.dtype)[:, None]
    exp[rows, targets] -= loss_mask.astype(logits.dtype)
    return float(loss)
