"""Softmax."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prograd import Array, Layer, Parameters
from prograd.operators import DiagonalPlusLowRank, Operator


@dataclass(frozen=True)
class Softmax(Layer):
    """g(z)_j = exp(z_j) / Σ_k exp(z_k), a point of the simplex."""

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return n_in, {}

    def g(self, w: Parameters, z: Array) -> Array:
        """`exp(z − max z)` over its sum: the shift cancels, and nothing overflows."""
        p = z - np.maximum.reduce(z, axis=-1, keepdims=True)
        np.exp(p, out=p)
        p /= np.add.reduce(p, axis=-1, keepdims=True)
        return p

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`B = diag(p) − p p^T` with `p = g(z)`."""
        column = z_next[:, :, None]
        return {}, DiagonalPlusLowRank(z_next, -column, column)
