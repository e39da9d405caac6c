"""The checks of what an operator declares: the structure of its class, and the cost of a product."""

from __future__ import annotations

import functools

import numpy as np

from prograd import operators
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
    Stacked,
    Sum,
    Zero,
)
from prograd.testing.diagnosis import ROUNDING, Pair, require_matrix
from prograd.testing.operator_case import OperatorCase
from prograd.testing.report import CheckError, CheckSkipped


def structure(case: OperatorCase) -> None:
    """An operator of one of prograd's kinds is of that kind: the numbers that it holds make up the map it applies."""
    if not case.entries:
        raise CheckSkipped("too large to compare entry by entry")
    declared = declared_matrix(case.operator)
    if declared is None:
        raise CheckSkipped(f"{type(case.operator).__name__} declares no structure")
    if len(declared) not in {1, case.samples}:
        raise CheckError(f"{case.subject}: expected 1 or {case.samples} maps, got {len(declared)}")
    kind = next(cls.__name__ for cls in type(case.operator).__mro__ if cls.__name__ in operators.__all__)
    expected = np.broadcast_to(declared, (case.samples, *declared.shape[1:]))
    what = f"the numbers that the {kind} holds"
    pair = Pair(case.pushed.transpose(1, 2, 0), "jvp", expected, what, case.rounding(expected))
    require_matrix(case.name, pair, entries=True)


def declared_matrix(operator: Operator) -> Array | None:
    """The matrices that the numbers of a declared structure make up, `(N or 1, rows, cols)`; None for others."""
    found: Array | None = None
    match operator:
        case Product() | Sum() | Stacked():
            found = _composed(operator)
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


def _parts(operator: Product | Sum | Stacked) -> tuple[Operator, ...]:
    match operator:
        case Product():
            return operator.factors
        case Sum():
            return operator.left, operator.right
        case Stacked():
            return operator.parts


def _composed(operator: Product | Sum | Stacked) -> Array | None:
    """From the matrices of its parts; None where one of them declares none."""
    declared = list(map(declared_matrix, _parts(operator)))
    known = [part for part in declared if part is not None]
    if len(known) < len(declared):
        return None
    if isinstance(operator, Product):
        return functools.reduce(np.matmul, known)
    if isinstance(operator, Sum):
        return np.add(*known)
    found = np.zeros((operator.samples, operator.rows, operator.cols))
    start = 0
    for part, at in zip(known, operator.inputs, strict=True):
        found[:, start : start + part.shape[1], at.start : at.stop] = part
        start += part.shape[1]
    return found


def _stack(a: Array, ndim: int) -> Array:
    return a[None] if a.ndim == ndim else a


def edges(case: OperatorCase) -> None:
    """`edges` is a number of multiply-adds that one product with this map can have.

    It is at most that of the dense matrix (of each factor or part, where there are several). It is at least the number
    of rows, and of columns, with an entry that is not an integer, because additions alone can't make such an entry. A
    map that is applied in factors (low rank, butterflies, running sums) may need fewer multiply-adds than it has
    nonzeros. Kinds of operator that hold an entry for each nonzero need one for each nonzero other than ±1.
    """
    operator, found = case.operator, case.operator.edges
    what = f"{case.subject}: edges"
    if isinstance(found, bool) or not isinstance(found, (int, np.integer)) or found < 0:
        raise CheckError(f"{what}: expected a non-negative integer, got {found!r}")
    most = _dense_edges(operator)
    if found > most:
        raise CheckError(f"{what}: expected at most {most} for a dense {operator.rows} × {operator.cols}, got {found}")
    if not case.entries:
        return
    matrices = case.pushed.transpose(1, 2, 0)
    if isinstance(operator, (Dense, Diagonal, Sparse)):
        held = (np.abs(np.abs(matrices) - 1) > ROUNDING) & (np.abs(matrices) > ROUNDING * case.scale)
        least, why = int(held.sum(axis=(1, 2)).max()), "the number of entries that are neither 0 nor ±1"
    else:
        weighted = np.abs(matrices - np.round(matrices)) > ROUNDING * case.scale
        least = int(max(weighted.any(axis=axis).sum(axis=1).max() for axis in (1, 2)))
        why = "the number of rows or columns with an entry that is not an integer, since each needs a multiplication"
    if found < least:
        raise CheckError(f"{what}: expected at least {least}, {why}, got {found}")


def _dense_edges(operator: Operator) -> int:
    if isinstance(operator, (Product, Sum, Stacked)):
        return sum(map(_dense_edges, _parts(operator)))
    if isinstance(operator, (Kronecker, DiagonalPlusLowRank)):  # these keep a structure even if it does not pay
        return max(operator.rows * operator.cols, operator.edges)
    return operator.rows * operator.cols
