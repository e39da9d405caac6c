"""`Kronecker`: the block `A` of any layer that multiplies its input by a weight matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from prograd.arrays import Array, as_real, size
from prograd.errors import ShapeError
from prograd.operators import entries, norms
from prograd.operators.base import Operator
from prograd.operators.dense import Dense
from prograd.operators.derived import derived
from prograd.operators.diagonal import Identity
from prograd.rows import norm


class Kronecker(Operator):
    """`vec(W) -> (left ⊗ right) vec(W)`, which is `vec(left W right^T)`, with `vec` in row-major order.

    `left` is an int m for `I_m`, or an array `(m', m)` or `(N, m', m)`. `right` is `(N, t)`, a row for each sample, or
    `(N, s, t)`; with N = 1 all samples share it. So `W` is `(m, t)`, `cols = m t` and `rows = m' s`.

    >>> A = prograd.operators.Kronecker(2, np.array([[3.0, 4.0]]))  # I_2 ⊗ z^T, the block of W in W z
    >>> A.dense()
    array([[[3., 4., 0., 0.],
            [0., 0., 3., 4.]]])
    >>> A.edges
    4
    """

    def __init__(self, left: int | ArrayLike, right: ArrayLike) -> None:
        self.right = as_real(right, "Kronecker: right")
        if self.right.ndim not in (2, 3):
            raise ShapeError(f"Kronecker: expected right to be (N, t) or (N, s, t), got shape {self.right.shape}")
        self.t: int = self.right.shape[-1]
        self.s: int = 1 if self.right.ndim == 2 else self.right.shape[1]
        if isinstance(left, (int, np.integer)):
            self.left = None
            self.m_out = self.m = size(int(left), "Kronecker: left")
        else:
            self.left = as_real(left, "Kronecker: left")
            if self.left.ndim not in (2, 3):
                raise ShapeError(
                    f"Kronecker: expected left to be an int, (m', m) or (N, m', m), got shape {self.left.shape}"
                )
            self.m_out, self.m = self.left.shape[-2:]
        self.rows, self.cols = self.m_out * self.s, self.m * self.t

    def jvp(self, v: Array) -> Array:
        """`left V right^T`."""
        V = v.reshape(*v.shape[:-1], self.m, self.t)
        if self.right.ndim == 3:
            return _flat(_sandwich(self.left, V, self.right.swapaxes(-1, -2)))
        if v.shape[-2] == 1:  # one V for all samples: a single matrix product
            product = self.right @ V[..., 0, :, :].swapaxes(-1, -2)
        else:
            product = (V @ self.right[:, :, None])[..., 0]
        return product if self.left is None else (self.left @ product[..., None])[..., 0]

    def vjp(self, q: Array) -> Array:
        """`left^T Q right`."""
        if self.right.ndim == 3:
            left = None if self.left is None else self.left.swapaxes(-1, -2)
            return _flat(_sandwich(left, q.reshape(*q.shape[:-1], self.m_out, self.s), self.right))
        return _flat(self._pulled(q)[..., None] * self.right[:, None, :])

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`Σ_n left_n^T Q_n right_n`: one product over the samples."""
        lead = q.shape[:-2]
        samples = max(q.shape[-2], self.samples)
        if self.right.ndim == 2:
            q = self._pulled(q)
            right = self.right
        else:
            if self.samples == 1:
                q, samples = np.add.reduce(q, axis=-2, keepdims=True), 1
            Q = q.reshape(*q.shape[:-1], self.m_out, self.s)
            Q = Q if self.left is None else self.left.swapaxes(-1, -2) @ Q
            q = np.broadcast_to(Q, (*lead, samples, self.m, self.s)).swapaxes(-1, -2)
            q = q.reshape(*lead, samples * self.s, self.m)
            right = np.broadcast_to(self.right, (samples, self.s, self.t)).reshape(samples * self.s, self.t)
        if len(right) == 1 < q.shape[-2]:
            q = np.add.reduce(q, axis=-2, keepdims=True)
        if q.shape[-2] == 1 < len(right):
            right = np.add.reduce(right, axis=0, keepdims=True)
        if out is None:
            out = np.empty((*lead, self.cols), np.result_type(q, right), like=q)
        target = out.reshape(*lead, self.m, self.t)
        if len(right) == 1:  # an outer product
            np.multiply(q.swapaxes(-1, -2), right, out=target)
        else:
            np.matmul(q.swapaxes(-1, -2), right, out=target)
        return out

    def vjp_norm(self, q: Array) -> Array:
        """`‖left^T q‖ ‖right‖` for one row; for more rows `left^T Q right` itself, a few samples at a time.

        `‖Q right‖² = ⟨Q^T Q, right right^T⟩` would be cheaper for few rows, but half of the digits are lost where its
        terms cancel.
        """
        if self.s == 1:
            product: Array = norm(self._pulled(q))[..., 0] * norm(self.right.reshape(len(self.right), self.t))[..., 0]
            return product

        def pull(q: Array, at: slice) -> Array:
            right = self.right[at] if len(self.right) > 1 else self.right
            left = self.left
            if left is not None:
                left = (left[at] if left.ndim == 3 and len(left) > 1 else left).swapaxes(-1, -2)
            return _flat(_sandwich(left, q.reshape(*q.shape[:-1], self.m_out, self.s), right))

        return norms.in_parts(pull, q, self, together=False)

    def vjp_into(self, q: Array, out: Array) -> None:
        """Writes `left^T Q right` to `out` without a copy."""
        if self.right.ndim == 3:
            out[...] = self.vjp(q)
            return
        q, right = self._pulled(q), self.right
        target = out.reshape(*out.shape[:-1], self.m, right.shape[1])
        np.multiply(q[..., None], right[:, None, :], out=target, casting="same_kind")

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """The column of the entry `W_jk` is column j of `left` times column k of `right`."""
        target = out.reshape(*out.shape[:-1], self.m_out, self.s)
        right = self.right.reshape(len(self.right), self.s, self.t).transpose(2, 0, 1)
        for at, j, k in _rectangles(start, stop, self.t):
            rows, columns = len(range(self.m)[j]), len(range(self.t)[k])
            part = target[at].reshape(rows, columns, *target.shape[1:])
            if self.left is None:
                part[...] = 0
                np.einsum("jknjs->jkns", part[:, :, :, j])[...] = right[k]
            else:
                left = (self.left if self.left.ndim == 3 else self.left[None]).transpose(2, 0, 1)[j]
                np.multiply(left[:, None, :, :, None], right[k][:, :, None, :], out=part)

    def csr(self, samples: int = 1) -> csr_array:
        """Where `left` is `I_m`: the row of `right` at its place, in each row."""
        if self.left is not None:
            return super().csr(samples)
        right = self.right.reshape(len(self.right), 1, self.s, self.t)
        data = np.broadcast_to(right, (len(right), self.m, self.s, self.t)).reshape(len(right), self.rows, self.t)
        columns = np.repeat(np.arange(self.cols).reshape(self.m, self.t), self.s, axis=0)
        return entries.by_rows(data, columns, self.cols, max(samples, self.samples))

    def kronecker_factors(self) -> tuple[Operator, Array]:
        """`left` and `right` themselves, where a sample's right factor has one row."""
        if self.s != 1:
            return super().kronecker_factors()
        left = Identity(self.m) if self.left is None else Dense(self.left)
        return left, self.right if self.right.ndim == 2 else self.right[:, 0]

    def column_blocks_behind(self, outer: Operator, step: int) -> Iterator[Array]:
        """`F (I ⊗ right)`: the columns of `F` that belong to some rows of `W`, times `right`."""
        if self.left is not None:
            yield from super().column_blocks_behind(outer, step)
            return
        F = outer.row_block(slice(None), self.right).swapaxes(0, 1)
        F = F.reshape(*F.shape[:2], self.m, self.s)
        right = self.right.reshape(len(self.right), 1, self.s, self.t)
        rows = max(1, step // max(1, self.t))
        for start in range(0, self.m, rows):
            block = F[:, :, start : start + rows] @ right
            yield _flat(block)

    @derived
    def edges(self) -> int:
        """`m s t` for the product with `right`, and `m' m s` for the one with `left`."""
        pulled = 0 if self.left is None else self.m_out * self.m * self.s
        return pulled + self.m * self.s * self.t

    @derived
    def norm_edges(self) -> int:
        """For one row `m' m` for the product with `left`, and `m + t` for both norms; for more rows all of `J^T q`."""
        if self.s != 1:
            return self.edges + self.cols
        return (0 if self.left is None else self.m_out * self.m) + self.m + self.t

    @derived
    def column_edges(self) -> int:
        """`m' s` for the product of a column of `left` with one of `right`; none where `left` is `I_m`."""
        return 0 if self.left is None else self.rows

    @derived
    def samples(self) -> int:
        return max(len(self.right), 1 if self.left is None or self.left.ndim == 2 else len(self.left))

    @derived
    def dtype(self) -> np.dtype[Any]:
        return self.right.dtype if self.left is None else np.result_type(self.left, self.right)

    def _pulled(self, q: Array) -> Array:
        """`left^T q`, for a right factor of one row."""
        if self.left is None:
            return q
        if self.left.ndim == 2:
            return q @ self.left
        return (q[..., None, :] @ self.left)[..., 0, :]


def _rectangles(start: int, stop: int, t: int) -> Iterator[tuple[slice, slice, slice]]:
    """The entries start..stop of a matrix with `t` columns as rectangles: where in the range, rows, columns."""
    at = start
    while at < stop:
        j, k = divmod(at, t)
        if k or stop - at < t:  # part of a row
            size, rows, columns = min(t - k, stop - at), 1, slice(k, min(t, k + stop - at))
        else:
            rows, columns = (stop - at) // t, slice(0, t)
            size = rows * t
        yield slice(at - start, at - start + size), slice(j, j + rows), columns
        at += size


def _sandwich(left: Array | None, V: Array, right: Array) -> Array:
    product = V @ right
    return product if left is None else left @ product


def _flat(V: Array) -> Array:
    return V.reshape(*V.shape[:-2], V.shape[-2] * V.shape[-1])
