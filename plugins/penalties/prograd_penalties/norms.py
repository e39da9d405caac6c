"""Penalties that are norms of a parameter, with derivatives everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from prograd import Array, Penalty, options


@dataclass(frozen=True)
class L2(Penalty):
    """ρ(w) = rate/2 · ‖w‖², known as weight decay, ridge or Tikhonov's.

    - `rate`: the factor; 0 is no penalty.
    """

    rate: float = 1e-4

    def __post_init__(self) -> None:
        options.real(self, "rate", least=0)

    def value(self, w: Array) -> Array:
        w = w.reshape(-1)
        value: Array = np.vecdot(0.5 * self.rate * w, w)  # the rate first: a square alone may overflow
        return value

    def gradient(self, w: Array) -> Array:
        """`rate w`."""
        return self.rate * w

    def hessian_vector(self, w: Array, v: Array) -> Array:
        """`rate v`."""
        return self.rate * v

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Array]]:
        """Small and large rates, a vector and a matrix."""
        w = np.random.default_rng(0).normal(size=(3, 4))
        yield cls(rate=0.5), w
        yield cls(), w[0]


@dataclass(frozen=True)
class L1(Penalty):
    """ρ(w) = rate · Σ_k (√(w_k² + eps²) − eps), which is rate · ‖w‖₁ far from 0 and smooth at 0.

    - `rate`: the factor; 0 is no penalty.
    - `eps`: entries below it count by their squares; greater than 0.
    """

    rate: float = 1e-4
    eps: float = 1e-3

    def __post_init__(self) -> None:
        options.real(self, "rate", least=0)
        options.real(self, "eps", above=0)

    def value(self, w: Array) -> Array:
        return self.value_and_gradient(w)[0]

    def gradient(self, w: Array) -> Array:
        """`rate w / √(w² + eps²)`."""
        return self.rate * (w / np.hypot(w, self.eps))

    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        """`w² / (√(w² + eps²) + eps)` has the digits that the difference loses, and no square overflows."""
        h = np.hypot(w, self.eps)
        values = np.abs(w)
        values *= values / (h + self.eps)
        total: Array = np.add.reduce(values, axis=None)
        return self.rate * total, self.rate * (w / h)

    def hessian_vector(self, w: Array, v: Array) -> Array:
        """`rate eps²/h³ · v` with `h = √(w² + eps²)`."""
        h = np.hypot(w, self.eps)
        return self.rate * (self.eps / h / h * (self.eps / h)) * v

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Array]]:
        """Entries on both sides of eps."""
        w = np.random.default_rng(0).normal(size=(3, 4))
        yield cls(rate=0.5, eps=0.3), w
        yield cls(eps=1.0), w[0]
