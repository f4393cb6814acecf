"""Products in strips against the sums that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlstm.network.matmul import SMALL_PRODUCT, Product, Seating
from charlstm.parameters import Buffers


@given(
    G=st.integers(1, 4), D=st.integers(1, 40), H=st.integers(1, 150), B=st.integers(0, 5), turned=st.booleans(),
    own=st.booleans(), scaled=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_product_in_strips_is_the_product(G, D, H, B, turned, own, scaled, seed):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((G, H, D)).swapaxes(1, 2) if turned else rng.standard_normal((G, D, H))
    scale = rng.standard_normal((G, 1, 1)) if scaled else np.ones((G, 1, 1))
    dirty = Buffers(np.float64)
    for name in ("w strips", "w result"):
        dirty(name, (100_000,))[...] = np.nan
    product = Product(weights, B, "w", dirty, scale if scaled else None)
    for _ in range(2):
        x = rng.standard_normal((G, B, D) if own else (B, D))
        wanted = np.stack([np.einsum("bd,dh->bh", x[g] if own else x, weights[g] * scale[g]) for g in range(G)])
        np.testing.assert_allclose(product(x), wanted, atol=1e-12)


@pytest.mark.parametrize(("D", "H", "rows"), [(128, 128, 16), (256, 256, 32), (512, 512, 64), (160, 160, 32)])
def test_a_strip_is_small_enough_for_the_rows(D, H, rows):
    made = {}

    def buffers(name, shape):
        return made.setdefault(name, np.zeros(shape, np.float32))

    Product(np.zeros((4, D, H), np.float32), rows, "w", buffers)
    assert rows * D * made["w strips"].shape[-1] <= SMALL_PRODUCT


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("D", "H"), [(5, 7), (37, 65), (128, 40), (700, 20)])
@pytest.mark.parametrize("B", [2, 3, 4, 7, 12, 64, 130])
def test_a_row_gives_the_same_bits_whatever_stands_beside_it(B, D, H, dtype):
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal((2, D, H)).astype(dtype), rng.standard_normal((B, D)).astype(dtype)
    together = Product(weights, B, "w", Buffers(dtype), batch_invariant=True)(x)
    alone = Product(weights, 1, "w", Buffers(dtype), batch_invariant=True)
    for row in range(B):
        np.testing.assert_array_equal(together[:, row], alone(x[row : row + 1])[:, 0])


@pytest.mark.parametrize("seating", [Seating(1, 9, np.array([1, 3, 4, 6, 8])), Seating(3, 4, np.array([0, 3]))])
def test_rows_that_stand_apart_give_the_product(monkeypatch, seating):
    monkeypatch.setattr("charlstm.network.matmul.seating", lambda rows, depth, dtype: seating)
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal((3, 6, 20)), rng.standard_normal((5, 6))
    made = Product(weights, 5, "w", Buffers(np.float64), batch_invariant=True)(x)
    np.testing.assert_allclose(made, np.einsum("bd,gdh->gbh", x, weights), atol=1e-12)
