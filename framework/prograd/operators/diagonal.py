"""Operators that cost one multiplication an entry or none: `Diagonal`, `Identity`, `Zero`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, as_real
from prograd.errors import ShapeError
from prograd.operators.base import Operator


class Diagonal(Operator):
    """`diag(d)`: `d` is `(n,)` shared by all samples, or `(N, n)`."""

    in_place = True

    def __init__(self, d: ArrayLike) -> None:
        self.d = as_real(d, "Diagonal")
        if self.d.ndim not in (1, 2):
            raise ShapeError(f"Diagonal: expected an array (n,) or (N, n), got shape {self.d.shape}")
        self.rows = self.cols = self.d.shape[-1]

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
        """Zeros but for `d` on the diagonal."""
        out[...] = 0
        k = np.arange(start, stop)
        out[k - start, :, k] = np.atleast_2d(self.d)[:, start:stop].T

    @property
    def edges(self) -> int:
        """One multiplication an entry."""
        return self.rows

    @property
    def column_edges(self) -> int:
        """None: they are written down."""
        return 0

    @property
    def samples(self) -> int:
        """N, or 1 when shared."""
        return 1 if self.d.ndim == 1 else self.d.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of `d`."""
        return self.d.dtype


class Identity(Operator):
    """`I_n`."""

    def __init__(self, n: int) -> None:
        self.rows = self.cols = n

    def jvp(self, v: Array) -> Array:
        """`v` itself."""
        return v

    def vjp(self, q: Array) -> Array:
        """`q` itself."""
        return q

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`Σ_n q_n`."""
        return np.add.reduce(q, axis=-2, out=out)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Zeros but for a one a column."""
        out[...] = 0
        k = np.arange(start, stop)
        out[k - start, :, k] = 1

    @property
    def edges(self) -> int:
        """None."""
        return 0

    @property
    def column_edges(self) -> int:
        """None: they are written down."""
        return 0

    @property
    def samples(self) -> int:
        """Shared."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32: it widens nothing."""
        return np.dtype(np.float32)


class Zero(Operator):
    """The map that sends everything to zero."""

    def __init__(self, rows: int, cols: int) -> None:
        self.rows, self.cols = rows, cols

    def jvp(self, v: Array) -> Array:
        """Zeros."""
        return np.zeros((*v.shape[:-1], self.rows), v.dtype)

    def vjp(self, q: Array) -> Array:
        """Zeros."""
        return np.zeros((*q.shape[:-1], self.cols), q.dtype)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Zeros."""
        out[...] = 0

    @property
    def edges(self) -> int:
        """None."""
        return 0

    @property
    def column_edges(self) -> int:
        """None: they are written down."""
        return 0

    @property
    def samples(self) -> int:
        """Shared."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32: it widens nothing."""
        return np.dtype(np.float32)
