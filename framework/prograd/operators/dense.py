"""`Dense`: a matrix, shared by all samples or one a sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, as_real
from prograd.errors import ShapeError
from prograd.operators.base import Operator


class Dense(Operator):
    """The matrix `a`: `(rows, cols)` shared by all samples, or `(N, rows, cols)`."""

    def __init__(self, a: ArrayLike) -> None:
        self.a = as_real(a, "Dense")
        if self.a.ndim == 3 and len(self.a) == 1:
            self.a = self.a[0]
        if self.a.ndim not in (2, 3):
            raise ShapeError(f"Dense: expected an array (rows, cols) or (N, rows, cols), got shape {self.a.shape}")
        self.rows, self.cols = self.a.shape[-2:]

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
        q = np.broadcast_to(q, (*q.shape[:-2], self.a.shape[0], self.rows))
        return np.matmul(q.reshape(*q.shape[:-2], -1), self.a.reshape(-1, self.cols), out=out)

    def jvp_into(self, v: Array, out: Array) -> None:
        """Writes `a v` to `out` without a copy."""
        _times_into(v, self.a.swapaxes(-1, -2), out)

    def vjp_into(self, q: Array, out: Array) -> None:
        """Writes `a^T q` to `out` without a copy."""
        _times_into(q, self.a, out)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Copies the columns of `a`."""
        stack = self.a.reshape(-1, self.rows, self.cols)
        out[...] = stack[:, :, start:stop].transpose(2, 0, 1)

    @property
    def column_edges(self) -> int:
        """None: columns are copied."""
        return 0

    @property
    def samples(self) -> int:
        """N, or 1 when shared."""
        return 1 if self.a.ndim == 2 else self.a.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of `a`."""
        return self.a.dtype


def _times(v: Array, m: Array) -> Array:
    """`v m` row by row: `(..., N, k)` times `(k, j)` or `(N, k, j)`."""
    if m.ndim == 2:
        if v.ndim <= 2:
            product: Array = v.dot(m)  # quicker to call than matmul
            return product
        return (v.reshape(math.prod(v.shape[:-1]), v.shape[-1]) @ m).reshape(*v.shape[:-1], m.shape[-1])
    rows = np.moveaxis(v.reshape(math.prod(v.shape[:-2]), *v.shape[-2:]), 0, 1) @ m
    return np.moveaxis(rows, 0, 1).reshape(*v.shape[:-2], *(rows.shape[0], m.shape[-1]))


def _times_into(v: Array, m: Array, out: Array) -> None:
    if m.ndim == 2 and v.shape[:-1] == out.shape[:-1] and out.flags.c_contiguous:
        rows = math.prod(v.shape[:-1])
        np.matmul(v.reshape(rows, v.shape[-1]), m, out=out.reshape(rows, m.shape[-1], copy=False))
    else:
        out[...] = _times(v, m)
