"""Products with packed matrices, against the sums that define them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlstm.base.parameters import Buffers
from charlstm.network import matmul
from charlstm.network.matmul import (
    SMALL_PRODUCT,
    LaneMatrix,
    PackedMatrix,
    RowLayout,
    RowMatrix,
    pack_matrix,
    sum_by_id,
    treats_rows_alike,
)

HAS = {name for kind in ("baseline", "found") for name in np.show_config("dicts")["SIMD Extensions"].get(kind, ())}


@given(
    G=st.integers(1, 4), D=st.integers(1, 40), H=st.integers(1, 150), B=st.integers(0, 5), transposed=st.booleans(),
    per_gate=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_product_with_a_packed_matrix_is_the_product(G, D, H, B, transposed, per_gate, seed):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((G, H, D)).swapaxes(1, 2) if transposed else rng.standard_normal((G, D, H))
    used_before = Buffers(np.float64)
    fill_with_nan(used_before)
    packed = PackedMatrix(weights, B, "w", used_before)
    for _ in range(2):
        x = rng.standard_normal((G, B, D) if per_gate else (B, D))
        expected = np.stack([np.einsum("bd,dh->bh", x[g] if per_gate else x, weights[g]) for g in range(G)])
        np.testing.assert_allclose(x @ packed, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("D", "H", "rows", "alike", "is_small"),
    [
        (128, 128, 16, True, True),
        (256, 256, 32, True, True),
        (256, 256, 32, False, False),
        (160, 160, 32, True, True),
        (512, 512, 60, True, True),
        (512, 512, 64, True, False),
        (128, 128, 512, True, False),
    ],
)
def test_a_strip_is_small_enough_for_the_rows_or_has_all_columns(D, H, rows, alike, is_small, monkeypatch):
    monkeypatch.setattr(matmul, "treats_rows_alike", lambda depth, dtype: alike)
    made = {}

    def buffers(name, shape):
        return made.setdefault(name, np.zeros(shape, np.float32))

    PackedMatrix(np.zeros((4, D, H), np.float32), rows, "w", buffers)
    width = made["w strips"].shape[-1]
    assert (rows * D * width <= SMALL_PRODUCT) == is_small and (is_small or width == H)


@pytest.mark.parametrize("kind", [RowMatrix, LaneMatrix])
@given(G=st.integers(1, 4), D=st.integers(1, 40), H=st.integers(1, 300), B=st.integers(1, 150), seed=st.integers(0, 99))
def test_vectors_and_lanes_give_the_product(kind, G, D, H, B, seed):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((G, D, H))
    used_before = Buffers(np.float64)
    fill_with_nan(used_before)
    packed = kind(weights, B, "w", used_before)
    for _ in range(2):
        x = rng.standard_normal((B, D))
        np.testing.assert_allclose(x @ packed, np.einsum("bd,gdh->gbh", x, weights), atol=1e-12)


def fill_with_nan(buffers):
    names = ("padded", "padded rows", "columns", "seated rows", "sums of lanes", "w strips", "w result")
    for name in names:
        buffers(name, (300_000,))[...] = np.nan


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    G=st.integers(1, 3), D=st.integers(1, 600), H=st.integers(1, 300), B=st.integers(1, 300), seed=st.integers(0, 99),
    other=st.sampled_from([0.0, -1e-30, 1e30, np.nan]),
)  # fmt: skip
def test_the_bits_of_a_row_depend_on_that_row_alone(dtype, G, D, H, B, seed, other):
    rng = np.random.default_rng(seed)
    weights, x = rng.standard_normal((G, D, H)).astype(dtype), rng.standard_normal((B, D)).astype(dtype)
    alone = pack_matrix(weights, 1, "w", Buffers(dtype), batch_invariant=True)
    together = pack_matrix(weights, B, "w", Buffers(dtype), batch_invariant=True)
    chosen = rng.choice(B, min(B, 20), replace=False)  # (K,) rows
    expected = np.concatenate([(x[row : row + 1] @ alone).copy() for row in chosen], axis=1)  # (G, K, H)
    np.testing.assert_array_equal((x @ together)[:, chosen], expected)
    order = rng.permutation(B)
    np.testing.assert_array_equal((x[order] @ together)[:, np.argsort(order)[chosen]], expected)
    changed = np.full_like(x, other)
    changed[chosen] = x[chosen]
    np.testing.assert_array_equal((changed @ together)[:, chosen], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("D", "H"), [(5, 7), (37, 65), (128, 40), (200, 256), (512, 512), (600, 20)])
@pytest.mark.parametrize("B", [2, 3, 4, 7, 12, 24, 64, 73, 130])
def test_every_row_has_the_bits_that_it_has_alone(B, D, H, dtype):
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal((2, D, H)).astype(dtype), rng.standard_normal((B, D)).astype(dtype)
    together = x @ pack_matrix(weights, B, "w", Buffers(dtype), batch_invariant=True)
    alone = pack_matrix(weights, 1, "w", Buffers(dtype), batch_invariant=True)
    for row in range(B):
        np.testing.assert_array_equal(together[:, row], (x[row : row + 1] @ alone)[:, 0])


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="kernels for x86")
@pytest.mark.skipif(not {"AVX2", "X86_V3"} & HAS, reason="the processor is older than these kernels")
@pytest.mark.parametrize("processor", ["Haswell", "Nehalem"])
def test_rows_are_independent_with_the_kernels_of_other_processors(processor):
    """OpenBLAS takes its kernels for AVX2, or for SSE; other libraries ignore the variable."""
    tests = "every_row or depend_on_that_row_alone or summed_in_lanes"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", tests, __file__],
        env=os.environ | {"OPENBLAS_CORETYPE": processor}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


if os.environ.get("OPENBLAS_CORETYPE") == "Haswell":  # as the test before this one sets it

    @pytest.mark.skipif(treats_rows_alike(256, "float32"), reason="no OpenBLAS")
    @pytest.mark.parametrize(("D", "H"), [(192, 192), (203, 65), (256, 300), (512, 512)])
    @pytest.mark.parametrize("B", [24, 64, 73, 300])
    def test_many_rows_are_summed_in_lanes_with_kernels_for_avx2(B, D, H):
        weights = np.zeros((4, D, H), np.float32)
        packed = pack_matrix(weights, B, "w", Buffers(np.float32), batch_invariant=True)
        assert isinstance(packed, LaneMatrix)


def test_many_rows_are_products_of_vectors_where_lanes_give_other_bits(monkeypatch):
    monkeypatch.setattr("charlstm.network.matmul.treats_rows_alike", lambda depth, dtype: False)
    monkeypatch.setattr("charlstm.network.matmul.sums_like_rows", lambda *shape: False)
    weights = np.zeros((1, 256, 8), np.float32)
    assert isinstance(pack_matrix(weights, 64, "w", Buffers(np.float32), batch_invariant=True), RowMatrix)


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
