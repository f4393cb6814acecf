"""Dropout masks: variational dropout of the outputs of layers, and weight drop of the recurrent weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from charlstm.base.parameters import Array, Parameters
from charlstm.base.randomness import Purpose, generator
from charlstm.network.config import NetworkConfig


def unit_masks(config: NetworkConfig, dtype: npt.DTypeLike, rows: int, seed: int, step: int) -> Array | None:
    """Return the masks of variational dropout for one batch, or None if the dropout rate is 0.

    One mask serves all T steps of the batch, and each row has its own. The units that stay are divided by 1 − rate.
    Source: Gal & Ghahramani 2016, "A theoretically grounded application of dropout in recurrent neural networks".

    Parameters
    ----------
    config
        Its `dropout` is the rate.
    dtype
        Float type of the masks.
    rows
        Rows of the batch (B).
    seed, step
        The random seed and the training step; they determine the masks.

    Returns
    -------
    (L, B, H) array or None
        0, or 1 / (1 − rate).
    """
    keep = 1.0 - config.dropout
    if keep == 1.0:
        return None
    kept = generator(seed, Purpose.DROPOUT, step).random((config.layers, rows, config.hidden)) < keep
    return np.asarray(kept / keep, dtype)


def weight_mask(config: NetworkConfig, parameters: Parameters, seed: int, step: int) -> Array | None:
    """Return the mask of weight drop for one batch, or None if the rate is 0.

    It drops entries of every recurrent matrix W, the same for all rows and steps of the batch, and divides those that
    stay by 1 − rate. The rate is rounded to 256ths, so that one random byte decides about each weight. Sources: Wan et
    al. 2013, "Regularization of neural networks using DropConnect"; Merity, Keskar & Socher 2018, "Regularizing and
    optimizing LSTM language models" (AWD-LSTM).

    Parameters
    ----------
    config
        Its `weight_dropout` is the rate.
    parameters
        The weights; only their shapes are used.
    seed, step
        The random seed and the training step; they determine the mask.

    Returns
    -------
    (P,) array or None
        Multiply the flat vector of the weights by it: 1 outside of W.
    """
    dropped = min(255, round(256 * config.weight_dropout))
    if not dropped:
        return None
    mask = parameters.like()
    mask.flat.fill(1.0)
    rng = generator(seed, Purpose.WEIGHT_DROPOUT, step)
    for layer in range(config.layers):
        W = mask[f"layer{layer}/W"]
        kept = np.frombuffer(rng.bytes(W.size), np.uint8) >= dropped  # (H·G·H,)
        np.multiply(kept.reshape(W.shape), 256.0 / (256 - dropped), out=W)
    return mask.flat
