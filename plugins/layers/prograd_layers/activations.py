"""Activations: `g(z)_j = φ(z_j)`, so `B = diag(φ'(z))`.

They keep the dtype of their input and don't overflow for large arguments. φ' keeps all digits where φ is saturated: no
difference of numbers that are nearly equal, such as `1 − φ(z)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from prograd import Array, Elementwise, options

BELL: Final = 40.0  # from here on exp(−z²/2) is zero in any precision


@dataclass(frozen=True)
class Relu(Elementwise):
    """φ(z) = max(z, 0); φ'(z) = 1 if z > 0 else 0."""

    def phi(self, z: Array) -> Array:
        return np.maximum(z, 0)

    def dphi(self, z: Array, z_next: Array) -> Array:
        return (z_next > 0).astype(z.dtype)

    def d2phi(self, z: Array, z_next: Array) -> Array:
        return np.zeros_like(z)


@dataclass(frozen=True)
class LeakyRelu(Elementwise):
    """φ(z) = z if z > 0 else slope·z; φ'(z) = 1 if z > 0 else slope.

    - `slope`: the derivative for z ≤ 0.
    """

    slope: float = 0.01

    def __post_init__(self) -> None:
        options.real(self, "slope")

    def phi(self, z: Array) -> Array:
        return np.where(z > 0, z, self.slope * z)

    def dphi(self, z: Array, z_next: Array) -> Array:
        return np.where(z > 0, z.dtype.type(1), z.dtype.type(self.slope))

    def d2phi(self, z: Array, z_next: Array) -> Array:
        return np.zeros_like(z)


@dataclass(frozen=True)
class Elu(Elementwise):
    """φ(z) = z if z > 0 else alpha·(exp(z) − 1); φ'(z) = 1 if z > 0 else alpha·exp(z).

    Clevert, Unterthiner and Hochreiter, 2016.

    - `alpha`: −alpha is the limit for z → −∞; greater than 0.
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
        d = np.minimum(z, 0)
        np.exp(d, out=d)
        d *= self.alpha
        return np.where(z > 0, z.dtype.type(1), d)

    def d2phi(self, z: Array, z_next: Array) -> Array:
        """`alpha·exp(z)` for z ≤ 0, else 0."""
        return np.where(z > 0, 0, self.dphi(z, z_next))


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """φ(z) = 1 / (1 + exp(−z)); φ'(z) = e/(1 + e)² with e = exp(−|z|)."""

    def phi(self, z: Array) -> Array:
        return _sigmoid(z)

    def dphi(self, z: Array, z_next: Array) -> Array:
        d = _decay(z)
        size = 1 + d
        size *= size
        d /= size
        return d

    def d2phi(self, z: Array, z_next: Array) -> Array:
        """`φ'(z)·(1 − 2 φ(z))`, and `1 − 2 φ(z) = −tanh(z/2)`."""
        d = self.dphi(z, z_next)
        d *= -np.tanh(0.5 * z)
        return d


@dataclass(frozen=True)
class Tanh(Elementwise):
    """φ(z) = tanh(z); φ'(z) = 1/cosh(z)² = (exp(−|z|)·(1 + |φ(z)|))²."""

    def phi(self, z: Array) -> Array:
        return np.tanh(z)

    def dphi(self, z: Array, z_next: Array) -> Array:
        d = _decay(z)
        size = np.abs(z_next)
        size += 1
        d *= size
        d *= d
        return d

    def d2phi(self, z: Array, z_next: Array) -> Array:
        """`−2 φ(z) φ'(z)`."""
        d = self.dphi(z, z_next)
        d *= -2 * z_next
        return d


@dataclass(frozen=True)
class Softplus(Elementwise):
    """φ(z) = log(1 + exp(z)); φ'(z) = 1 / (1 + exp(−z))."""

    def phi(self, z: Array) -> Array:
        """`max(z, 0) + log1p(exp(−|z|))`, which can't overflow."""
        z_next = _decay(z)
        np.log1p(z_next, out=z_next)
        z_next += np.maximum(z, 0)
        return z_next

    def dphi(self, z: Array, z_next: Array) -> Array:
        return _sigmoid(z)

    def d2phi(self, z: Array, z_next: Array) -> Array:
        """The derivative of the sigmoid."""
        return Sigmoid().dphi(z, z_next)


@dataclass(frozen=True)
class Silu(Elementwise):
    """φ(z) = z·σ(z); φ'(z) = σ(z)·(1 + z·σ(−z)), with σ the sigmoid. Elfwing, Uchibe and Doya, 2018."""

    def phi(self, z: Array) -> Array:
        return _times_sigmoid(z, z)

    def dphi(self, z: Array, z_next: Array) -> Array:
        d = _sigmoid(-z)
        d *= z
        d += 1
        return _times_sigmoid(d, z)

    def d2phi(self, z: Array, z_next: Array) -> Array:
        """`σ'(z)·(2 − z tanh(z/2))`."""
        d = Sigmoid().dphi(z, z_next)
        d *= 2 - z * np.tanh(0.5 * z)
        return d


@dataclass(frozen=True)
class Gelu(Elementwise):
    """φ(z) = z·Φ(z); φ'(z) = Φ(z) + z·exp(−z²/2)/√(2π), with Φ the normal distribution function.

    This is the exact form, by `Φ(−|z|) = c·exp(−z²/2)` with `c = erfcx(|z|/√2)/2`. Hendrycks and Gimpel, 2016.
    """

    def phi(self, z: Array) -> Array:
        """`max(z, 0) − |z|·c·exp(−z²/2)`."""
        size = np.minimum(np.abs(z), BELL)
        tail = special.erfcx(size * math.sqrt(0.5))
        tail *= size
        tail *= 0.5
        return np.maximum(z, 0) - _times_bell(tail, size)

    def dphi(self, z: Array, z_next: Array) -> Array:
        """`φ'(−|z|) = (c − |z|/√(2π))·exp(−z²/2)` and `φ'(|z|) = 1 − φ'(−|z|)`."""
        size = np.minimum(np.abs(z), BELL)
        d: Array = special.erfcx(size * math.sqrt(0.5))
        d *= 0.5
        d -= size * (1 / math.sqrt(2 * math.pi))
        d = _times_bell(d, size)
        return np.where(z > 0, 1 - d, d)

    def d2phi(self, z: Array, z_next: Array) -> Array:
        """`(2 − z²)·exp(−z²/2)/√(2π)`."""
        size = np.minimum(np.abs(z), BELL)
        d: Array = (2 - size * size) * (1 / math.sqrt(2 * math.pi))
        return _times_bell(d, size)


@dataclass(frozen=True)
class Sine(Elementwise):
    """φ(z) = sin(omega·z); φ'(z) = omega·cos(omega·z). Sitzmann et al., 2020.

    - `omega`: the frequency.
    """

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

    def d2phi(self, z: Array, z_next: Array) -> Array:
        """`−omega²·φ(z)`."""
        return z_next * (-(self.omega**2))


def _decay(z: Array) -> Array:
    """`exp(−|z|)`."""
    d: Array = np.abs(z)
    np.negative(d, out=d)
    return np.exp(d, out=d)


def _sigmoid(z: Array) -> Array:
    """`1/(1 + e)` for `z > 0`, else `e/(1 + e)`, with `e = exp(−|z|)`: nothing overflows."""
    d = _decay(z)
    size = 1 + d
    return np.divide(np.where(z > 0, 1, d), size, out=size)


def _times_sigmoid(a: Array, z: Array) -> Array:
    """`a·σ(z) = h·a·σ(|z|)·h` with `h = exp(min(z, 0)/2)`, since σ(z) may be denormal where the product is not."""
    h = np.exp(0.5 * np.minimum(z, 0))
    product = _decay(z)
    product += 1
    np.divide(a, product, out=product)
    product *= h
    product *= h
    return product


def _times_bell(a: Array, z: Array) -> Array:
    """`a·exp(−z²/2)`, for `0 ≤ z ≤ BELL`, in the memory of both.

    It magnifies a rounding error in z². So z is split into a multiple s of 1/16, whose square is exact, and a rest.
    """
    s = np.rint(16 * z)
    s /= 16
    rest = z - s
    z += s
    rest *= z
    rest *= -0.5
    a *= np.exp(rest, out=rest)
    s *= s
    s *= -0.25
    np.exp(s, out=s)  # taken twice, since the square may be denormal where the product is not
    a *= s
    a *= s
    return a
