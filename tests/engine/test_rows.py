"""Maxima, sums and norms of rows, and the operator that is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from prograd import rows
from prograd.operators import DiagonalPlusLowRank
from tests.helpers.exact import errors, exact, mp

DTYPES = [np.float64, np.float32]


def test_the_first_of_equal_maxima():
    a = np.array([[0.0, 2.0, 2.0], [-1.0, -1.0, -1.0], [-np.inf, -5.0, -7.0], [1.0, 2.0, 3.0]])
    assert np.array_equal(rows.first_maximum(a), np.eye(3, dtype=bool)[[1, 0, 1, 2]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "row", [[1.0, 1e-20], [1e-30, 1.0, 1e-30], [0.5, 0.5], [3.0], [0.0, 0.0], [1e-8, 1e-4, 1.0, 0.3], [2.0, 2.0, 1e-9]]
)
def test_sums_of_the_others(row, dtype):
    a = np.array([row], dtype)
    numbers = exact(a[0])
    right = [sum((b for j, b in enumerate(numbers) if j != k), mp.mpf(0)) for k in range(len(row))]
    found = rows.others(a)
    assert found.dtype == dtype
    assert errors(found[0], right, float(np.finfo(dtype).eps)).max() < 4


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("also", [0.0, 1.0, 1e-5])
@pytest.mark.parametrize("row", [[3.0, 4.0], [2e38, -2e38], [1e-30, 1e-30], [0.0, 0.0], [1e20, 1.0], [1e-30, 0.0]])
def test_norms(row, also, dtype):
    a = np.array([row], dtype)
    right = mp.sqrt(sum(b * b for b in exact(a[0])) + mp.mpf(also) ** 2)
    found = rows.norm(a, also)
    assert (found.shape, found.dtype) == ((1, 1), dtype)
    assert errors(found[0], [right], float(np.finfo(dtype).eps)).max() < 4


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_diagonal_minus_a_square(dtype):
    """`I − u uᵀ` for unit vectors, one of them almost an axis: `1 − u_k² = Σ_{j≠k} u_j²`."""
    eps = float(np.finfo(dtype).eps)
    u = np.array([[0.6, 0.8, 0.0], [1.0, 1e-6, 1e-12], [-1e-9, 1e-9, -1.0], [0.0, 0.0, 1.0]], dtype)
    diagonal = rows.others(u * u)
    B = DiagonalPlusLowRank.minus_square(1, u, diagonal)
    assert (B.samples, B.rows, B.dtype) == (4, 3, dtype)
    for dense, u_n, diagonal_n in zip(B.dense(), exact(u), exact(diagonal), strict=True):
        right = -np.outer(u_n, u_n)
        top = np.argmax(np.abs(u_n))
        right += np.diag(exact(np.ones(3)))
        right[top, top] = diagonal_n[top]
        assert errors(dense, right, eps).max() < 4
        assert np.array_equal(dense, dense.T)
    v = np.array([1.0, 2.0, -3.0], dtype)
    np.testing.assert_allclose(B.jvp(v[None]), B.dense() @ v, rtol=16 * eps, atol=16 * eps)
    np.testing.assert_allclose(B.vjp(v[None]), B.dense() @ v, rtol=16 * eps, atol=16 * eps)
