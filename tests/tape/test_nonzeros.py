"""Products with the entries that are not zero: numpy's bits, and no others are multiplied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import prograd
from prograd.operators import SparseKronecker
from prograd.operators.nonzeros import nonzeros_into, nonzeros_times
from prograd.tape.tape import record
from tests.helpers.recorded import MACHINES, assert_numpys_bits

SHAPES = [(1, 1, 1), (5, 3, 2), (7, 40, 3), (9, 16, 1), (600, 33, 4)]  # the last one in blocks


def mostly_zero(rows: int, columns: int, dtype: Any) -> Any:
    rng = np.random.default_rng(rows)
    z = rng.normal(size=(rows, columns)) * (rng.random(size=(rows, columns)) < 0.1)
    z[0] = -0.0
    z[-1, -1] = 2.5
    return z.astype(dtype)


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("N", "t", "m"), SHAPES)
def test_a_replay_has_the_bits_of_scipys_products(N: int, t: int, m: int, dtype: Any, used: str) -> None:
    rng = np.random.default_rng(0)
    z, W, q = mostly_zero(N, t, dtype), rng.normal(size=(m, t)), rng.normal(size=(N, m)).astype(dtype)

    def summed(q: Any, z: Any) -> Any:
        out = np.empty((m, t), q.dtype, like=q)
        nonzeros_into(q, z, out)
        return out

    def into_columns(q: Any, z: Any) -> Any:
        out = np.zeros((t, 2 * m), like=q)
        nonzeros_into(q, z, out[:, ::2].T)
        return out

    assert_numpys_bits(nonzeros_times, [z, W], used)
    assert_numpys_bits(lambda z, W: nonzeros_times(z.T, W.T), [z.T.copy(), W.T.astype(dtype, order="C")], used)
    assert_numpys_bits(summed, [q, z], used)
    assert_numpys_bits(into_columns, [q, z], used)


def test_they_are_the_products_of_matrices() -> None:
    rng = np.random.default_rng(0)
    z, W, q = mostly_zero(6, 12, float), rng.normal(size=(4, 12)), rng.normal(size=(6, 4))
    out = np.empty((4, 12))
    nonzeros_into(q, z, out)
    assert np.allclose(out, q.T @ z, rtol=1e-13)
    assert np.allclose(nonzeros_times(z, W), z @ W.T, rtol=1e-13)


@pytest.mark.parametrize("used", MACHINES)
def test_zeros_multiply_nothing(used: str) -> None:
    z, W = np.array([[0.0, 2.0, -0.0], [0.0, 0.0, 0.0]]), np.array([[np.inf, 3.0, np.nan]])
    assert_numpys_bits(nonzeros_times, [z, W], used)
    assert np.array_equal(nonzeros_times(z, W), [[6], [0]])


def test_a_tape_counts_every_entry() -> None:
    A = SparseKronecker(4, np.zeros((7, 30)))
    given, result = [((7, n), np.dtype(float)) for n in (4, 30)], [((120,), np.dtype(float))]
    tape = record(lambda q, z, p: SparseKronecker(4, z).vjp_sum(q, out=p), given, result)
    assert tape.multiply_adds == 7 * A.edges == 7 * 4 * 30
    assert [one.name for one in tape.instructions] == ["nonzeros_sum"]


@pytest.mark.parametrize("lead", [(), (2,)])
@pytest.mark.parametrize("samples", [1, 5])
def test_the_block_of_a_table_is_that_of_a_matrix(samples: int, lead: tuple[int, ...]) -> None:
    z, q = mostly_zero(5, 8, float), np.random.default_rng(0).normal(size=(*lead, samples, 3))
    A, expected = SparseKronecker(3, z), prograd.operators.Kronecker(3, z)
    assert np.allclose(A.vjp_sum(q), expected.vjp_sum(q), rtol=1e-13, atol=1e-14)
    whole = np.full((*lead, 26), np.nan)
    A.vjp_sum(q, out=whole[..., 1:-1])
    assert np.array_equal(whole[..., 1:-1], A.vjp_sum(q))
    assert np.isnan(whole[..., [0, -1]]).all()
    assert A.edges == expected.edges
