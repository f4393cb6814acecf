"""Matrix products in pieces so small that the BLAS multiplies them as they stand.

A step of a recurrent layer multiplies few rows (B) with large weights. A BLAS first copies the weights into an order
of its own, and for few rows that copy costs as much as the product. OpenBLAS leaves it out where rows · columns · depth
is at most a million. So the weights are cut into strips of columns, once a batch, and every step multiplies strip by
strip.
"""

from __future__ import annotations

import numpy as np

from charlstm.parameters import Array, Scratch

SMALL_PRODUCT = 1_000_000
WIDEST_STRIP = 64
NARROWEST_STRIP = 8
PADDING = 16  # a column whose numbers stand 4096 bytes apart would not fit into a cache; this moves them off each other


def strips(weights: Array, rows: int, name: str, scratch: Scratch) -> Array:
    """Cut matrices into strips of columns, each contiguous.

    Parameters
    ----------
    weights : (G, D, H) array
        One matrix a gate.
    rows
        Rows (B) that will be multiplied with them at a time.
    name, scratch
        What the strips are called in the working memory that holds them.

    Returns
    -------
    (G, n, D, H/n) array
        A copy; n is 1 where no even cut is worth it.
    """
    G, D, H = weights.shape
    if weights.strides[-1] > weights.strides[-2]:
        padded = scratch("padded", (G, H, D + PADDING))
        padded[..., :D] = weights.swapaxes(1, 2)
        weights = padded[..., :D].swapaxes(1, 2)
    width = next((w for w in _widths(H) if rows * w * D <= SMALL_PRODUCT), H) if rows > 1 else H
    cut = scratch(name, (G, H // width, D, width))
    cut[...] = weights.reshape(G, D, H // width, width).swapaxes(1, 2)
    return cut


def multiply(x: Array, strips: Array, out: Array) -> None:
    """Write x · weights for every gate.

    Parameters
    ----------
    x : (…, B, D) or (G, …, B, D) array
        Rows; the same for all gates, or with a leading axis of gates and as many axes as `out`.
    strips : (G, n, D, w) array
        What `strips` returned.
    out : (G, …, B, n·w) array
        Written.
    """
    G, n, D, w = strips.shape
    between = (1,) * (out.ndim - 3)
    cut = out.reshape(*out.shape[:-1], n, w)  # (G, …, B, n, w)
    np.matmul(x[..., None, :, :], strips.reshape(G, *between, n, D, w), out=cut.swapaxes(-3, -2))


def _widths(columns: int) -> list[int]:
    """Return the widths of strips worth trying, best first: wide, and preferably a whole number of vector registers."""
    even = [w for w in range(WIDEST_STRIP, NARROWEST_STRIP - 1, -1) if columns % w == 0]
    return sorted(even, key=lambda w: w % 16 != 0)
