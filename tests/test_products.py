"""Products in strips against the sum of products that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlstm.network import Buffers
from charlstm.products import SMALL_PRODUCT, multiply, strips


@given(
    G=st.integers(1, 4), D=st.integers(1, 40), H=st.integers(1, 150), B=st.integers(1, 5), T=st.integers(0, 3),
    turned=st.booleans(), own=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_product_in_strips_is_the_product(G, D, H, B, T, turned, own, seed):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((G, H, D)).swapaxes(1, 2) if turned else rng.standard_normal((G, D, H))
    steps = (T,) if T else ()
    x = rng.standard_normal((G, *steps, B, D) if own else (*steps, B, D))
    out = np.full((G, *steps, B, H), np.nan)
    multiply(x, strips(weights, B, "w", Buffers(np.float64)), out)
    wanted = np.stack([np.einsum("...bd,dh->...bh", x[g] if own else x, weights[g]) for g in range(G)])
    np.testing.assert_allclose(out, wanted, atol=1e-12)


@pytest.mark.parametrize(("D", "H", "rows"), [(128, 128, 16), (256, 256, 32), (512, 512, 64), (160, 160, 32)])
def test_a_strip_is_small_enough_for_the_rows(D, H, rows):
    cut = strips(np.zeros((4, D, H), np.float32), rows, "w", Buffers(np.float32))
    assert cut.shape[1] * cut.shape[3] == H
    assert rows * D * cut.shape[3] <= SMALL_PRODUCT
    assert cut.flags.c_contiguous
