"""Softmax."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prograd import Array, Layer, Parameters, rows
from prograd.operators import DiagonalPlusLowRank, Operator


@dataclass(frozen=True)
class Softmax(Layer):
    """g(z)_j = exp(z_j) / Σ_k exp(z_k), a point of the simplex."""

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return n_in, {}

    def g(self, w: Parameters, z: Array) -> Array:
        """`exp(z − max z)` over its sum, as the square of `exp(z/2 − max z/2)`: no difference overflows."""
        p = 0.5 * z
        p -= np.maximum.reduce(p, axis=-1, keepdims=True)
        np.exp(p, out=p)
        p *= p
        p /= np.add.reduce(p, axis=-1, keepdims=True)
        return p

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`B = diag(p) − p p^T` with `p = g(z)`, and `p_j Σ_{k≠j} p_k` on the diagonal."""
        p = z_next
        return {}, DiagonalPlusLowRank.minus_square(p, p, p * rows.others(p))

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """`dB = diag(dp) − dp p^T − p dp^T` with `dp = B dz`."""
        p, (_, B) = z_next, self.jacobian(w, z, z_next)
        dp = B.jvp(dz)
        return {}, DiagonalPlusLowRank(dp, np.stack([-dp, -p], axis=-1), np.stack([p, dp], axis=-1))
