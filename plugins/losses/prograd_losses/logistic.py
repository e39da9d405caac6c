"""Logistic loss of independent binary labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from prograd import Array, Loss
from prograd.operators import Diagonal, Operator
from prograd_losses import labels


@dataclass(frozen=True)
class Logistic(Loss):
    """ℓ_y(z) = Σ_k (log(1 + exp(z_k)) − y_k z_k), for logits z of independent binary labels.

    - `z`: logits, any real numbers.
    - `y`: numbers in [0, 1].
    """

    def value(self, z: Array, y: Array) -> Array:
        """`Σ ((1 − y) max(z, 0) + y max(−z, 0) + log1p(exp(−|z|)))`: nothing overflows, and nothing cancels."""
        terms = np.abs(z)
        np.negative(terms, out=terms)
        np.exp(terms, out=terms)
        np.log1p(terms, out=terms)
        terms += (1 - y) * np.maximum(z, 0)
        terms -= y * np.minimum(z, 0)
        value: Array = np.add.reduce(terms, axis=-1)
        return value

    def gradient(self, z: Array, y: Array) -> Array:
        """`σ(z) − y = (1 − y) σ(z) − y σ(−z)`, with σ the sigmoid: no digits are lost where a label is nearly 1."""
        q = special.expit(z)
        q *= 1 - y
        q -= y * special.expit(-z)
        return q

    def hessian(self, z: Array, y: Array) -> Operator:
        """`diag(σ(z) σ(−z))`."""
        return Diagonal(special.expit(z) * special.expit(-z))

    def check(self, z: Array, y: Array) -> None:
        labels.check_unit_interval(self, y)

    @classmethod
    def examples(cls) -> Iterator[tuple[Logistic, Array, Array]]:
        """Certain labels, uncertain ones, large logits."""
        z = np.array([[0.3, -1.2], [2.0, 0.1], [-40.0, 35.0]])
        yield cls(), z, np.array([[1.0, 0.0], [0.3, 0.5], [0.0, 1.0]])
        yield cls(), z[:1, :1], np.array([[1.0]])
