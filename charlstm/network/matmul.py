"""Matrix products in pieces so small that the BLAS multiplies them as they stand.

A step of a recurrent layer multiplies few rows (B) with large weights. A BLAS first copies the weights into an order
of its own, and for few rows that copy costs as much as the product. OpenBLAS leaves it out where rows · columns · depth
is at most a million. So the weights are cut into strips of columns, once a batch, and every step multiplies strip by
strip. A strip is a whole number of vector registers wide, the last one filled up with zeros.

Some kernels add up in another order in some rows of a product than in others, so what a row gives may differ in its
last bits with the rows beside it. Where that must not be, rows stand only where they give what they would give alone,
and what stands between them is not used.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from charlstm.parameters import Array, Buffers

SMALL_PRODUCT = 1_000_000
WIDTHS = (64, 48, 32, 16)
LEAST_ROWS = 2  # a product of one row is another routine of the BLAS, slower for large weights
BLOCK = 12  # kernels take so many rows at a time, or a divisor of it
PADDING = 16  # a column whose numbers stand 4096 bytes apart would not fit into a cache; this moves them off each other


class Product:
    """x · weights for every gate, for one number of rows, again and again.

    Parameters
    ----------
    weights : (G, D, H) array
        One matrix a gate.
    rows
        Rows of x (B).
    name, buffers
        What this product is called in the working memory that holds its copy of the weights and its result.
    scale : (G, 1, 1) array, optional
        Multiplied into the copy.
    batch_invariant
        True: a row gives the same bits whatever rows stand beside it.

    Attributes
    ----------
    result : (G, B, H) array
        The last product, if rows stand as they are given; overwritten by the next one.
    """

    def __init__(
        self,
        weights: Array,
        rows: int,
        name: str,
        buffers: Buffers,
        scale: Array | None = None,
        batch_invariant: bool = False,
    ) -> None:
        G, D, H = weights.shape
        self._seating = (
            seating(rows, D, weights.dtype.name) if batch_invariant else Seating(1, max(rows, LEAST_ROWS), None)
        )
        groups, seats, _ = self._seating
        width = _width(H, D, seats)
        n = -(-H // width)
        if weights.strides[-1] > weights.strides[-2]:
            apart = buffers("apart", (G, H, D + PADDING))
            apart[..., :D] = weights.swapaxes(1, 2)
            weights = apart[..., :D].swapaxes(1, 2)
        self._strips = buffers(f"{name} strips", (G, n, D, width))
        whole = H // width
        self._strips[:, :whole] = weights[..., : whole * width].reshape(G, D, whole, width).swapaxes(1, 2)
        if whole < n:
            self._strips[:, whole] = 0.0
            self._strips[:, whole, :, : H - whole * width] = weights[..., whole * width :]
        if scale is not None:
            self._strips *= scale[..., None]
        result = buffers(f"{name} result", (groups, G, seats, n * width))
        self._cut = result.reshape(groups, G, seats, n, width).swapaxes(2, 3)  # (groups, G, n, seats, w)
        self._all, self._only = result[..., :H], self._cut[0]
        self._buffers = buffers
        self.result = self._all[0, :, :rows]

    def __call__(self, x: Array) -> Array:
        """Return the product of x, (B, D) for all gates alike or (G, B, D): (G, B, H), good until the next call."""
        rows = x.shape[-2]
        if rows == 0:
            return self.result
        _, seats, places = self._seating
        if places is not None:
            return self._apart(x)
        if rows < seats:
            more = self._buffers("more rows", (*x.shape[:-2], seats, x.shape[-1]))
            more[...] = x if rows == 1 else x[..., :1, :]
            if rows > 1:
                more[..., :rows, :] = x
            x = more
        np.matmul(x if x.ndim == 2 else x[:, None], self._strips, out=self._only)
        return self.result

    def _apart(self, x: Array) -> Array:
        """Return the product of x, (B, D), whose rows stand apart."""
        (rows, depth), (groups, seats, places) = x.shape, self._seating
        assert places is not None
        more = self._buffers("more rows", (groups, seats, depth))
        more[...] = x[:1]
        seated = np.resize(x, (groups, len(places), depth))  # the last group is filled up with rows of the first
        more[:, places] = seated
        np.matmul(more[:, None, None], self._strips, out=self._cut)
        taken = self._all[:, :, places]  # (groups, G, K, H)
        return np.asarray(taken.swapaxes(0, 1).reshape(taken.shape[1], -1, taken.shape[3])[:, :rows])


class Seating(NamedTuple):
    """How the rows of a product stand.

    Attributes
    ----------
    groups
        Into how many products they are split.
    seats
        Rows of each product.
    places : (K,) array or None
        Which of them are used; None: the first ones.
    """

    groups: int
    seats: int
    places: Array | None


@lru_cache
def seating(rows: int, depth: int, dtype: str) -> Seating:
    """Return how so many rows stand if each has to give what it would give alone, found by trying."""
    row, *columns = np.random.default_rng(0).standard_normal((1 + WIDTHS[-1], depth)).astype(dtype)
    weights = np.ascontiguousarray(np.transpose(columns))  # (D, w)
    alone = (np.tile(row, (LEAST_ROWS, 1)) @ weights)[0]  # (w,)
    groups = 1
    while True:
        each = -(-rows // groups)
        for seats in (max(each, LEAST_ROWS), -(-2 * each // BLOCK) * BLOCK):
            alike = np.flatnonzero((np.tile(row, (seats, 1)) @ weights == alone).all(axis=1))  # (K,)
            if len(alike) >= each:
                first = groups == 1 and alike[each - 1] == each - 1
                return Seating(groups, seats, None if first else alike[:each])
        groups *= 2


def _width(columns: int, depth: int, rows: int) -> int:
    """Return the width of strips that are small enough: with the fewest columns of zeros, and then the widest."""
    small = [width for width in WIDTHS if rows * width * depth <= SMALL_PRODUCT] or [WIDTHS[-1]]
    return min(small, key=lambda width: (-columns % width, -width))


def sum_by_place(rows: Array, places: Array, out: Array, buffers: Buffers) -> None:
    """Write into `out` the sum of the rows that belong to each place: one-hot rows, transposed, times them.

    Parameters
    ----------
    rows : (G, N, H) array
        What is summed.
    places : (N,) array of ids
        Where each row belongs.
    out : (G, V, H) array
        Overwritten.
    """
    out[...] = 0.0
    if not places.size:
        return
    order = np.argsort(places, kind="stable")  # (N,)
    bounds = [0, *(np.flatnonzero(np.diff(places[order])) + 1).tolist(), len(order)]
    for start, stop in pairwise(bounds):
        group = order[start:stop]  # those of one place
        taken = buffers("taken", (len(rows), stop - start, rows.shape[2]))
        np.take(rows, group, axis=1, out=taken, mode="clip")
        np.add.reduce(taken, axis=1, out=out[:, places[group[0]]])
