"""Products with packed matrices, against the sums that define them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlstm.base.parameters import Buffers
from charlstm.network.matmul import SMALL_PRODUCT, PackedMatrix, RowLayout, sum_by_id


@given(
    G=st.integers(1, 4), D=st.integers(1, 40), H=st.integers(1, 150), B=st.integers(0, 5), transposed=st.booleans(),
    per_gate=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_product_with_a_packed_matrix_is_the_product(G, D, H, B, transposed, per_gate, seed):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((G, H, D)).swapaxes(1, 2) if transposed else rng.standard_normal((G, D, H))
    used_before = Buffers(np.float64)
    for name in ("w strips", "w result"):
        used_before(name, (100_000,))[...] = np.nan
    packed = PackedMatrix(weights, B, "w", used_before)
    for _ in range(2):
        x = rng.standard_normal((G, B, D) if per_gate else (B, D))
        expected = np.stack([np.einsum("bd,dh->bh", x[g] if per_gate else x, weights[g]) for g in range(G)])
        np.testing.assert_allclose(x @ packed, expected, atol=1e-12)


@pytest.mark.parametrize(("D", "H", "rows"), [(128, 128, 16), (256, 256, 32), (512, 512, 64), (160, 160, 32)])
def test_a_strip_is_small_enough_for_the_rows(D, H, rows):
    made = {}

    def buffers(name, shape):
        return made.setdefault(name, np.zeros(shape, np.float32))

    PackedMatrix(np.zeros((4, D, H), np.float32), rows, "w", buffers)
    assert rows * D * made["w strips"].shape[-1] <= SMALL_PRODUCT


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("D", "H"), [(5, 7), (37, 65), (128, 40), (700, 20)])
@pytest.mark.parametrize("B", [2, 3, 4, 7, 12, 64, 130])
def test_the_bits_of_a_row_do_not_depend_on_the_other_rows(B, D, H, dtype):
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal((2, D, H)).astype(dtype), rng.standard_normal((B, D)).astype(dtype)
    together = x @ PackedMatrix(weights, B, "w", Buffers(dtype), batch_invariant=True)
    alone = PackedMatrix(weights, 1, "w", Buffers(dtype), batch_invariant=True)
    for row in range(B):
        np.testing.assert_array_equal(together[:, row], (x[row : row + 1] @ alone)[:, 0])


@pytest.mark.parametrize("layout", [RowLayout(1, 9, np.array([1, 3, 4, 6, 8])), RowLayout(3, 4, np.array([0, 3]))])
def test_rows_that_a_layout_spreads_give_the_product(monkeypatch, layout):
    monkeypatch.setattr("charlstm.network.matmul.find_row_layout", lambda rows, depth, dtype: layout)
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal((3, 6, 20)), rng.standard_normal((5, 6))
    product = x @ PackedMatrix(weights, 5, "w", Buffers(np.float64), batch_invariant=True)
    np.testing.assert_allclose(product, np.einsum("bd,gdh->gbh", x, weights), atol=1e-12)


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(0, 99))
def test_rows_are_summed_by_id_as_by_one_hot_rows(ids, seed):
    ids = np.array(ids, np.uint8)
    rows = np.random.default_rng(seed).standard_normal((2, len(ids), 3))
    out = np.full((2, 7, 3), np.nan)
    sum_by_id(rows, ids, out)
    np.testing.assert_allclose(out, np.einsum("nv,gnh->gvh", np.eye(7)[ids], rows), atol=1e-12)
