"""Memory that products need for a moment beside their vectors and results, in numbers.

What the engine's own operators allocate is known; any other says it with `scratch`.
"""

from __future__ import annotations

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


def apply(operator: Operator, n_in: int, n_out: int, vectors: int) -> int:
    """Of a `jvp` or a `vjp`; `n_in` and `n_out` are the operator's sizes in that direction."""
    match operator:
        case Product():
            middle = operator.outer.cols
            first, last = operator.outer, operator.inner
            return vectors * middle + max(apply(first, n_out, middle, vectors), apply(last, n_in, middle, vectors))
        case Sum():
            left = 0 if isinstance(operator.left, Identity) else vectors * n_out
            right = apply(operator.right, n_in, n_out, vectors)
            return max(apply(operator.left, n_in, n_out, vectors), left + right)
        case DiagonalPlusLowRank():
            return vectors * n_out
        case Dense() if operator.samples > 1:
            return vectors * (n_in + n_out)
        case Sparse():
            return vectors * (n_in + n_out)
        case _:
            return operator.scratch(vectors)


def apply_into(operator: Operator, n_in: int, n_out: int, vectors: int) -> int:
    """Of a `jvp_into` or a `vjp_into`: the result as well, where it is made before it is copied."""
    match operator:
        case Diagonal() | Identity() | Zero():
            return 0
        case Dense() if operator.samples == 1:
            return 0
        case DiagonalPlusLowRank():
            return vectors * n_out
        case _:
            return vectors * n_out + apply(operator, n_in, n_out, vectors)


def vjp_into(operator: Operator, vectors: int) -> int:
    """Of a `vjp_into` rows of a Jacobian, which are no array of their own."""
    match operator:
        case Kronecker() if operator.s == 1:
            return 0 if operator.left is None else vectors * operator.m
        case Dense():
            return vectors * operator.cols + apply(operator, operator.rows, operator.cols, vectors)
        case _:
            return apply_into(operator, operator.rows, operator.cols, vectors)


def vjp_sum(operator: Operator, vectors: int) -> int:
    """Of a `vjp_sum`."""
    match operator:
        case Product():
            middle = operator.outer.cols
            pulled = apply(operator.outer, operator.rows, middle, vectors)
            return vectors * middle + max(pulled, vjp_sum(operator.inner, vectors))
        case Sum():
            return max(vjp_sum(operator.left, vectors), vjp_sum(operator.right, vectors))
        case Identity() | Dense() | Sparse():
            return 0
        case Kronecker():
            pulled = 0 if operator.left is None else operator.m
            return vectors * operator.s * (pulled + (operator.m if operator.s > 1 else 0))
        case _:
            return vectors * operator.cols + apply(operator, operator.rows, operator.cols, vectors)


def columns(operator: Operator, vectors: int) -> int:
    """Of `columns_into` for so many columns, each sample's counted."""
    match operator:
        case Product():
            inner = operator.inner
            pushed = apply_into(operator.outer, inner.rows, operator.rows, vectors)
            return vectors * inner.rows + max(columns(inner, vectors), pushed)
        case Sum():
            return max(columns(operator.left, vectors), vectors * operator.rows + columns(operator.right, vectors))
        case Kronecker():
            return vectors * (operator.s + (0 if operator.left is None else operator.m_out))
        case DiagonalPlusLowRank():
            return vectors * operator.rows
        case Dense() | Diagonal() | Identity() | Zero():
            return 0
        case _:
            return vectors * operator.cols + apply_into(operator, operator.cols, operator.rows, vectors)
