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
from prograd.testing.diagnosis import Pair, require_matrix
from prograd.testing.opcase import ROUNDING, OperatorCase
from prograd.testing.report import CheckError, CheckSkipped


def structure(case: OperatorCase) -> None:
    """An operator of a declared kind is of that kind: what it holds makes up the map that it applies."""
    if not case.entries:
        raise CheckSkipped("too large to be looked at entry by entry")
    declared = declared_matrix(case.operator)
    if declared is None:
        raise CheckSkipped(f"{type(case.operator).__name__} declares no structure")
    if len(declared) not in {1, case.samples}:
        raise CheckError(
            f"{case.block.name}: {case.operator!r} holds {len(declared)} samples' maps, expected {case.samples}"
        )
    pair = Pair(
        case.pushed.transpose(1, 2, 0),
        np.broadcast_to(declared, (case.samples, *declared.shape[1:])),
        ROUNDING * case.scale * max(case.operator.cols, 1),
    )
    source = f"the numbers that the declared {_kind(case.operator)} holds"
    require_matrix(case.block, "jvp", pair, source=source, entries=True)


def declared_matrix(operator: Operator) -> Array | None:
    """The matrices that a declared structure's numbers make up, `(N or 1, rows, cols)`; None for an author's own."""
    if isinstance(operator, (Product, Sum)):
        return _declared_combination(operator)
    found: Array | None = None
    match operator:
        case Dense():
            found = _stack(operator.a, 2)
        case Diagonal():
            found = np.stack([np.diag(d) for d in _stack(operator.d, 1)])
        case Identity():
            found = np.eye(operator.rows)[None]
        case Zero():
            found = np.zeros((1, operator.rows, operator.cols))
        case DiagonalPlusLowRank():
            d, U, V = _stack(operator.d, 1), _stack(operator.U, 2), _stack(operator.V, 2)
            found = d[:, :, None] * np.eye(operator.rows) + U @ V.swapaxes(1, 2)
        case Sparse():
            found = np.asarray(operator.matrix.toarray())[None]
        case Kronecker():
            left = np.eye(int(operator.m))[None] if operator.left is None else _stack(operator.left, 2)
            right = operator.right if operator.right.ndim == 3 else operator.right[:, None, :]
            samples = max(len(left), len(right))
            found = np.stack([np.kron(left[n % len(left)], right[n % len(right)]) for n in range(samples)])
    return found


def _declared_combination(operator: Product | Sum) -> Array | None:
    product = isinstance(operator, Product)
    left = declared_matrix(operator.outer if isinstance(operator, Product) else operator.left)
    right = declared_matrix(operator.inner if isinstance(operator, Product) else operator.right)
    if left is None or right is None:
        return None
    combined: Array = left @ right if product else left + right
    return combined


def _stack(a: Array, ndim: int) -> Array:
    return a[None] if a.ndim == ndim else a


def _kind(operator: Operator) -> str:
    kinds = (Dense, Diagonal, Identity, Zero, DiagonalPlusLowRank, Sparse, Kronecker, Product, Sum)
    return next(kind.__name__ for kind in kinds if isinstance(operator, kind))


def edges(case: OperatorCase) -> None:
    """`edges` is a number of multiply-adds that one product with this map can have.

    Never more than those of the dense matrix (of each factor, for a product), and at least one for each row and each
    column with an entry that is no integer, which additions alone don't make. A map that is applied in factors (low
    rank, butterflies, running sums) may need fewer than it has nonzeros; the kinds that hold an entry for each nonzero
    need as many as they have nonzeros other than ±1.
    """
    operator, name = case.operator, case.block.name
    found = operator.edges
    if isinstance(found, bool) or not isinstance(found, (int, np.integer)) or found < 0:
        raise CheckError(f"{name}: edges must be a non-negative integer, got {found!r}")
    most = _dense_edges(operator)
    if found > most:
        raise CheckError(f"{name}: edges = {found}, but a dense {operator.rows} × {operator.cols} takes {most}")
    if not case.entries:
        return
    matrices = case.pushed.transpose(1, 2, 0)
    if isinstance(operator, (Dense, Diagonal, Sparse)):
        held = (np.abs(np.abs(matrices) - 1) > ROUNDING) & (np.abs(matrices) > ROUNDING * case.scale)
        least, why = int(held.sum(axis=(1, 2)).max()), "it holds so many entries other than 0 and ±1"
    else:
        weighted = np.abs(matrices - np.round(matrices)) > ROUNDING * case.scale
        least = int(max(weighted.any(axis=axis).sum(axis=1).max() for axis in (1, 2)))
        why = "so many rows or columns hold numbers that are no integers, and each takes a multiplication"
    if found < least:
        raise CheckError(f"{name}: edges = {found}, expected at least {least}: {why}")


def _dense_edges(operator: Operator) -> int:
    if isinstance(operator, Product):
        return _dense_edges(operator.outer) + _dense_edges(operator.inner)
    if isinstance(operator, Sum):
        return _dense_edges(operator.left) + _dense_edges(operator.right)
    if isinstance(operator, (Kronecker, DiagonalPlusLowRank)):  # a structure is kept also where it doesn't pay
        return max(operator.rows * operator.cols, operator.edges)
    return operator.rows * operator.cols
