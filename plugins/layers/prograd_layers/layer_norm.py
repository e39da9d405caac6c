"""Layer normalization."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prograd import Array, Layer, Parameters, options, rows
from prograd.operators import Diagonal, DiagonalPlusLowRank, Identity, Operator, Zero


@dataclass(frozen=True)
class LayerNorm(Layer):
    """g(gamma, beta; z) = gamma·x̂ + beta with x̂ = (z − μ)/σ, μ = Σz/n, σ² = Σ(z − μ)²/n + eps.

    The variance is the biased one. Ba, Kiros and Hinton, 2016.

    - `eps`: what is added to the variance, so that σ > 0; greater than 0.
    - `affine`: whether gamma and beta are parameters; without it, gamma is 1 and beta is 0.
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
        """`A = (diag(x̂) | I)`, `B = diag(gamma/σ) (I − 1 1^T/n − x̂ x̂^T/n)`."""
        xhat, sigma = self._normalized(z)
        A: dict[str, Operator] = {"gamma": Diagonal(xhat), "beta": Identity(z.shape[-1])} if self.affine else {}
        return A, self._projection(z, xhat, sigma, w["gamma"] / sigma if self.affine else 1 / sigma)

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """`dA = (diag(dx̂) | 0)`, `dB = diag(d(gamma/σ)) P − diag(gamma/σ) (dx̂ x̂^T + x̂ dx̂^T)/n`.

        P is `I − 1 1^T/n − x̂ x̂^T/n`; `dx̂ = P dz/σ`, `dσ = x̂·dz/n`.
        """
        n, (xhat, sigma) = z.shape[-1], self._normalized(z)
        dz = np.broadcast_to(dz, z.shape)
        dx = self._projection(z, xhat, sigma, 1 / sigma).jvp(dz)
        dlog = np.vecdot(xhat, dz)[..., None] / (n * sigma)  # of σ
        scale = w["gamma"] / sigma if self.affine else 1 / sigma
        dscale = (dw["gamma"] / sigma if self.affine else 0) - scale * dlog
        share = (-1 / n) * scale
        turned = DiagonalPlusLowRank(
            np.zeros_like(xhat), np.stack([share * dx, share * xhat], axis=-1), np.stack([xhat, dx], axis=-1)
        )
        return {"gamma": Diagonal(dx)} if self.affine else {}, self._projection(z, xhat, sigma, dscale) + turned

    def _normalized(self, z: Array) -> tuple[Array, Array]:
        """`x̂ (N, n)` and `σ (N, 1)`, from halves and quotients: no sum or square overflows."""
        n = z.shape[-1]
        x = z * 0.5
        x -= np.add.reduce(x / n, axis=-1, keepdims=True)
        x -= np.add.reduce(x / n, axis=-1, keepdims=True)  # the first mean was rounded where it is large
        half_sigma = rows.norm(x, 0.5 * math.sqrt(n * self.eps)) / math.sqrt(n)
        x /= half_sigma
        return x, 2 * half_sigma

    def _projection(self, z: Array, xhat: Array, sigma: Array, scale: Array) -> Operator:
        """`diag(scale) (I − 1 1^T/n − x̂ x̂^T/n)`. For n = 2, and beside an outlier, that is a difference of equals.

        Let k be the largest entry of `|x̂|`, `o = 1 − e_k` the others, `a = e_k − o/(n−1)`, ξ the others less their
        mean, over σ, and `τ = (‖ξ‖² + n eps/σ²)/n`, the part of the variance that k does not explain. Then it is
        `diag(o) − o o^T/(n−1) + τ (n−1)/n a a^T − x̂_k (a ξ^T + ξ a^T)/n − ξ ξ^T/n`, in which nothing cancels.
        """
        n, one = z.shape[-1], z.dtype.type(1)
        if n == 1:
            return Zero(1, 1)
        top = rows.first_maximum(np.abs(xhat))
        mean = np.add.reduce(np.where(top, 0, z) * (0.5 / (n - 1)), axis=-1, keepdims=True)
        o, a = np.where(top, 0, one), np.where(top, one, -1 / (n - 1))
        xi = np.where(top, 0, (0.5 * z - mean) / (0.5 * sigma))
        xi -= o * (np.add.reduce(xi, axis=-1, keepdims=True) / (n - 1))
        tau = rows.norm(xi, math.sqrt(n * self.eps) / sigma) ** 2 / n
        if n == 2:  # then `diag(o) − o o^T` and ξ are zero
            return DiagonalPlusLowRank(np.zeros_like(o), (0.5 * tau * scale * a)[..., None], a[..., None])
        x_k = np.add.reduce(np.where(top, xhat, 0), axis=-1, keepdims=True)
        V = np.stack([o, a, xi], axis=-1)
        del o, a, xi
        U = np.empty_like(V)
        U[..., 0] = V[..., 0] * (-1 / (n - 1))
        U[..., 1] = V[..., 1] * (tau * (n - 1) / n) - V[..., 2] * (x_k / n)
        U[..., 2] = V[..., 1] * (-x_k / n) - V[..., 2] / n
        U *= scale[..., None]
        return DiagonalPlusLowRank(V[..., 0] * scale, U, V)

    @classmethod
    def examples(cls) -> Iterator[tuple[LayerNorm, int]]:
        """With and without parameters, and one input, for which the layer is constant in z."""
        yield cls(), 5
        yield cls(affine=False), 4
        yield cls(eps=0.1), 2
        yield cls(), 1
