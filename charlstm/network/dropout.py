"""What dropout leaves out of one batch: units, on the way up; weights, on the way to the next step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from charlstm.network.config import NetworkConfig
from charlstm.parameters import Array, Parameters
from charlstm.randomness import Purpose, generator


def unit_masks(config: NetworkConfig, dtype: npt.DTypeLike, rows: int, seed: int, step: int) -> Array | None:
    """Return the masks of one batch, (L, B, H), or None without dropout.

    A unit is dropped for a row over all T steps of the batch (Gal & Ghahramani 2016), and what stays is divided by
    the share that stays.
    """
    keep = 1.0 - config.dropout
    if keep == 1.0:
        return None
    kept = generator(seed, Purpose.DROPOUT, step).random((config.layers, rows, config.hidden)) < keep
    return np.asarray(kept / keep, dtype)


def weight_mask(config: NetworkConfig, weights: Parameters, seed: int, step: int) -> Array | None:
    """Return what the flat vector of the weights is multiplied by for one batch, (P,), or None without weight dropout.

    Some of every layer's W are zero, the same for all rows and steps of the batch (Wan et al. 2013, "Regularization
    of neural networks using DropConnect"; Merity et al. 2018), and the others are divided by the share that stays.
    Shares are 256ths: a random byte decides.
    """
    dropped = min(255, round(256 * config.weight_dropout))
    if not dropped:
        return None
    mask = weights.like()
    mask.flat.fill(1.0)
    rng = generator(seed, Purpose.WEIGHT_DROPOUT, step)
    for layer in range(config.layers):
        W = mask[f"layer{layer}/W"]
        kept = np.frombuffer(rng.bytes(W.size), np.uint8) >= dropped  # (H·G·H,)
        np.multiply(kept.reshape(W.shape), 256.0 / (256 - dropped), out=W)
    return mask.flat
