"""Layer normalization."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prograd import Array, Layer, Parameters, options
from prograd.operators import Diagonal, DiagonalPlusLowRank, Identity, Operator


@dataclass(frozen=True)
class LayerNorm(Layer):
    """g(gamma, beta; z) = gamma·x̂ + beta with x̂ = (z − μ)/σ, μ = Σz/n, σ² = Σ(z − μ)²/n + eps.

    The variance is the biased one. Without `affine`, gamma is 1 and beta is 0. Ba, Kiros and Hinton, 2016.
    """

    eps: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        options.real(self, "eps", above=0)
        options.flag(self, "affine")

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return n_in, {"gamma": (n_in,), "beta": (n_in,)} if self.affine else {}

    def init(self, rng: np.random.Generator, n_in: int) -> dict[str, Array]:
        return {"gamma": np.ones(n_in), "beta": np.zeros(n_in)} if self.affine else {}

    def g(self, w: Parameters, z: Array) -> Array:
        z_next, _ = self._normalized(z)
        if self.affine:
            z_next *= w["gamma"]
            z_next += w["beta"]
        return z_next

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = (diag(x̂) | I)`, `B = diag(gamma/σ) (I − 1 1^T/n − x̂ x̂^T/n)`, which is diagonal plus rank two."""
        n = z.shape[-1]
        xhat, sigma = self._normalized(z)
        d = w["gamma"] / sigma if self.affine else np.broadcast_to(1 / sigma, z.shape)
        V = np.stack([np.ones_like(xhat), xhat], axis=-1)
        B = DiagonalPlusLowRank(d, V * (d * (-1 / n))[:, :, None], V)
        A: dict[str, Operator] = {"gamma": Diagonal(xhat), "beta": Identity(n)} if self.affine else {}
        return A, B

    def _normalized(self, z: Array) -> tuple[Array, Array]:
        """`x̂ (N, n)` and `σ (N, 1)`."""
        n = z.shape[-1]
        xhat = z - np.add.reduce(z, axis=-1, keepdims=True) / n
        sigma = np.sqrt(np.vecdot(xhat, xhat)[:, None] / n + self.eps)
        xhat /= sigma
        return xhat, sigma

    @classmethod
    def examples(cls) -> Iterator[tuple[LayerNorm, int]]:
        """With and without parameters, and one input, for which the layer is constant in z."""
        yield cls(), 5
        yield cls(affine=False), 4
        yield cls(eps=0.1), 2
        yield cls(), 1
