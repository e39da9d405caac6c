"""Networks with sparse blocks are recorded, and a replay has the interpreted run's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

import prograd
from prograd.modes import MODES
from prograd.operators import Sparse
from prograd.tape import machine
from prograd.tape.tape import record
from prograd.testing.recording import reason_of
from tests.helpers.recorded import MACHINES, assert_numpys_bits


def matrix(rows: int, cols: int, dtype: Any = np.float64) -> Any:
    return scipy.sparse.random_array((rows, cols), density=0.3, dtype=dtype, rng=np.random.default_rng(1)).tocsr()


class Fixed(prograd.Layer):
    """`z^+ = M z` with a sparse matrix that no parameter changes."""

    def __init__(self, M: Any) -> None:
        self.M = Sparse(M)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return self.M.rows, {}

    def g(self, w: Any, z: Any) -> Any:
        return self.M.jvp(z)

    def jacobian(self, w: Any, z: Any, z_next: Any) -> Any:
        return {}, self.M


def test_a_layer_with_a_sparse_block_can_be_recorded() -> None:
    assert not reason_of(Fixed(matrix(4, 7)), 7)


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("of_matrix", [np.float64, np.float32])
def test_every_mode_has_the_bits_of_the_interpreted_run(of_matrix: Any, dtype: Any, used: str) -> None:
    rng = np.random.default_rng(0)
    layers = [prograd.layer("affine", width=9), Fixed(matrix(6, 9, of_matrix)), prograd.layer("affine", width=2)]
    net = prograd.Network(layers, 3)
    x, y = rng.normal(size=(5, 3)).astype(dtype), rng.normal(size=(5, 2)).astype(dtype)
    f, w = prograd.Objective(net, prograd.loss("squared_error"), x, y), net.init(rng).astype(dtype)
    v, q = rng.normal(size=net.size).astype(dtype), rng.normal(size=(5, 2)).astype(dtype)

    def everything() -> list[bytes]:
        results: list[Any] = []
        lin = prograd.linearize(net, w, x)
        for _ in range(3):
            results += [lin.jvp(v), lin.vjp(q), f.per_sample_gradients(w)]
            for mode in MODES:
                results += [f.gradient(w, mode), prograd.jacobian(net, w, x, mode=mode)]
        return [np.asarray(result).tobytes() for result in results]

    with threadpool_limits(1):
        with machine.using("off"):
            expected = everything()
        with machine.using(used):
            assert everything() == expected
    assert {"sparse"} <= {one.name for one in f.tape("reverse", dtype).instructions}


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("wide", [np.float64, np.float32])
@pytest.mark.parametrize("indices", [np.int32, np.int64])
@pytest.mark.parametrize("lead", [(0, 1), (1, 1), (2, 3), (700, 9)])  # the last one in blocks
def test_products_columns_and_rows(lead: tuple[int, ...], indices: Any, wide: Any, used: str) -> None:
    M = matrix(12, 30)
    M.indices, M.indptr = M.indices.astype(indices), M.indptr.astype(indices)
    J = Sparse(M)
    rng = np.random.default_rng(0)
    v, q = (rng.normal(size=(*lead, n)).astype(wide) for n in (30, 12))

    def columns(given: Any) -> Any:
        out = np.empty((20, lead[-1], 12), wide, like=given)
        J.columns_into(3, 23, out)
        return out + given[:1, :, :1]

    assert_numpys_bits(J.jvp, [v], used)
    assert_numpys_bits(lambda q: J.vjp(q.swapaxes(0, 1)), [q], used)
    assert_numpys_bits(J.vjp_sum, [q], used)
    if lead[0]:
        assert_numpys_bits(columns, [v], used)


@pytest.mark.parametrize("used", MACHINES)
def test_entries_that_are_kept_twice_are_added(used: str) -> None:
    M = scipy.sparse.csr_array((np.array([1.0, 0.1, 0.2, 3.0]), np.array([1, 0, 1, 1]), np.array([0, 3, 3, 4])))
    J = Sparse(M)

    def columns(given: Any) -> Any:
        out = np.empty((2, 1, 3), like=given)
        J.columns_into(0, 2, out)
        return out * given

    assert_numpys_bits(columns, [np.ones(3)], used)
    assert_numpys_bits(J.jvp, [np.array([[0.3, -0.7]])], used)


def test_columns_are_no_constants() -> None:
    J = Sparse(scipy.sparse.eye_array(10**5, format="csr"))

    def columns(out: Any) -> None:
        J.columns_into(0, J.cols, out)

    tape = record(columns, [], [((J.cols, 1, J.rows), np.dtype(np.float64))])
    constants = {id(view.storage): view.storage.size for one in tape.instructions for view in one.inputs}
    assert sum(constants.values()) < 10**7
    assert not tape.scratch_bytes


def test_multiply_adds_are_those_of_the_entries_that_are_kept() -> None:
    J = Sparse(matrix(12, 30))
    tape = record(J.jvp_into, [((7, 30), np.dtype(float))], [((7, 12), np.dtype(float))])
    assert tape.multiply_adds == 7 * J.edges
