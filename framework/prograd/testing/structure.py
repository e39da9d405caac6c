"""What an operator declares: its kind, and what a product costs."""

from __future__ import annotations

import numpy as np

from prograd.arrays import Array
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
from prograd.testing.diagnosis import require_matrix
from prograd.testing.operators import ROUNDING, OperatorCase
from prograd.testing.report import CheckFailed, CheckSkipped


def structure(case: OperatorCase) -> None:
    """An operator of a declared kind is of that kind: what it holds makes up the map that it applies."""
    if not case.entries:
        raise CheckSkipped("too large to be looked at entry by entry")
    declared = declared_matrix(case.operator)
    if declared is None:
        raise CheckSkipped(f"{type(case.operator).__name__} declares no structure")
    if len(declared) not in {1, case.samples}:
        raise CheckFailed(
            f"{case.block.name}: {case.operator!r} holds {len(declared)} samples' maps, expected {case.samples}"
        )
    require_matrix(
        case.block,
        "jvp",
        case.pushed.transpose(1, 2, 0),
        np.broadcast_to(declared, (case.samples, *declared.shape[1:])),
        ROUNDING * case.scale * max(case.operator.cols, 1),
        source=f"the numbers that the declared {_kind(case.operator)} holds",
        entries=True,
    )


def declared_matrix(operator: Operator) -> Array | None:
    """The matrices that the numbers in a declared structure make up, `(N or 1, rows, cols)`; None for an author's own."""
    match operator:
        case Dense():
            return _stack(operator.a, 2)
        case Diagonal():
            return np.stack([np.diag(d) for d in _stack(operator.d, 1)])
        case Identity():
            return np.eye(operator.rows)[None]
        case Zero():
            return np.zeros((1, operator.rows, operator.cols))
        case DiagonalPlusLowRank():
            d, U, V = _stack(operator.d, 1), _stack(operator.U, 2), _stack(operator.V, 2)
            return d[:, :, None] * np.eye(operator.rows) + np.einsum("nik,njk->nij", U, V)
        case Sparse():
            return np.asarray(operator.matrix.toarray())[None]
        case Kronecker():
            left = np.eye(operator.m)[None] if operator.left is None else _stack(operator.left, 2)
            right = operator.right[:, None, :] if operator.right.ndim == 2 else operator.right  # noqa: PLR2004
            samples = max(len(left), len(right))
            return np.stack([np.kron(left[n % len(left)], right[n % len(right)]) for n in range(samples)])
        case Product():
            outer, inner = declared_matrix(operator.outer), declared_matrix(operator.inner)
            return None if outer is None or inner is None else np.einsum("nij,njk->nik", *_as_many(outer, inner))
        case Sum():
            left, right = declared_matrix(operator.left), declared_matrix(operator.right)
            return None if left is None or right is None else left + right
    return None


def _stack(a: Array, ndim: int) -> Array:
    return a[None] if a.ndim == ndim else a


def _as_many(a: Array, b: Array) -> tuple[Array, Array]:
    samples = max(len(a), len(b))
    return np.broadcast_to(a, (samples, *a.shape[1:])), np.broadcast_to(b, (samples, *b.shape[1:]))


def _kind(operator: Operator) -> str:
    kinds = (Dense, Diagonal, Identity, Zero, DiagonalPlusLowRank, Sparse, Kronecker, Product, Sum)
    return next(kind.__name__ for kind in kinds if isinstance(operator, kind))


def edges(case: OperatorCase) -> None:
    """`edges` is a number of multiply-adds that one product with this map can have.

    Never more than those of the dense matrix (of each factor, for a product), and at least one for each row and each column
    with an entry other than 0, 1 and −1. A map that is applied in factors (low rank, butterflies, running sums) may need fewer
    than it has nonzeros; the kinds that hold an entry for each nonzero need as many.
    """
    operator, name = case.operator, case.block.name
    found = operator.edges
    if isinstance(found, bool) or not isinstance(found, (int, np.integer)) or found < 0:
        raise CheckFailed(f"{name}: edges must be a non-negative integer, got {found!r}")
    most = _dense_edges(operator)
    if found > most:
        raise CheckFailed(f"{name}: edges = {found}, but a dense {operator.rows} × {operator.cols} takes {most}")
    if not case.entries:
        return
    held = [m[(np.abs(np.abs(m) - 1) > ROUNDING) & (np.abs(m) > ROUNDING * case.scale)].size for m in _matrices(case)]
    weighted = [(np.abs(np.abs(m) - 1) > ROUNDING) & (np.abs(m) > ROUNDING * case.scale) for m in _matrices(case)]
    if isinstance(operator, (Dense, Diagonal, Sparse)):
        least, why = max(held, default=0), "it holds so many entries other than 0 and ±1"
    else:
        least = max((max(int(w.any(axis=1).sum()), int(w.any(axis=0).sum())) for w in weighted), default=0)
        why = "so many rows or columns hold entries other than 0 and ±1, and each takes a multiplication"
    if found < least:
        raise CheckFailed(f"{name}: edges = {found}, expected at least {least}: {why}")


def _matrices(case: OperatorCase) -> list[Array]:
    return [case.pushed[:, n].T for n in range(case.samples)]


def _dense_edges(operator: Operator) -> int:
    if isinstance(operator, Product):
        return _dense_edges(operator.outer) + _dense_edges(operator.inner)
    if isinstance(operator, Sum):
        return _dense_edges(operator.left) + _dense_edges(operator.right)
    if isinstance(operator, (Kronecker, DiagonalPlusLowRank)):
        return max(
            operator.rows * operator.cols, operator.edges
        )  # what it does is its structure's, also where that doesn't pay
    return operator.rows * operator.cols
