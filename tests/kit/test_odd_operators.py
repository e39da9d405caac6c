"""Operators that are unusual but correct pass every check."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from prograd.operators import Dense, Diagonal, DiagonalPlusLowRank, Identity, Kronecker, Operator, Sparse, Stacked
from prograd.testing import check_operator
from tests.helpers.operators import RunningSum


class Butterfly(Operator):
    """A Walsh-Hadamard transform with weights: dense, and applied in n log n multiply-adds."""

    def __init__(self, d):
        self.d = d
        self.rows = self.cols = len(d)

    @property
    def edges(self):
        return self.rows * int(np.log2(self.rows))

    def transform(self, v):
        n = self.rows
        h = 1
        while h < n:
            pairs = v.reshape(*v.shape[:-1], n // (2 * h), 2, h)
            v = np.stack([pairs[..., 0, :] + pairs[..., 1, :], pairs[..., 0, :] - pairs[..., 1, :]], axis=-2)
            v = v.reshape(*v.shape[:-3], n)
            h *= 2
        return v

    def jvp(self, v):
        return self.d.astype(v.dtype) * self.transform(v)

    def vjp(self, q):
        return self.transform(q * self.d.astype(q.dtype))


OPERATORS = [
    Butterfly(np.array([0.5, -2.0, 0.3, 1.5])),
    RunningSum(4),
    Dense(np.ones((1, 1))),
    Dense(np.zeros((3, 2, 4))),
    Diagonal(np.zeros(3)),
    Kronecker(np.full((2, 3), 0.5), np.full((4, 2), -1.5)),
    Kronecker(np.full((4, 2, 3), 0.5), np.full((1, 2, 5), 3.0)),
    Kronecker(2, np.ones((1, 6, 1))),
    DiagonalPlusLowRank(np.ones(2), np.full((2, 3), 0.5), np.full((2, 3), 2.0)),
    Sparse(scipy.sparse.random_array((6, 60), density=0.1, rng=np.random.default_rng(0))),
    Dense(np.full((1, 30), 0.5)) @ Dense(np.full((4, 30, 1), 0.5)),
    Identity(3) + RunningSum(3),
    Stacked([RunningSum(3), Dense(np.full((2, 3), 0.5)) @ Dense(np.full((3, 3), 0.5))], [slice(3), slice(1, 4)], 4),
    RunningSum(3) @ Diagonal(np.array([[0.5, 2.0, 3.0], [1.0, 4.0, 0.1]])),
]


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
def test_odd_operator_is_accepted(operator) -> None:
    assert check_operator(operator).failures == ()


def test_float32_operator_is_accepted() -> None:
    a = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert check_operator(Dense(a), matrix=a).failures == ()
