"""Operators that cost one multiplication for each entry, or none: `Diagonal`, `Identity`, `Zero`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, eye_array

from prograd.arrays import Array, as_real, diagonal, size
from prograd.errors import ShapeError
from prograd.operators import entries
from prograd.operators.base import Operator, Part
from prograd.operators.derived import derived
from prograd.rows import norm


class Diagonal(Operator):
    """`diag(d)`: `d` is `(n,)` shared by all samples, or `(N, n)`.

    >>> J = prograd.operators.Diagonal(np.array([2.0, 3.0]))
    >>> J.jvp(np.array([[5.0, 7.0]])), J.edges
    (array([[10., 21.]]), 2)
    """

    samples: int
    dtype: np.dtype[Any]
    column_edges = 0  # columns are written down
    in_place = True

    def __init__(self, d: ArrayLike) -> None:
        self.d = as_real(d, "Diagonal")
        if self.d.ndim not in (1, 2):
            raise ShapeError(f"Diagonal: expected an array (n,) or (N, n), got shape {self.d.shape}")
        self.rows = self.cols = self.d.shape[-1]
        self.samples = 1 if self.d.ndim == 1 else self.d.shape[0]
        self.dtype = self.d.dtype

    def jvp(self, v: Array) -> Array:
        """`d ∘ v`."""
        return v * self.d

    def vjp(self, q: Array) -> Array:
        """`d ∘ q`."""
        return q * self.d

    def jvp_into(self, v: Array, out: Array) -> None:
        """Writes `d ∘ v` to `out`, which may be `v` itself."""
        np.multiply(v, self.d, out=out)

    def vjp_into(self, q: Array, out: Array) -> None:
        """Writes `d ∘ q` to `out`, which may be `q` itself."""
        np.multiply(q, self.d, out=out)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """`d` on the diagonal of zeros."""
        out[...] = 0
        diagonal(out[:, :, start:stop])[...] = np.atleast_2d(self.d)[:, start:stop].T

    def csr(self, samples: int = 1) -> csr_array:
        samples = max(samples, self.samples)
        return entries.by_rows(np.atleast_2d(self.d)[..., None], np.arange(self.cols)[:, None], self.cols, samples)

    @derived
    def edges(self) -> int:
        """One multiplication for each entry."""
        return self.rows


class Identity(Operator):
    """`I_n`.

    >>> prograd.operators.Identity(2).dense().tolist()
    [[[1.0, 0.0], [0.0, 1.0]]]
    """

    samples = 1
    edges = column_edges = 0
    dtype = np.dtype(np.float32)  # widens nothing

    def __init__(self, n: int) -> None:
        self.rows = self.cols = size(n, "Identity: n")

    def jvp(self, v: Array) -> Array:
        """`v` itself."""
        return v

    def vjp(self, q: Array) -> Array:
        """`q` itself."""
        return q

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`Σ_n q_n`."""
        return np.add.reduce(q, axis=-2, out=out)

    def vjp_norm(self, q: Array) -> Array:
        """`‖q‖`."""
        return norm(q)[..., 0]

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """A one in each column of zeros."""
        out[...] = 0
        diagonal(out[:, :, start:stop])[...] = 1

    def part(self, at: slice) -> Part:
        return Part(self.cols, at)

    def csr(self, samples: int = 1) -> csr_array:
        return eye_array(samples * self.rows, dtype=self.dtype, format="csr")


class Zero(Operator):
    """The map that sends everything to zero.

    >>> prograd.operators.Zero(1, 2).dense().tolist()
    [[[0.0, 0.0]]]
    """

    samples = 1
    edges = column_edges = norm_edges = 0
    dtype = np.dtype(np.float32)  # widens nothing

    def __init__(self, rows: int, cols: int) -> None:
        self.rows, self.cols = size(rows, "Zero: rows"), size(cols, "Zero: cols")

    def jvp(self, v: Array) -> Array:
        """Zeros."""
        return np.zeros((*v.shape[:-1], self.rows), v.dtype, like=v)

    def vjp(self, q: Array) -> Array:
        """Zeros."""
        return np.zeros((*q.shape[:-1], self.cols), q.dtype, like=q)

    def vjp_norm(self, q: Array) -> Array:
        """Zeros."""
        return np.zeros(q.shape[:-1], q.dtype, like=q)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Zeros."""
        out[...] = 0

    def csr(self, samples: int = 1) -> csr_array:
        return csr_array((samples * self.rows, samples * self.cols), dtype=self.dtype)

    def part(self, at: slice) -> Zero:
        return Zero(self.rows, len(range(self.cols)[at]))
