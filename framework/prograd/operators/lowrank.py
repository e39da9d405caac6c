"""`DiagonalPlusLowRank`: the block `B` of normalisations (softmax, layer norm)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, as_real, diagonal
from prograd.errors import ShapeError
from prograd.operators.base import Operator
from prograd.operators.derived import derived
from prograd.rows import MOST


class DiagonalPlusLowRank(Operator):
    """`diag(d) + U V^T`: `d` is `(n,)` or `(N, n)`; `U` and `V` are `(n, k)` or `(N, n, k)`.

    >>> J = prograd.operators.DiagonalPlusLowRank(np.ones(2), np.array([[1.0], [0.0]]), np.array([[2.0], [3.0]]))
    >>> J.dense()
    array([[[3., 3.],
            [0., 1.]]])
    """

    def __init__(self, d: ArrayLike, U: ArrayLike, V: ArrayLike) -> None:
        self.d = as_real(d, "DiagonalPlusLowRank: d")
        self.U = as_real(U, "DiagonalPlusLowRank: U")
        self.V = as_real(V, "DiagonalPlusLowRank: V")
        n = self.d.shape[-1] if self.d.ndim else 0
        if self.d.ndim not in (1, 2) or any(F.ndim not in (2, 3) or F.shape[-2] != n for F in (self.U, self.V)):
            shapes = f"d {self.d.shape}, U {self.U.shape}, V {self.V.shape}"
            raise ShapeError(
                f"DiagonalPlusLowRank: expected d (N, n), U and V (N, n, k), or all without N, got {shapes}"
            )
        if self.U.shape[-1] != self.V.shape[-1]:
            raise ShapeError(
                f"DiagonalPlusLowRank: expected U and V of one rank, got {self.U.shape[-1]} and {self.V.shape[-1]}"
            )
        self.rows = self.cols = n

    @classmethod
    def minus_square(cls, d: Array | float, u: Array, diagonal: Array) -> DiagonalPlusLowRank:
        """`diag(d) − u u^T`, whose diagonal is known without cancellation. `u` and `diagonal` are `(N, n)`.

        Where `u_k²` is nearly `d_k`, their difference is lost in rounding. If the operator is positive semidefinite,
        which means `Σ u_k²/d_k ≤ 1`, that can be so for one k, and there `diagonal_k` is taken.
        """
        most = u * u > MOST * d
        rest = np.where(most, 0, u)  # u u^T = u rest^T + u_k rest e_k^T + u_k² e_k e_k^T
        u_k = np.add.reduce(u - rest, axis=-1, keepdims=True)
        U, V = (-u, rest * -u_k), (rest, most.astype(u.dtype))
        return cls(np.where(most, diagonal, d), np.stack(U, axis=-1), np.stack(V, axis=-1))

    def jvp(self, v: Array) -> Array:
        """`d ∘ v + U (V^T v)`."""
        return _apply(self.d, self.U, self.V, v)

    def vjp(self, q: Array) -> Array:
        """`d ∘ q + V (U^T q)`."""
        return _apply(self.d, self.V, self.U, q)

    def jvp_into(self, v: Array, out: Array) -> None:
        """Writes `d ∘ v + U (V^T v)` to `out`."""
        _apply_into(self.d, self.U, self.V, v, out)

    def vjp_into(self, q: Array, out: Array) -> None:
        """Writes `d ∘ q + V (U^T q)` to `out`."""
        _apply_into(self.d, self.V, self.U, q, out)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """The columns of `U V^T`, with `d` added on the diagonal."""
        U = self.U[None] if self.U.ndim == 2 else self.U
        V = (self.V[None] if self.V.ndim == 2 else self.V)[:, start:stop]
        out[...] = (V @ U.swapaxes(-1, -2)).swapaxes(0, 1)
        on_diagonal = diagonal(out[:, :, start:stop])
        on_diagonal += np.atleast_2d(self.d)[:, start:stop].T

    @derived
    def edges(self) -> int:
        """N for the diagonal, n k for each of the factors."""
        return self.rows * (1 + 2 * int(self.U.shape[-1]))

    @derived
    def column_edges(self) -> int:
        """N k for a column of `U V^T`."""
        return self.rows * int(self.U.shape[-1])

    @derived
    def samples(self) -> int:
        return max(1 if self.d.ndim == 1 else len(self.d), *(1 if F.ndim == 2 else len(F) for F in (self.U, self.V)))

    @derived
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(self.d, self.U, self.V)


def _apply(d: Array, U: Array, V: Array, v: Array) -> Array:
    scaled, rest = d * v, _low_rank(U, V, v)
    same = (scaled.shape, scaled.dtype) == (rest.shape, rest.dtype)
    total: Array = np.add(scaled, rest, out=scaled if same else None)
    return total


def _apply_into(d: Array, U: Array, V: Array, v: Array, out: Array) -> None:
    np.multiply(d, v, out=out)
    out += _low_rank(U, V, v)


def _low_rank(U: Array, V: Array, v: Array) -> Array:
    if U.shape[-1] != 1:
        return ((v[..., None, :] @ V) @ U.swapaxes(-1, -2))[..., 0, :]
    # Rank one: entrywise products are quicker than many tiny matrix products.
    return U[..., 0] * np.add.reduce(V[..., 0] * v, axis=-1, keepdims=True)
