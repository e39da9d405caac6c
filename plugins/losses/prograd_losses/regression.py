"""Losses of the residual r = z − y: labels may be any real vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from prograd import Loss
from prograd.errors import OptionError
from prograd.operators import Diagonal, Identity, Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prograd import Array


@dataclass(frozen=True)
class SquaredError(Loss):
    """ℓ_y(z) = ½ ‖z − y‖²."""

    def value(self, z: Array, y: Array) -> Array:
        """`½ ‖r‖²`."""
        return self.value_and_gradient(z, y)[0]

    def gradient(self, z: Array, y: Array) -> Array:
        """`r`."""
        return z - y

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        """Both from one `r`."""
        r = z - y
        return 0.5 * np.vecdot(r, r), r

    def hessian(self, z: Array, y: Array) -> Operator:
        """`I`."""
        return Identity(z.shape[-1])


@dataclass(frozen=True)
class Huber(Loss):
    """ℓ_y(z) = Σ_k (½ r_k² if |r_k| ≤ delta else delta·(|r_k| − delta/2)). Huber, 1964."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        delta = self.delta
        if isinstance(delta, bool) or not isinstance(delta, Real) or not math.isfinite(delta) or delta <= 0:
            msg = f"{self.name}: delta must be a finite number greater than 0, not {delta!r}"
            raise OptionError(msg)
        object.__setattr__(self, "delta", float(delta))  # numpy's own would widen float32

    def value(self, z: Array, y: Array) -> Array:
        """The sum over the entries."""
        return self.value_and_gradient(z, y)[0]

    def gradient(self, z: Array, y: Array) -> Array:
        """`c`, the residual clipped to [−delta, delta]."""
        r = z - y
        return np.clip(r, -self.delta, self.delta, out=r)

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        """Both from the clipped residual `c`: either branch of the value is `c·(r − c/2)`."""
        r = z - y
        c = np.clip(r, -self.delta, self.delta)
        r -= 0.5 * c
        return np.vecdot(c, r), c

    def hessian(self, z: Array, y: Array) -> Operator:
        """1 where `|r| ≤ delta`, else 0, on the diagonal."""
        return Diagonal((np.abs(z - y) <= self.delta).astype(z.dtype))

    @classmethod
    def examples(cls) -> Iterator[tuple[Huber, Array, Array]]:
        """Residuals on both sides of delta, none of them near it."""
        z = np.array([[0.3, -2.0, 0.0], [1.5, 0.25, -0.75]])
        y = np.array([[0.1, 0.4, 0.6], [-1.0, 0.5, -0.5]])
        yield cls(), z, y
        yield cls(delta=0.4), z, y
        yield cls(), z[:1, :1], y[:1, :1]
