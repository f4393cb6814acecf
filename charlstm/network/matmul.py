"""Matrix products with weights that are packed once and used at every step: `x @ packed`.

A step of a recurrent layer multiplies few rows (B) with large weights. A BLAS first copies the weights into an order
of its own, and for few rows that copy costs as much as the product. With kernels for AVX-512, OpenBLAS leaves it out
where rows · columns · depth is at most a million. There `PackedMatrix` cuts the weights into strips of columns, and a
product multiplies strip by strip. A strip is a whole number of vector registers wide; zeros fill the last one up. Other
kernels always copy, and multiply all columns of a gate in less time.

Some BLAS kernels sum in another order in some rows of a product than in others, so the last bits of a row may depend
on the rows beside it. `pack_matrix` with `batch_invariant` avoids that. A trial tells which kernels the BLAS has:

- Kernels that treat the rows of a product alike, as those for AVX-512 do: `PackedMatrix`. If they treat them
  differently for some number of rows, the rows of x stand where each gets the bits that it would get alone; what is
  computed for the rows between them is ignored.
- Other kernels, as those for AVX2: each row is a vector–matrix product of its own, `RowMatrix`. For that a BLAS does
  not copy the weights, so one row takes only a quarter to a half of the time. Many rows have the same bits in less time
  as a `LaneMatrix`, if a trial shows that this BLAS sums in that order.

Which of the two it is depends on the depth and the float type, never on the number of rows.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array, Buffers

SMALL_PRODUCT = 1_000_000  # rows · columns · depth up to which OpenBLAS does not copy the weights
WIDTHS = (64, 48, 32, 16)  # columns of a strip
WORTHWHILE = 32  # columns: where no strip of this width is small enough, one product of all columns takes less time
FEWEST_ROWS = 2  # a product of one row is another BLAS routine, slower for large weights
KERNEL_ROWS = 12  # kernels process this number of rows at a time, or a divisor of it
LANES = 8  # numbers of a vector register, in which a vector–matrix product sums
MANY_ROWS = 72  # rows of a matrix product of lanes, at most, so that its sums stay in the cache
ROWS_TOGETHER, DEPTH_TOGETHER = 24, 192  # from which on products of lanes take less time than a product for each row
ALONE_WIDTH = 128  # columns of a strip for vector–matrix products, which stays in the cache while all rows read it
TOGETHER_WIDTH = 256  # columns of a strip for products of lanes, at most; kernels split wider ones
MARGIN = 8  # columns at either end of a strip, in which kernels for AVX2 sum in another order
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
        is_small = batch_invariant or rows_of_group * WORTHWHILE * D <= SMALL_PRODUCT
        cut = is_small and treats_rows_alike(D, weights.dtype.name)
        width = _strip_width(H, D, rows_of_group) if cut else H
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


class RowMatrix:
    """One matrix per gate, packed for products whose rows are vector–matrix products: `x @ packed`.

    Nothing stands beside a row, so its bits depend on it alone, with any BLAS.

    Parameters
    ----------
    weights, rows, name, buffers
        As for `PackedMatrix`.
    """

    __array_ufunc__ = None

    def __init__(self, weights: Array, rows: int, name: str, buffers: Buffers) -> None:
        G, D, H = weights.shape
        self._buffers, self._depth = buffers, _round_up(D, LANES)
        n, width = _split_columns(H, ALONE_WIDTH, 4)  # kernels compute four numbers at a time
        strips = buffers(f"{name} strips", (G, n * width, self._depth))
        strips[:, H:] = 0.0
        strips[..., D:] = 0.0
        strips[:, :H, :D] = weights.swapaxes(1, 2)
        self._strips = strips.reshape(G, n, 1, width, self._depth)
        result = buffers(f"{name} result", (G, rows, n * width))
        self._result_strips = result.reshape(G, rows, n, width).swapaxes(1, 2)[..., None]  # (G, n, B, width, 1)
        self.result = result[..., :H]

    def __rmatmul__(self, x: Array) -> Array:
        """Return x @ weights for x, (B, D): (G, B, H), valid until the next product."""
        x = _pad_rows(x, self._depth, self._buffers)
        np.matmul(self._strips, x[..., None], out=self._result_strips)
        return self.result


class LaneMatrix:
    """One matrix per gate, packed for products of many rows with the bits of `RowMatrix`: `x @ packed`.

    A vector–matrix product for AVX2 sums in the lanes of a register. Lane l sums x[d]·w[d] over all d with d mod 8 = l,
    in this order; let p_l be its sum. Then the lanes are added:

        ((p_0 + p_4) + (p_1 + p_5)) + ((p_2 + p_6) + (p_3 + p_7))

    So eight matrix products, each with an eighth of the depth, give the p_l of many rows. With l = 4a + 2b + c, the
    additions go over a, then c, then b. They take less time than reading the weights once for all rows saves.

    A kernel for AVX2 sums in order in all rows up to a multiple of 12, and in all columns but the first 8 and the last
    8 of a product. Elsewhere it sums the even and the odd d separately. So zeros fill up the rows, and stand at both
    ends of each strip. `sums_like_rows` tries whether the BLAS at hand does all that.

    Parameters
    ----------
    weights, rows, name, buffers
        As for `PackedMatrix`.
    """

    __array_ufunc__ = None

    def __init__(self, weights: Array, rows: int, name: str, buffers: Buffers) -> None:
        G, D, H = weights.shape
        self._buffers, self._depth = buffers, _round_up(D, LANES)
        groups, seats = _seat_rows(rows)
        n, width = _split_columns(G * H, TOGETHER_WIDTH, MARGIN)  # the gates stand side by side
        columns = buffers("columns", (self._depth, n * width))
        columns[D:] = 0.0
        columns[:, G * H :] = 0.0
        columns[:D, : G * H].reshape(D, G, H)[...] = weights.swapaxes(0, 1)
        self._strips = buffers(f"{name} strips", (n, 2, 2, 2, self._depth // LANES, width + 2 * MARGIN))
        self._strips[...] = 0.0
        for i, strip in enumerate(self._strips):
            strip[..., MARGIN:-MARGIN] = _split_lanes(columns[:, i * width : (i + 1) * width])
        result = buffers(f"{name} result", (groups * seats, n * width))
        self._result_strips = result.reshape(groups, seats, n, width).swapaxes(1, 2)  # (groups, n, seats, width)
        self.result: Array = result[:rows, : G * H].reshape(rows, G, H).swapaxes(0, 1)

    def __rmatmul__(self, x: Array) -> Array:
        """Return x @ weights for x, (B, D): (G, B, H), valid until the next product."""
        x = _pad_rows(x, self._depth, self._buffers)
        seats, width = self._result_strips.shape[2:]
        seated = self._buffers("seated rows", (2, 2, 2, seats, self._depth // LANES))
        sums = self._buffers("sums of lanes", (2, 2, 2, seats, width + 2 * MARGIN))
        for group, result_strips in enumerate(self._result_strips):
            rows = x[group * seats : (group + 1) * seats]
            seated[..., : len(rows), :] = _split_lanes(rows.T).swapaxes(-1, -2)
            seated[..., len(rows) :, :] = 0.0
            for strip, out in zip(self._strips, result_strips, strict=True):
                np.matmul(seated, strip, out=sums)
                over_a = np.add(sums[0], sums[1], out=sums[0])
                over_c = np.add(over_a[0], over_a[1], out=over_a[0])
                np.add(over_c[0, :, MARGIN:-MARGIN], over_c[1, :, MARGIN:-MARGIN], out=out)
        return self.result


Packed = PackedMatrix | RowMatrix | LaneMatrix


def pack_matrix(weights: Array, rows: int, name: str, buffers: Buffers, batch_invariant: bool = False) -> Packed:
    """Return weights packed for products with one number of rows, in the form that computes them fastest.

    Parameters
    ----------
    weights, rows, name, buffers, batch_invariant
        As for `PackedMatrix`.
    """
    (G, D, H), dtype = weights.shape, weights.dtype.name
    if not batch_invariant or treats_rows_alike(D, dtype):
        return PackedMatrix(weights, rows, name, buffers, batch_invariant)
    if rows >= ROWS_TOGETHER and D >= DEPTH_TOGETHER:
        (_, seats), (_, width) = _seat_rows(rows), _split_columns(G * H, TOGETHER_WIDTH, MARGIN)
        if sums_like_rows(seats, D, width, dtype):
            return LaneMatrix(weights, rows, name, buffers)
    return RowMatrix(weights, rows, name, buffers)


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
    row, weights, alone = _multiply_alone(depth, WIDTHS[-1], dtype)
    groups = 1
    while True:
        needed = -(-rows // groups)
        for count in (max(needed, FEWEST_ROWS), -(-2 * needed // KERNEL_ROWS) * KERNEL_ROWS):
            equal = np.flatnonzero((np.tile(row, (count, 1)) @ weights == alone).all(axis=1))  # (K,)
            if len(equal) >= needed:
                first = groups == 1 and equal[needed - 1] == needed - 1
                return RowLayout(groups, count, None if first else equal[:needed])
        groups *= 2


@lru_cache
def treats_rows_alike(depth: int, dtype: str) -> bool:
    """Return whether a matrix product gives each of a few rows the bits that it would get alone, found by trying."""
    row, weights, alone = _multiply_alone(depth, WIDTHS[0], dtype)
    return bool((np.tile(row, (KERNEL_ROWS, 1)) @ weights == alone).all())


def _multiply_alone(depth: int, columns: int, dtype: str) -> tuple[Array, Array, Array]:
    """Return a row, (D,), weights, (D, N), and the bits of their product where nothing stands beside the row, (N,)."""
    row, *transposed = np.random.default_rng(0).standard_normal((1 + columns, depth)).astype(dtype)
    weights = np.ascontiguousarray(np.transpose(transposed))
    return row, weights, (np.tile(row, (FEWEST_ROWS, 1)) @ weights)[0]


@lru_cache
def sums_like_rows(rows: int, depth: int, columns: int, dtype: str) -> bool:
    """Return whether `LaneMatrix` gives the bits of `RowMatrix`, found by trying with the shape of one strip."""
    rng, buffers = np.random.default_rng(0), Buffers(dtype)
    x, weights = (rng.standard_normal(shape).astype(dtype) for shape in ((rows, depth), (1, depth, columns)))
    together = x @ LaneMatrix(weights, rows, "together", buffers)
    return np.array_equal(together, x @ RowMatrix(weights, rows, "alone", buffers))


def _seat_rows(rows: int) -> tuple[int, int]:
    """Return in how many groups `LaneMatrix` multiplies rows, and the rows of each with the unused ones."""
    groups = -(-rows // MANY_ROWS)
    return groups, _round_up(-(-rows // groups), KERNEL_ROWS)


def _split_lanes(numbers: Array) -> Array:
    """Return a view (2, 2, 2, D / 8, N) of numbers (D, N), where [a, c, b] holds lane 4a + 2b + c."""
    D, N = numbers.shape
    return np.asarray(numbers.reshape(D // LANES, 2, 2, 2, N).transpose(1, 3, 2, 0, 4))


def _pad_rows(x: Array, depth: int, buffers: Buffers) -> Array:
    """Return x, (B, D), with zeros behind its columns: (B, depth)."""
    B, D = x.shape
    if depth == D:
        return x
    padded = buffers("padded rows", (B, depth))
    padded[:, :D] = x
    padded[:, D:] = 0.0
    return padded


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _split_columns(columns: int, widest: int, multiple: int) -> tuple[int, int]:
    """Return the fewest strips that are not too wide, and their width, a multiple of a number."""
    n = -(-columns // widest)
    return n, _round_up(-(-columns // n), multiple)


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
