"""Into which blocks instructions are cut."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd.arrays import Array
from prograd.errors import NonFiniteError
from prograd.tape.tape import record

DOUBLE = np.dtype(float)


def test_a_block_has_many_rows_where_short_ones_go_into_long_rows_of_a_result() -> None:
    n, m = 4096, 16

    def outer_products(z: Array, q: Array, p: Array) -> None:
        slope = 1 + z * z
        np.multiply((q * slope)[:, :, None], z[:, None, :], out=p[:, m : m + m * m].reshape(n, m, m))

    tape = record(outer_products, [((n, m), DOUBLE)] * 2, [((n, 5 * m * m), DOUBLE)])
    (group,) = tape.groups
    assert (len(group.instructions), group.extent, group.blocks) == (4, n, 32)


def test_a_block_of_long_rows_is_small() -> None:
    n, m = 64, 256

    def outer_products(z: Array, q: Array, p: Array) -> None:
        np.multiply((2 * q)[:, :, None], z[:, None, :], out=p)

    tape = record(outer_products, [((n, m), DOUBLE)] * 2, [((n, m, m), DOUBLE)])
    (group,) = tape.groups
    assert group.blocks == n


def test_the_sum_of_a_matrix_is_taken_while_a_product_has_its_rows() -> None:
    n = 512
    layers = [prograd.layer("affine", width=n), prograd.layer("tanh"), prograd.layer("affine", width=n)]
    net = prograd.Network(layers, n_in=n)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((1, n)), np.zeros((1, n)))
    together = [[one.name for one in group.instructions] for group in f.tape().groups if group.blocks > 1]
    assert together.count(["matmul", "add.reduce"]) == 2
    w = net.init(0)
    expected = f.gradient(w)
    np.testing.assert_allclose([f.gradient(w) for _ in range(3)], [expected] * 3, rtol=1e-10, atol=1e-16)
    for k in (0, net.size // 2, net.size - 1):
        w[k] = np.nan
        with pytest.raises(NonFiniteError, match="w"):
            f.gradient(w)
        w[k] = 1


def test_a_cut_runs_along_the_axis_that_is_longest_in_memory() -> None:
    n, m = 512, 64

    def by_columns(z: Array, p: Array) -> None:
        np.multiply(z.T, 2, out=p.T)

    (group,) = record(by_columns, [((n, m), DOUBLE)], [((n, m), DOUBLE)]).groups
    (cut,) = group.cuts
    assert cut is not None
    assert (cut.extent, cut.steps) == (n, (8 * m, 0, 8 * m))
