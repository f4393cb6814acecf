"""Gradients by central differences, to compare the package's own with."""

import numpy as np
from small import gradient

from charlstm.network.loss import cross_entropy

STEP = 1e-5
ALLOWED = 1e-6


def central_differences(weights, loss):
    """Central differences of a loss, one weight after another."""
    result = np.zeros_like(weights)
    for k in range(weights.size):
        kept = weights[k]
        weights[k] = kept + STEP
        above = loss()
        weights[k] = kept - STEP
        below = loss()
        weights[k] = kept
        result[k] = (above - below) / (2 * STEP)
    return result


def worst_block(of_network, of, loss):
    """Return the largest ‖a − n‖ / (‖a‖ + ‖n‖) of any block of weights, and the block's name; no block may be zero."""
    analytic, numeric = of_network.parameters.like(), of_network.parameters.like()
    analytic.flat[:] = gradient(of_network, of)[2]
    numeric.flat[:] = central_differences(of_network.parameters.flat, loss)
    return max((difference(analytic, numeric, name), name) for name in analytic)


def difference(a, n, name):
    return np.linalg.norm(a[name] - n[name]) / (np.linalg.norm(a[name]) + np.linalg.norm(n[name]))


def own_loss(it, of):
    """The loss by the package's way forward."""

    def loss():
        logits = it.forward(of.ids, of.state, of.masks).logits
        return cross_entropy(logits.reshape(of.ids.size, -1), of.targets.reshape(-1), of.loss_mask.reshape(-1))

    return loss
