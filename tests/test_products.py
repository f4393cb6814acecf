"""Products in strips against the sums that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlstm.network import Buffers
from charlstm.products import SMALL_PRODUCT, Product


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

    def scratch(name, shape):
        return made.setdefault(name, np.zeros(shape, np.float32))

    Product(np.zeros((4, D, H), np.float32), rows, "w", scratch)
    assert rows * D * made["w strips"].shape[-1] <= SMALL_PRODUCT
