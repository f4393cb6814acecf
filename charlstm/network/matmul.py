"""Matrix products with weights that are packed once and used at every step: `x @ packed`.

A step of a recurrent layer multiplies few rows (B) with large weights. A BLAS first copies the weights into an order
of its own, and for few rows that copy costs as much as the product. OpenBLAS leaves it out where rows · columns · depth
is at most a million. So `PackedMatrix` cuts the weights into strips of columns, and a product multiplies strip by
strip. A strip is a whole number of vector registers wide; zeros fill the last one up.

Some BLAS kernels sum in another order in some rows of a product than in others, so the last bits of a row may depend
on the rows beside it. A batch-invariant product avoids that: it puts the rows of x where the kernel gives each of them
what it would give that row alone, and ignores what it computes for the rows between them.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array, Buffers

SMALL_PRODUCT = 1_000_000  # rows · columns · depth up to which OpenBLAS does not copy the weights
WIDTHS = (64, 48, 32, 16)  # columns of a strip
FEWEST_ROWS = 2  # a product of one row is another BLAS routine, slower for large weights
KERNEL_ROWS = 12  # kernels process this number of rows at a time, or a divisor of it
PADDING = 16  # keeps the numbers of a column from standing 4096 bytes apart, where they would share one cache line set


class PackedMatrix:
    """One matrix per gate, packed for products with one number of rows: `x @ packed`.

    Parameters
    ----------
    weights : (G, D, H) array
        One matrix per gate.
    rows
        Number of rows of x (B).
    name, buffers
        Working memory for the copy of the weights and for the result, and their name in it.
    batch_invariant
        True: the bits of a row of the product do not depend on the other rows.

    Attributes
    ----------
    result : (G, B, H) array
        Where a product without `batch_invariant` is written; the next product overwrites it.
    """

    __array_ufunc__ = None  # makes NumPy leave `array @ packed` to __rmatmul__

    def __init__(self, weights: Array, rows: int, name: str, buffers: Buffers, batch_invariant: bool = False) -> None:
        G, D, H = weights.shape
        self._layout = RowLayout(1, max(rows, FEWEST_ROWS), None)
        if batch_invariant:
            self._layout = find_row_layout(rows, D, weights.dtype.name)
        groups, rows_of_group, _ = self._layout
        width = _strip_width(H, D, rows_of_group)
        n = -(-H // width)
        if weights.strides[-1] > weights.strides[-2]:  # a transposed matrix; copying it with padding is faster
            padded = buffers("padded", (G, H, D + PADDING))
            padded[..., :D] = weights.swapaxes(1, 2)
            weights = padded[..., :D].swapaxes(1, 2)
        self._strips = buffers(f"{name} strips", (G, n, D, width))
        whole = H // width
        self._strips[:, :whole] = weights[..., : whole * width].reshape(G, D, whole, width).swapaxes(1, 2)
        if whole < n:
            self._strips[:, whole] = 0.0
            self._strips[:, whole, :, : H - whole * width] = weights[..., whole * width :]
        result = buffers(f"{name} result", (groups, G, rows_of_group, n * width))
        self._result = result[..., :H]  # (groups, G, rows_of_group, H)
        self._result_strips = result.reshape(groups, G, rows_of_group, n, width).swapaxes(2, 3)
        self._first_strips = self._result_strips[0]
        self._buffers = buffers
        self.result = self._result[0, :, :rows]

    def __rmatmul__(self, x: Array) -> Array:
        """Return x @ weights: (G, B, H), valid until the next product.

        Parameters
        ----------
        x : (B, D) or (G, B, D) array
            The same rows for all gates, or rows for each gate.
        """
        rows = x.shape[-2]
        if rows == 0:
            return self.result
        if self._layout.used is not None:
            return self._multiply_spread(x)
        if rows < self._layout.rows:  # repeat the first row
            filled = self._buffers("filled rows", (*x.shape[:-2], self._layout.rows, x.shape[-1]))
            filled[...] = x[..., :1, :]
            if rows > 1:
                filled[..., :rows, :] = x
            x = filled
        np.matmul(x if x.ndim == 2 else x[:, None], self._strips, out=self._first_strips)
        return self.result

    def _multiply_spread(self, x: Array) -> Array:
        """Return x @ weights for x, (B, D), whose rows the layout spreads: a new (G, B, H) array."""
        (rows, depth), (groups, rows_of_group, used) = x.shape, self._layout
        assert used is not None
        spread = self._buffers("filled rows", (groups, rows_of_group, depth))
        spread[...] = x[:1]
        spread[:, used] = np.resize(x, (groups, len(used), depth))  # repeats rows where the last group is not full
        np.matmul(spread[:, None, None], self._strips, out=self._result_strips)
        results = self._result[:, :, used]  # (groups, G, K, H)
        return np.asarray(results.swapaxes(0, 1).reshape(results.shape[1], -1, results.shape[3])[:, :rows])


class RowLayout(NamedTuple):
    """Where the rows of x stand in the products that compute `x @ packed`.

    Attributes
    ----------
    groups
        Number of products into which the rows are split.
    rows
        Rows of each product, used or not.
    used : (K,) array or None
        Which of them hold rows of x; None: the first ones.
    """

    groups: int
    rows: int
    used: Array | None


@lru_cache
def find_row_layout(rows: int, depth: int, dtype: str) -> RowLayout:
    """Return a layout in which every row gives the bits that it would give alone, found by trying.

    Parameters
    ----------
    rows
        Number of rows of x.
    depth
        Number of their columns.
    dtype
        Their float type.
    """
    row, *columns = np.random.default_rng(0).standard_normal((1 + WIDTHS[-1], depth)).astype(dtype)
    weights = np.ascontiguousarray(np.transpose(columns))  # (D, w)
    alone = (np.tile(row, (FEWEST_ROWS, 1)) @ weights)[0]  # (w,)
    groups = 1
    while True:
        needed = -(-rows // groups)
        for count in (max(needed, FEWEST_ROWS), -(-2 * needed // KERNEL_ROWS) * KERNEL_ROWS):
            equal = np.flatnonzero((np.tile(row, (count, 1)) @ weights == alone).all(axis=1))  # (K,)
            if len(equal) >= needed:
                first = groups == 1 and equal[needed - 1] == needed - 1
                return RowLayout(groups, count, None if first else equal[:needed])
        groups *= 2


def _strip_width(columns: int, depth: int, rows: int) -> int:
    """Return the width of strips: of those small enough, the one with the fewest zeros, and then the widest."""
    small = [width for width in WIDTHS if rows * width * depth <= SMALL_PRODUCT] or [WIDTHS[-1]]
    return min(small, key=lambda width: (-columns % width, -width))


def sum_by_id(rows: Array, ids: Array, out: Array) -> None:
    """Write the sum of the rows of each id into `out`: the product of one-hot rows, transposed, with `rows`.

    Parameters
    ----------
    rows : (G, N, H) array
        What to sum.
    ids : (N,) array of ids
        The id of each row.
    out : (G, V, H) array
        Overwritten.

    Examples
    --------
    >>> out = np.empty((1, 3, 1))
    >>> sum_by_id(np.array([[[1.0], [2.0], [4.0]]]), np.array([2, 0, 2]), out)
    >>> out[0, :, 0]
    array([2., 0., 5.])
    """
    out[...] = 0.0
    if not ids.size:
        return
    order = np.argsort(ids, kind="stable")  # (N,)
    bounds = [0, *(np.flatnonzero(np.diff(ids[order])) + 1).tolist(), len(order)]
    for start, stop in pairwise(bounds):
        places = order[start:stop]  # where one id stands
        np.add.reduce(rows.take(places, axis=1), axis=1, out=out[:, ids[places[0]]])
