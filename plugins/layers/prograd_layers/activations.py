"""Activations: `g(z)_j = φ(z_j)`, so `B = diag(φ'(z))`.

They keep the dtype of their input and don't overflow for large arguments. φ' is computed from `z_next = φ(z)` where
that saves work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from prograd import Array, Elementwise, options

ONE: Final = np.ones((), np.float32)  # widens nothing, and numpy need not convert it on every call as it does a 1


@dataclass(frozen=True)
class Relu(Elementwise):
    """φ(z) = max(z, 0); φ'(z) = 1 if z > 0 else 0."""

    def phi(self, z: Array) -> Array:
        return np.maximum(z, 0)

    def dphi(self, z: Array, z_next: Array) -> Array:
        return (z_next > 0).astype(z.dtype)


@dataclass(frozen=True)
class LeakyRelu(Elementwise):
    """φ(z) = z if z > 0 else slope·z; φ'(z) = 1 if z > 0 else slope."""

    slope: float = 0.01

    def __post_init__(self) -> None:
        options.real(self, "slope")

    def phi(self, z: Array) -> Array:
        return np.where(z > 0, z, self.slope * z)

    def dphi(self, z: Array, z_next: Array) -> Array:
        return np.where(z > 0, z.dtype.type(1), z.dtype.type(self.slope))


@dataclass(frozen=True)
class Elu(Elementwise):
    """φ(z) = z if z > 0 else alpha·(exp(z) − 1); φ'(z) = 1 if z > 0 else φ(z) + alpha.

    Clevert, Unterthiner and Hochreiter, 2016.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        options.real(self, "alpha", above=0)

    def phi(self, z: Array) -> Array:
        """`max(z, 0) + alpha·expm1(min(z, 0))`: one of the terms is zero, and expm1 can't overflow."""
        z_next = np.minimum(z, 0)
        np.expm1(z_next, out=z_next)
        z_next *= self.alpha
        z_next += np.maximum(z, 0)
        return z_next

    def dphi(self, z: Array, z_next: Array) -> Array:
        return np.where(z > 0, z.dtype.type(1), z_next + self.alpha)


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """φ(z) = 1 / (1 + exp(−z)); φ'(z) = φ(z)·(1 − φ(z))."""

    def phi(self, z: Array) -> Array:
        return special.expit(z)

    def dphi(self, z: Array, z_next: Array) -> Array:
        d = 1 - z_next
        d *= z_next
        return d


@dataclass(frozen=True)
class Tanh(Elementwise):
    """φ(z) = tanh(z); φ'(z) = 1 − φ(z)²."""

    def phi(self, z: Array) -> Array:
        return np.tanh(z)

    def dphi(self, z: Array, z_next: Array) -> Array:
        d = z_next * z_next
        return np.subtract(ONE, d, out=d)


@dataclass(frozen=True)
class Softplus(Elementwise):
    """φ(z) = log(1 + exp(z)); φ'(z) = 1 / (1 + exp(−z))."""

    def phi(self, z: Array) -> Array:
        """`max(z, 0) + log1p(exp(−|z|))`, which can't overflow."""
        z_next = np.abs(z)
        np.negative(z_next, out=z_next)
        np.exp(z_next, out=z_next)
        np.log1p(z_next, out=z_next)
        z_next += np.maximum(z, 0)
        return z_next

    def dphi(self, z: Array, z_next: Array) -> Array:
        return special.expit(z)


@dataclass(frozen=True)
class Silu(Elementwise):
    """φ(z) = z·σ(z); φ'(z) = σ(z) + φ(z)·(1 − σ(z)), with σ the sigmoid. Elfwing, Uchibe and Doya, 2018."""

    def phi(self, z: Array) -> Array:
        z_next = special.expit(z)
        z_next *= z
        return z_next

    def dphi(self, z: Array, z_next: Array) -> Array:
        sigmoid = special.expit(z)
        d = 1 - sigmoid
        d *= z_next
        d += sigmoid
        return d


@dataclass(frozen=True)
class Gelu(Elementwise):
    """φ(z) = z·Φ(z); φ'(z) = Φ(z) + z·exp(−z²/2)/√(2π), with Φ the normal distribution function.

    This is the exact form (by erf). Hendrycks and Gimpel, 2016.
    """

    def phi(self, z: Array) -> Array:
        z_next = special.ndtr(z)
        z_next *= z
        return z_next

    def dphi(self, z: Array, z_next: Array) -> Array:
        t = np.clip(z, -40, 40)  # beyond 40 the density is zero in any precision, and z² could overflow
        d = t * t
        d *= -0.5
        np.exp(d, out=d)
        d *= t
        d *= 1 / math.sqrt(2 * math.pi)
        d += special.ndtr(z)
        return d


@dataclass(frozen=True)
class Sine(Elementwise):
    """φ(z) = sin(omega·z); φ'(z) = omega·cos(omega·z). Sitzmann et al., 2020."""

    omega: float = 1.0

    def __post_init__(self) -> None:
        options.real(self, "omega")

    def phi(self, z: Array) -> Array:
        z_next: Array = self.omega * z
        return np.sin(z_next, out=z_next)

    def dphi(self, z: Array, z_next: Array) -> Array:
        d = self.omega * z
        np.cos(d, out=d)
        d *= self.omega
        return d
