"""Products of two operators, rule by rule: they agree with dense products and keep the structure that they should."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from prograd.operators import (
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Kronecker,
    Operator,
    Product,
    Sparse,
    Sum,
    Zero,
)
from prograd.operators.multiplication import join, multiply
from prograd.testing import counted

N, n = 3, 6
rng = np.random.default_rng(11)


class Shift(Operator):
    """An author's own operator, with its structure and no rule: each entry moves on by one."""

    rows = cols = n
    edges = n
    samples = 1
    dtype = np.dtype(np.float32)

    def jvp(self, v):
        return np.roll(v, 1, axis=-1)

    def vjp(self, q):
        return np.roll(q, -1, axis=-1)


def normal(*shape):
    return rng.normal(size=shape)


thin, wide = Dense(normal(n, 2)), Dense(normal(2, n))
SQUARE = {
    "dense": Dense(normal(n, n)),
    "dense stack": Dense(normal(N, n, n)),
    "diagonal": Diagonal(normal(n)),
    "diagonal stack": Diagonal(normal(N, n)),
    "identity": Identity(n),
    "zero": Zero(n, n),
    "low rank": DiagonalPlusLowRank(normal(n), normal(n, 1), normal(n, 1)),
    "low rank stack": DiagonalPlusLowRank(normal(N, n), normal(N, n, 2), normal(n, 2)),
    "sparse": Sparse(scipy.sparse.random(n, n, 0.4, random_state=1)),
    "own": Shift(),
    "sum": Sum(Diagonal(normal(n)), Shift()),
    "bottleneck": Product(thin, wide),
    "lazy": Product(Shift(), Diagonal(normal(N, n))),
    "one-sided lazy": Product(Diagonal(normal(N, n)), Product(Shift(), Shift())),
}
INNER = SQUARE | {
    "narrow": Dense(normal(n, 1)),
    "narrow stack": Dense(normal(N, n, 1)),
    "kronecker": Kronecker(n, normal(N, 4)),
    "kronecker shared": Kronecker(n, normal(1, 4)),
    "kronecker matrix": Kronecker(normal(n, 2), normal(N, 4)),
    "kronecker stack": Kronecker(normal(N, n, 2), normal(1, 4)),
    "kronecker rows": Kronecker(2, normal(N, 3, 4)),
    "kronecker matrix, rows": Kronecker(normal(2, 3), normal(1, 3, 2)),
    "behind kronecker": Product(Kronecker(2, normal(N, 3, 4)), Diagonal(normal(8))),
    "nothing": Zero(n, 0),
}
OUTER = SQUARE | {"row": Dense(normal(1, n)), "row stack": Dense(normal(N, 1, n)), "tall": Dense(normal(9, n))}


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", OUTER)
def test_every_product(outer, inner):
    J, K = OUTER[outer], INNER[inner]
    product = multiply(J, K)
    assert (product.rows, product.cols) == (J.rows, K.cols)
    expected = J.dense() @ K.dense()
    np.testing.assert_allclose(np.broadcast_to(product.dense(), expected.shape), expected, atol=1e-13)
    assert product.edges <= J.edges + K.edges  # never more to apply than both factors
    q = normal(N, J.rows)
    np.testing.assert_allclose(product.vjp(q), K.vjp(J.vjp(q)), atol=1e-13)


D, L = Diagonal(normal(N, n)), DiagonalPlusLowRank(normal(n), normal(n, 1), normal(n, 1))
W, z = Dense(normal(n, n)), normal(N, 4)


@pytest.mark.parametrize(
    ("outer", "inner", "kind", "multiply_adds"),
    [
        (Zero(2, n), W, Zero, 0),
        (Shift(), Zero(n, 2), Zero, 0),
        (Identity(n), L, DiagonalPlusLowRank, 0),
        (Shift(), Identity(n), Shift, 0),
        (D, D, Diagonal, N * n),
        (D, L, DiagonalPlusLowRank, 2 * N * n),
        (L, D, DiagonalPlusLowRank, 2 * N * n),
        (W, Kronecker(n, z), Kronecker, 0),
        (W, Kronecker(W.a, z), Kronecker, n**3),
        (D, Kronecker(W.a, z), Kronecker, N * n**2),
        (D, Kronecker(n, z), Product, 0),
        (W, W, Dense, n**3),
        (D, W, Dense, N * n**2),
        (W, D, Dense, N * n**2),
        (W, Dense(normal(N, n, n)), Dense, N * n**3),
        (L, W, Dense, 3 * n * n),
        (W, L, Dense, 3 * n * n),
        (Shift(), W, Dense, n * n),
        (W, Shift(), Dense, n * n),
        (Shift(), Shift(), Product, 0),
        (Shift(), D, Product, 0),
        (L, L, Product, 0),
        (thin, wide, Product, 0),
        (wide, thin, Dense, 2 * n * 2),
        (W, Product(Shift(), Shift()), Dense, 2 * n * n),
        (Product(Shift(), Shift()), W, Dense, 2 * n * n),
        (D, Product(D, Shift()), Product, N * n),
        (W, Product(thin, wide), Product, n * n * 2),  # the bottleneck is kept: (W thin) wide
        (Product(thin, wide), W, Product, 2 * n * n),
        (Product(thin, wide), Product(thin, wide), Product, 2 * n * 2 + n * 2 * 2),
        (W, Kronecker(3, normal(N, 2, 9)), Product, 0),
        (Dense(normal(1, n)), Kronecker(2, normal(N, 3, 4)), Dense, N * 2 * 3 * 4),
    ],
    ids=repr,
)
def test_what_each_rule_makes(outer, inner, kind, multiply_adds):
    with counted() as count:
        assert type(multiply(outer, inner)) is kind
    assert count.multiply_adds == multiply_adds


def test_a_product_that_has_no_rule_is_the_two_factors():
    J, K = Shift(), Product(Shift(), D)
    product = multiply(J, K)
    assert isinstance(product, Product)
    assert product.factors == (J, *K.factors)


def test_composition_stays_lazy_where_multiplication_would_not():
    assert type(W @ W) is Product
    assert type(W @ Kronecker(W.a, z)) is Product
    assert type(D @ W) is Product  # one matrix shared by all samples stays one


@pytest.mark.parametrize("samples", [1, N])
def test_matrices_side_by_side(samples):
    left, right = Dense(normal(samples, n, 2)), Dense(normal(samples, n, 5))
    expected = np.concatenate([left.dense(), right.dense()], axis=-1)
    joined = join(left, right)
    assert (joined.rows, joined.cols, joined.samples) == (n, 7, samples)
    np.testing.assert_array_equal(joined.dense(), expected)
