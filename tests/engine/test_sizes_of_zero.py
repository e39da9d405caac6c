"""Sizes of zero are sizes: no rows, no columns, no directions, a rank of zero, a parameter without entries."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import prograd
from prograd import Layer, Network, Objective
from prograd.modes import MODES
from prograd.operators import (
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Kronecker,
    Operator,
    Product,
    Sparse,
    SparseKronecker,
    Stacked,
    Sum,
    Zero,
    multiply,
)
from prograd.testing.operator_declared import declared_matrix

N = 3
RNG = np.random.default_rng(0)
SHAPES = [(2, 3), (2, 0), (0, 2), (0, 0)]


def numbers(*shape):
    return RNG.normal(size=shape)


def rectangular(rows, cols):
    yield Dense(numbers(rows, cols))
    yield Dense(numbers(N, rows, cols))
    yield Zero(rows, cols)
    yield Sparse(scipy.sparse.csr_array(numbers(rows, cols)))
    yield Product(Dense(numbers(N, rows, 0)), Dense(numbers(0, cols)))
    yield Sum(Dense(numbers(N, rows, cols)), Dense(numbers(rows, cols)))
    yield Stacked([Dense(numbers(N, rows, cols)), Zero(0, 1)], [slice(cols), slice(cols, cols + 1)], cols + 1)


def square(n):
    yield Diagonal(numbers(N, n))
    yield Identity(n)
    for rank in (0, 2):
        yield DiagonalPlusLowRank(numbers(n), numbers(N, n, rank), numbers(n, rank))


def kroneckers():
    for m, t in SHAPES:
        yield Kronecker(m, numbers(N, t))
        yield SparseKronecker(m, numbers(N, t))
        for s in (0, 2):
            yield Kronecker(m, numbers(N, s, t))
            yield Kronecker(numbers(N, 2, m), numbers(1, s, t))
        yield Kronecker(numbers(0, m), numbers(N, t))


OPERATORS = [
    *(op for shape in SHAPES for op in rectangular(*shape)),
    *(op for n in (0, 2) for op in square(n)),
    *kroneckers(),
]


def matrices(op):
    """What the operator is, from the numbers that it holds: `(N, rows, cols)`."""
    declared = declared_matrix(op)
    assert declared is not None
    return np.broadcast_to(declared, (N, op.rows, op.cols))


@pytest.mark.parametrize("op", OPERATORS, ids=repr)
@pytest.mark.parametrize("lead", [(), (0,), (2, 0)], ids=str)
def test_products_with_vectors(op: Operator, lead):
    J, v, q = matrices(op), numbers(*lead, N, op.cols), numbers(*lead, N, op.rows)
    Jv, pulled = np.einsum("nrc,...nc->...nr", J, v), np.einsum("nrc,...nr->...nc", J, q)
    out_v, out_q, out_sum = np.empty_like(Jv), np.empty_like(pulled), np.empty((*lead, op.cols))
    op.jvp_into(v, out_v)
    op.vjp_into(q, out_q)
    op.vjp_sum(q, out=out_sum)
    for found, expected in (
        (op.jvp(v), Jv),
        (out_v, Jv),
        (op.vjp(q), pulled),
        (out_q, pulled),
        (op.vjp_sum(q), pulled.sum(axis=-2)),
        (np.broadcast_to(op.vjp_norm(q), pulled.shape[:-1]), np.linalg.norm(pulled, axis=-1)),
        (out_sum, pulled.sum(axis=-2)),
    ):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("op", OPERATORS, ids=repr)
def test_parts_and_exports(op: Operator):
    J, samples = matrices(op), op.samples
    np.testing.assert_allclose(np.broadcast_to(op.dense(), J.shape), J, atol=1e-12)
    assert op.columns(0, 0).shape == (0, samples, op.rows)
    assert op.part(slice(0, 0)).dense().shape[1:] == (op.rows, 0)
    assert op.row_block(slice(0, 0), np.zeros(0)).shape[::2] == (0, op.cols)
    assert sum(block.shape[-1] for block in op.column_blocks(2)) == op.cols
    F, right = op.kronecker_factors()
    assert (F.rows, F.cols * right.shape[-1]) == (op.rows, op.cols)
    exported = op.to_scipy()
    for columns in (0, 2):
        assert (exported @ np.zeros((samples * op.cols, columns))).shape == (samples * op.rows, columns)
        assert (exported.T @ np.zeros((samples * op.rows, columns))).shape == (samples * op.cols, columns)


@pytest.mark.parametrize("outer", OPERATORS, ids=repr)
def test_products_of_operators(outer: Operator):
    for inner in OPERATORS:
        if outer.cols == inner.rows:
            expected = matrices(outer) @ matrices(inner)
            for found in (outer @ inner, multiply(outer, inner)):
                np.testing.assert_allclose(np.broadcast_to(found.dense(), expected.shape), expected, atol=1e-12)


class Empty(Layer):
    """g(W, b; z) = z + b, with a parameter `W` `(n, 0)` that has no entries."""

    def __init__(self, block):
        self.block = block

    def shapes(self, n_in):
        return n_in, {"W": (n_in, 0), "b": (n_in,)}

    def g(self, w, z):
        return z + w.b

    def jacobian(self, w, z, z_next):
        return {"W": self.block(z), "b": Identity(z.shape[1])}, Identity(z.shape[1])


BLOCKS = {
    "zero": lambda z: Zero(z.shape[1], 0),
    "array": lambda z: np.zeros((z.shape[1], 0)),
    "arrays": lambda z: np.zeros((*z.shape, 0)),
    "kronecker": lambda z: Kronecker(z.shape[1], np.zeros((len(z), 0))),
}


def networks(block):
    empty, affine = Empty(BLOCKS[block]), prograd.layer("affine", width=3)
    yield Network([affine, empty, prograd.layer("tanh"), affine], n_in=2)
    yield Network([empty], n_in=3)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("mode", [*MODES, "auto"])
def test_a_parameter_without_entries_in_every_mode(block, mode):
    for net in networks(block):
        w, x, y = net.init(0), numbers(N, net.n[0]), numbers(N, 3)
        f = Objective(net, prograd.loss("squared_error"), x, y)
        lin = f.linearize(w)
        J = lin.jvp(np.eye(net.size)).transpose(1, 2, 0)
        np.testing.assert_allclose(f.gradient(w, mode=mode), lin.vjp(net(w, x) - y) / N, atol=1e-12)
        np.testing.assert_allclose(prograd.jacobian(net, w, x, mode=mode), J, atol=1e-12)
        np.testing.assert_allclose(f.per_sample_gradients(w).mean(axis=0), f.gradient(w), atol=1e-12)
        norms = np.linalg.norm(f.per_sample_gradients(w), axis=1)
        np.testing.assert_allclose(f.per_sample_norms(w), norms, atol=1e-12)
        np.testing.assert_allclose(f.clipped_gradient(w, norms.max()), f.gradient(w), atol=1e-12)
        lazy = prograd.jacobian(net, w, x, lazy=True)
        np.testing.assert_allclose(lazy.dense(), J, atol=1e-12)
        np.testing.assert_allclose(lazy.row_norms(), np.linalg.norm(J, axis=2), atol=1e-12)
        np.testing.assert_allclose(lazy.gram(), np.einsum("nik,mjk->nimj", J, J), atol=1e-12)


def examples():
    for name, cls in sorted(prograd.registry().layers.items()):
        yield pytest.param(*next(iter(cls.examples())), id=name)


@pytest.mark.parametrize(("layer", "n_in"), list(examples()))
def test_no_directions_through_every_layer(layer, n_in):
    net = Network([prograd.layer("affine", width=n_in), layer, prograd.layer("affine", width=2)], n_in=2)
    w, x, y = net.init(0), numbers(N, 2), numbers(N, 2)
    f = Objective(net, prograd.loss("squared_error"), x, y)
    lazy = prograd.jacobian(net, w, x, lazy=True)
    for J in (f.linearize(w), lazy):
        assert J.jvp(np.zeros((0, net.size))).shape == (0, N, 2)
        assert J.vjp(np.zeros((2, 0, N, 2))).shape == (2, 0, net.size)
    assert (f.gauss_newton(w) @ np.zeros((net.size, 0))).shape == (net.size, 0)
    assert (lazy.to_scipy().T @ np.zeros((N * 2, 0))).shape == (net.size, 0)
