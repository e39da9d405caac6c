"""Scale and shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prograd import Array, Layer, Parameters
from prograd.operators import Diagonal, Identity, Operator


@dataclass(frozen=True)
class ScaleShift(Layer):
    """g(scale, shift; z) = scale·z + shift, entry by entry. It starts as the identity."""

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return n_in, {"scale": (n_in,), "shift": (n_in,)}

    def init(self, rng: np.random.Generator, n_in: int) -> dict[str, Array]:
        return {"scale": np.ones(n_in), "shift": np.zeros(n_in)}

    def g(self, w: Parameters, z: Array) -> Array:
        z_next = w["scale"] * z
        z_next += w["shift"]
        return z_next

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = (diag(z) | I)`, `B = diag(scale)`."""
        return {"scale": Diagonal(z), "shift": Identity(z.shape[-1])}, Diagonal(w["scale"])

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """`dA = (diag(dz) | 0)`, `dB = diag(dscale)`."""
        return {"scale": Diagonal(dz)}, Diagonal(dw["scale"])
