"""Matrix products in pieces so small that the BLAS multiplies them as they stand.

A step of a recurrent layer multiplies few rows (B) with large weights. A BLAS first copies the weights into an order
of its own, and for few rows that copy costs as much as the product. OpenBLAS leaves it out where rows · columns · depth
is at most a million. So the weights are cut into strips of columns, once a batch, and every step multiplies strip by
strip. A strip is a whole number of vector registers wide, the last one filled up with zeros.
"""

from __future__ import annotations

import numpy as np

from charlstm.parameters import Array, Scratch

SMALL_PRODUCT = 1_000_000
WIDTHS = (64, 48, 32, 16)
LEAST_ROWS = 2  # a product of one row is another routine of the BLAS, slower for large weights
PADDING = 16  # a column whose numbers stand 4096 bytes apart would not fit into a cache; this moves them off each other


class Product:
    """x · weights for every gate, for one number of rows, again and again.

    Parameters
    ----------
    weights : (G, D, H) array
        One matrix a gate.
    rows
        Rows of x (B).
    name, scratch
        What this product is called in the working memory that holds its copy of the weights and its result.
    scale : (G, 1, 1) array, optional
        Multiplied into the copy.

    Attributes
    ----------
    result : (G, B, H) array
        The last product; overwritten by the next one.
    """

    def __init__(self, weights: Array, rows: int, name: str, scratch: Scratch, scale: Array | None = None) -> None:
        G, D, H = weights.shape
        width = _width(H, D, max(rows, LEAST_ROWS))
        n = -(-H // width)
        if weights.strides[-1] > weights.strides[-2]:
            apart = scratch("apart", (G, H, D + PADDING))
            apart[..., :D] = weights.swapaxes(1, 2)
            weights = apart[..., :D].swapaxes(1, 2)
        self._strips = scratch(f"{name} strips", (G, n, D, width))
        whole = H // width
        self._strips[:, :whole] = weights[..., : whole * width].reshape(G, D, whole, width).swapaxes(1, 2)
        if whole < n:
            self._strips[:, whole] = 0.0
            self._strips[:, whole, :, : H - whole * width] = weights[..., whole * width :]
        if scale is not None:
            self._strips *= scale[..., None]
        result = scratch(f"{name} result", (G, max(rows, LEAST_ROWS), n * width))
        self._cut = result.reshape(*result.shape[:2], n, width).swapaxes(1, 2)  # (G, n, B, w)
        self._scratch = scratch
        self.result = result[:, :rows, :H]

    def __call__(self, x: Array) -> Array:
        """Return the product of x, (B, D) for all gates alike or (G, B, D): (G, B, H), good until the next call."""
        rows = x.shape[-2]
        if rows == 0:
            return self.result
        if rows < LEAST_ROWS:
            more = self._scratch("more rows", (*x.shape[:-2], LEAST_ROWS, x.shape[-1]))
            more[...] = x
            x = more
        np.matmul(x if x.ndim == 2 else x[:, None], self._strips, out=self._cut)
        return self.result


def _width(columns: int, depth: int, rows: int) -> int:
    """Return the width of strips that are small enough: with the fewest columns of zeros, and then the widest."""
    small = [width for width in WIDTHS if rows * width * depth <= SMALL_PRODUCT] or [WIDTHS[-1]]
    return min(small, key=lambda width: (-columns % width, -width))
