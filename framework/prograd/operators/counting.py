"""Multiply-adds of products with operators, from their structure: nothing is multiplied."""

from __future__ import annotations

from typing import Final

import numpy as np

from prograd.operators.base import Operator, Product, Sum
from prograd.operators.dense import Dense
from prograd.operators.diagonal import Diagonal
from prograd.operators.lowrank import DiagonalPlusLowRank
from prograd.operators.multiplication import Arithmetic


def jvp_multiply_adds(J: Operator, vectors: int, samples: int, stack: int | None = None) -> int:
    """Multiply-adds of `J v` for `vectors` vectors, each of `samples` samples (1: the same for every sample of `J`).

    `stack` is how many maps a stack has, where `J` was made for fewer.
    """
    match J:
        case Product():
            inner = jvp_multiply_adds(J.inner, vectors, samples, stack)
            return inner + jvp_multiply_adds(J.outer, vectors, max(samples, _maps(J.inner, stack)), stack)
        case Sum():
            return sum(jvp_multiply_adds(term, vectors, samples, stack) for term in (J.left, J.right))
    return vectors * max(samples, _maps(J, stack)) * J.edges


def vjp_multiply_adds(J: Operator, vectors: int, samples: int, stack: int | None = None) -> int:
    """Multiply-adds of `J^T q`, in the same way."""
    match J:
        case Product():
            outer = vjp_multiply_adds(J.outer, vectors, samples, stack)
            return outer + vjp_multiply_adds(J.inner, vectors, max(samples, _maps(J.outer, stack)), stack)
        case Sum():
            return sum(vjp_multiply_adds(term, vectors, samples, stack) for term in (J.left, J.right))
    return vectors * max(samples, _maps(J, stack)) * J.edges


def columns_multiply_adds(J: Operator, columns: int, samples: int, stack: int | None = None) -> int:
    """Multiply-adds of writing so many columns of `J` for so many samples."""
    match J:
        case Product():
            inner = columns_multiply_adds(J.inner, columns, samples, stack)
            return inner + jvp_multiply_adds(J.outer, columns, samples, stack)
        case Sum():
            return sum(columns_multiply_adds(term, columns, samples, stack) for term in (J.left, J.right))
    return columns * _maps(J, stack) * J.column_edges


def _maps(J: Operator, stack: int | None) -> int:
    samples = J.samples
    return samples if stack is None or samples == 1 else stack


_ZERO: Final = bytes(4)


class Counting(Arithmetic):
    """Counts what `multiply` would take; dense products become matrices of the right shape that hold no memory."""

    def __init__(self) -> None:
        self.multiply_adds = 0

    def push(self, outer: Operator, inner: Dense) -> Dense:
        """One product of `outer` with each column."""
        self.multiply_adds += jvp_multiply_adds(outer, inner.cols, inner.samples)
        return _room(outer, inner, inner.cols)

    def pull(self, outer: Dense, inner: Operator) -> Dense:
        """One product of `inner` with each row."""
        self.multiply_adds += vjp_multiply_adds(inner, outer.rows, outer.samples)
        return _room(outer, inner, inner.cols)

    def compose(self, outer: Operator, inner: Operator) -> Operator:
        """A multiplication for each entry that is scaled."""
        product = outer @ inner
        match product:
            case Diagonal():
                self.multiply_adds += product.d.size
            case DiagonalPlusLowRank():
                self.multiply_adds += product.d.size + (product.U if isinstance(outer, Diagonal) else product.V).size
        return product

    def beside(self, left: Dense, right: Dense) -> Dense:
        """Copying is no arithmetic."""
        return _room(left, right, left.cols + right.cols)


def _room(one: Operator, other: Operator, cols: int) -> Dense:
    shape = (max(one.samples, other.samples), one.rows, cols)
    return Dense(np.ndarray(shape, np.float32, buffer=_ZERO, strides=(0, 0, 0)))  # quicker than broadcast_to
