"""Losses of the residual r = z − y. Labels may be any real vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prograd import Array, Loss, options
from prograd.operators import Diagonal, Identity, Operator


@dataclass(frozen=True)
class SquaredError(Loss):
    """ℓ_y(z) = ½ ‖z − y‖².

    - `z`: any real numbers.
    - `y`: any real numbers.
    """

    def value(self, z: Array, y: Array) -> Array:
        return self.value_and_gradient(z, y)[0]

    def gradient(self, z: Array, y: Array) -> Array:
        """`r`."""
        return z - y

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        r = z - y
        return np.vecdot(0.5 * r, r), r  # half before the square, which may overflow where half of it does not

    def hessian(self, z: Array, y: Array) -> Operator:
        """`I`."""
        return Identity(z.shape[-1])


@dataclass(frozen=True)
class Huber(Loss):
    """ℓ_y(z) = Σ_k (½ r_k² if |r_k| ≤ delta else delta·(|r_k| − delta/2)), with r = z − y. Huber, 1964.

    - `z`: any real numbers.
    - `y`: any real numbers.
    - `delta`: the size of a residual from which the loss grows linearly; greater than 0.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        options.real(self, "delta", above=0)

    def value(self, z: Array, y: Array) -> Array:
        return self.value_and_gradient(z, y)[0]

    def gradient(self, z: Array, y: Array) -> Array:
        """`c`, the residual clipped to [−delta, delta]."""
        return np.minimum(np.maximum(z - y, -self.delta), self.delta)

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        """`c·(r − c/2)`, which is the value on both branches, and `c`."""
        r = z - y
        c = np.minimum(np.maximum(r, -self.delta), self.delta)
        r -= 0.5 * c
        return np.vecdot(c, r), c

    def hessian(self, z: Array, y: Array) -> Operator:
        """`diag(1 if |r| ≤ delta else 0)`."""
        return Diagonal((np.abs(z - y) <= self.delta).astype(z.dtype))

    @classmethod
    def examples(cls) -> Iterator[tuple[Huber, Array, Array]]:
        """Residuals on both sides of delta, none of them near it."""
        z = np.array([[0.3, -2.0, 0.0], [1.5, 0.25, -0.75]])
        y = np.array([[0.1, 0.4, 0.6], [-1.0, 0.5, -0.5]])
        yield cls(), z, y
        yield cls(delta=0.4), z, y
        yield cls(), z[:1, :1], y[:1, :1]
