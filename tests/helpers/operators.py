"""Operators as a plugin author writes them: correct ones, and some with exactly one mistake."""

from __future__ import annotations

import numpy as np

from prograd.operators import DiagonalPlusLowRank, Operator


class Own(Operator):
    """The matrix `W` of shape `(rows, cols)`, or `(N, rows, cols)` for one matrix per sample; correct."""

    def __init__(self, W):
        self.W = W
        self.rows, self.cols = W.shape[-2:]

    def jvp(self, v):
        return (self.W @ v[..., None])[..., 0]

    def vjp(self, q):
        return (self.W.swapaxes(-2, -1) @ q[..., None])[..., 0]

    def columns_from(self, start, stop):
        """The correct columns, of shape `(stop - start, N, rows)`, even where a subclass has a wrong `jvp`."""
        return np.moveaxis(self.W.reshape(-1, self.rows, self.cols), -1, 0)[start:stop]


class MultipliesFromTheWrongSide(Own):
    """The shapes do not fit."""

    samples = 1

    def jvp(self, v):
        return v @ self.W


class RunningSum(Operator):
    """A triangle of ones: n(n+1)/2 additions and no multiplication."""

    edges = 0

    def __init__(self, n):
        self.rows = self.cols = n

    def jvp(self, v):
        return np.cumsum(v, axis=-1)

    def vjp(self, q):
        return np.cumsum(q[..., ::-1], axis=-1)[..., ::-1]


class OfNumbers(Own):
    """Correct, but takes nothing but arrays of numbers."""

    def jvp(self, v):
        return super().jvp(np.asarray(v))

    def vjp(self, q):
        return super().vjp(np.asarray(q))


class VjpIsDouble(Own):
    def vjp(self, q):
        return 2 * super().vjp(q)


class SqueezesVjp(Own):
    """One sample loses its axis."""

    def vjp(self, q):
        return super().vjp(q)[..., 0, :] if q.shape[-2] == 1 else super().vjp(q)


class JvpIsDouble(Own):
    """`vjp` and `dense` are correct."""

    def jvp(self, v):
        return 2 * super().jvp(v)

    def dense(self):
        return self.W.reshape(-1, self.rows, self.cols)

    def columns_into(self, start, stop, out):
        out[...] = self.jvp(np.eye(self.cols, dtype=out.dtype)[start:stop, None])


class RoundsItsDirection(Own):
    """Computes in float32: the error is as small as that of finite differences, and the columns are correct."""

    def jvp(self, v):
        return super().jvp(v.astype(np.float32))


class DenseIsDouble(Own):
    def dense(self):
        return 2 * super().dense()


class ColumnsFromTheFirst(Own):
    """`dense()` asks for all columns, so it is correct."""

    def columns_into(self, start, stop, out):
        out[...] = self.columns_from(0, stop - start)


class AddsWhenWritingInto(Own):
    def jvp_into(self, v, out):
        out[...] = self.jvp(v) + 1

    def columns_into(self, start, stop, out):
        out[...] = self.columns_from(start, stop)


class SumsTheLeadingAxes(Own):
    """Correct for one `q` per sample, which is all that a gradient needs."""

    def vjp_sum(self, q, out=None):
        return np.add.reduce(self.vjp(q), axis=tuple(range(q.ndim - 1)), out=out)


class HoldsOtherNumbers(Own, DiagonalPlusLowRank):
    """Square; it applies other numbers than those it declares."""

    vjp_sum = Operator.vjp_sum
    jvp_into = Operator.jvp_into
    vjp_into = Operator.vjp_into
    columns_into = Operator.columns_into

    def __init__(self, W):
        Own.__init__(self, W)
        d, unit = np.zeros(W.shape[:-1], W.dtype), np.broadcast_to(np.eye(self.cols, dtype=W.dtype), W.shape)
        DiagonalPlusLowRank.__init__(self, d, 2 * W, unit)


class ForFree(Own):
    edges = 0
