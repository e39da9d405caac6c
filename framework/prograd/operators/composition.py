"""The engine's own rules for `outer @ inner` and `left + right`: which products and sums keep their structure.

No rule writes a structured operator out as a matrix, makes N matrices of one, or multiplies two matrices: that costs
more than many products with vectors.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from prograd.operators.base import Operator
from prograd.operators.dense import Dense
from prograd.operators.diagonal import Diagonal, Identity, Zero
from prograd.operators.kronecker import Kronecker
from prograd.operators.lowrank import DiagonalPlusLowRank
from prograd.operators.rules import product_rule, sum_rule
from prograd.operators.sparse import Sparse

OperatorT = TypeVar("OperatorT", bound=Operator)


@product_rule(Zero, Operator)
@product_rule(Operator, Zero)
def _zero(outer: Operator, inner: Operator) -> Zero:
    return Zero(outer.rows, inner.cols)


@product_rule(Identity, Operator)
def _identity_left(outer: Identity, inner: OperatorT) -> OperatorT:  # noqa: ARG001
    return inner


@product_rule(Operator, Identity)
def _identity_right(outer: OperatorT, inner: Identity) -> OperatorT:  # noqa: ARG001
    return outer


@product_rule(Diagonal, Diagonal)
def _diagonals(outer: Diagonal, inner: Diagonal) -> Diagonal:
    return Diagonal(outer.d * inner.d)


@product_rule(Diagonal, Dense)
def _scaled_rows(outer: Diagonal, inner: Dense) -> Dense | None:
    if inner.samples < outer.samples:  # would make N matrices of one
        return None
    return Dense(outer.d[..., :, None] * inner.a)


@product_rule(Dense, Diagonal)
def _scaled_columns(outer: Dense, inner: Diagonal) -> Dense | None:
    if outer.samples < inner.samples:  # would make N matrices of one
        return None
    return Dense(outer.a * inner.d[..., None, :])


@product_rule(Dense, Kronecker)
def _kronecker(outer: Dense, inner: Kronecker) -> Kronecker | None:
    if inner.s != 1 or inner.left is not None:  # the second would be a product of matrices
        return None
    return Kronecker(outer.a, inner.right)  # B (I ⊗ z^T) = B ⊗ z^T


@product_rule(Diagonal, DiagonalPlusLowRank)
def _scaled_low_rank(outer: Diagonal, inner: DiagonalPlusLowRank) -> DiagonalPlusLowRank:
    return DiagonalPlusLowRank(outer.d * inner.d, outer.d[..., None] * inner.U, inner.V)


@product_rule(DiagonalPlusLowRank, Diagonal)
def _low_rank_scaled(outer: DiagonalPlusLowRank, inner: Diagonal) -> DiagonalPlusLowRank:
    return DiagonalPlusLowRank(outer.d * inner.d, outer.U, inner.d[..., None] * outer.V)


@sum_rule(Zero, Operator)
def _plus_zero(left: Zero, right: OperatorT) -> OperatorT:  # noqa: ARG001
    return right


@sum_rule(Diagonal, Diagonal)
def _diagonal_sum(left: Diagonal, right: Diagonal) -> Diagonal:
    return Diagonal(left.d + right.d)


@sum_rule(Identity, Identity)
def _twice(left: Identity, right: Identity) -> Diagonal:  # noqa: ARG001
    return Diagonal(np.full(left.rows, 2, np.float32))


@sum_rule(Diagonal, Identity)
def _plus_identity(left: Diagonal, right: Identity) -> Diagonal:  # noqa: ARG001
    return Diagonal(left.d + 1)


@sum_rule(DiagonalPlusLowRank, Identity)
def _low_rank_plus_identity(left: DiagonalPlusLowRank, right: Identity) -> DiagonalPlusLowRank:  # noqa: ARG001
    return DiagonalPlusLowRank(left.d + 1, left.U, left.V)


@sum_rule(DiagonalPlusLowRank, Diagonal)
def _low_rank_plus_diagonal(left: DiagonalPlusLowRank, right: Diagonal) -> DiagonalPlusLowRank:
    return DiagonalPlusLowRank(left.d + right.d, left.U, left.V)


@sum_rule(Dense, Dense)
def _matrix_sum(left: Dense, right: Dense) -> Dense | None:
    if left.samples != right.samples:  # would make N matrices of one
        return None
    return Dense(left.a + right.a)


@sum_rule(Sparse, Sparse)
def _sparse_sum(left: Sparse, right: Sparse) -> Sparse:
    return Sparse(left.matrix + right.matrix)
