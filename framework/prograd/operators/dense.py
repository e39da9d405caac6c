"""`Dense`: a matrix that all samples share, or one for each sample."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, RecordingArray, as_real
from prograd.errors import ShapeError
from prograd.operators.base import Operator

OperatorLike: TypeAlias = Operator | Array
"""What a layer may give as a block: an operator or an array."""


class Dense(Operator):
    """The matrix `a`: `(rows, cols)` shared by all samples, or `(N, rows, cols)`.

    >>> J = prograd.operators.Dense(np.array([[1.0, 2.0]]))
    >>> J.jvp(np.array([[3.0, 4.0]])), J.vjp(np.array([[5.0]])), J.edges
    (array([[11.]]), array([[ 5., 10.]]), 2)
    """

    samples: int
    dtype: np.dtype[Any]
    column_edges = 0  # columns are copied

    def __init__(self, a: ArrayLike) -> None:
        self.a = as_real(a, "Dense")
        if self.a.ndim == 3 and len(self.a) == 1:
            self.a = self.a[0]
        if self.a.ndim not in (2, 3):
            raise ShapeError(f"Dense: expected an array (rows, cols) or (N, rows, cols), got shape {self.a.shape}")
        self.rows, self.cols = self.a.shape[-2:]
        self.samples = 1 if self.a.ndim == 2 else self.a.shape[0]
        self.dtype = self.a.dtype

    @property
    def stack(self) -> Array:
        """`a` as `(N, rows, cols)`, with N = 1 when shared."""
        return self.a.reshape(self.samples, self.rows, self.cols)

    def jvp(self, v: Array) -> Array:
        """`a v`."""
        return _times(v, self.a.swapaxes(-1, -2))

    def vjp(self, q: Array) -> Array:
        """`a^T q`."""
        return _times(q, self.a)

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`Σ_n a_n^T q_n`: one product over samples and rows together."""
        if self.a.ndim == 2:
            return np.matmul(np.add.reduce(q, axis=-2), self.a, out=out)
        q = np.broadcast_to(q, (*q.shape[:-2], self.samples, self.rows))
        all_rows = self.samples * self.rows
        return np.matmul(q.reshape(*q.shape[:-2], all_rows), self.a.reshape(all_rows, self.cols), out=out)

    def jvp_into(self, v: Array, out: Array) -> None:
        """Writes `a v` to `out` without a copy."""
        _times_into(v, self.a.swapaxes(-1, -2), out)

    def vjp_into(self, q: Array, out: Array) -> None:
        """Writes `a^T q` to `out` without a copy."""
        _times_into(q, self.a, out)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Copies the columns of `a`."""
        out[...] = self.stack[:, :, start:stop].transpose(2, 0, 1)

    def row_block(self, part: slice, like: Array) -> Array:
        return self.stack[:, part].swapaxes(0, 1)

    def part(self, at: slice) -> Dense:
        return Dense(self.a[..., at])

    def column_blocks(self, step: int) -> Iterator[Array]:
        yield self.stack


def as_operator(block: OperatorLike) -> Operator:
    """The operator itself, or an array `(rows, cols)` or `(N, rows, cols)` as `Dense`. Raises `ShapeError`.

    >>> prograd.operators.as_operator(np.ones((3, 2))).edges
    6
    """
    return Dense(block) if isinstance(block, (np.ndarray, RecordingArray)) else block


def _times(v: Array, m: Array) -> Array:
    """`v m` row by row: `(..., N, k)` times `(k, j)` or `(N, k, j)`."""
    if m.ndim == 2:
        if v.ndim <= 2:
            return v @ m
        return (v.reshape(math.prod(v.shape[:-1]), v.shape[-1]) @ m).reshape(*v.shape[:-1], m.shape[-1])
    rows = np.moveaxis(v.reshape(math.prod(v.shape[:-2]), *v.shape[-2:]), 0, 1) @ m
    return np.moveaxis(rows, 0, 1).reshape(*v.shape[:-2], *(rows.shape[0], m.shape[-1]))


def _times_into(v: Array, m: Array, out: Array) -> None:
    if m.ndim == 2 and v.shape[:-1] == out.shape[:-1] and out.flags.c_contiguous:
        rows = math.prod(v.shape[:-1])
        np.matmul(v.reshape(rows, v.shape[-1]), m, out=out.reshape(rows, m.shape[-1], copy=False))
    else:
        out[...] = _times(v, m)
