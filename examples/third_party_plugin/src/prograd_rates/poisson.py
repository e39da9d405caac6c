"""The loss for counts of events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from prograd import Array, Loss
from prograd.errors import LabelError
from prograd.operators import Diagonal, Operator


@dataclass(frozen=True)
class Poisson(Loss):
    """ℓ_y(z) = Σ_k (exp(z_k) − y_k z_k + log Γ(y_k + 1)), the negative log-likelihood of counts y with rates exp(z).

    - `z`: logarithms of rates, any real numbers.
    - `y`: counts or means of counts, at least 0.
    """

    def value(self, z: Array, y: Array) -> Array:
        value: Array = np.add.reduce(np.exp(z) - y * z + special.gammaln(y + 1), axis=-1)
        return value

    def gradient(self, z: Array, y: Array) -> Array:
        """`exp(z) − y`."""
        q: Array = np.exp(z) - y
        return q

    def hessian(self, z: Array, y: Array) -> Operator:
        """`diag(exp(z))`."""
        return Diagonal(np.exp(z))

    def check(self, z: Array, y: Array) -> None:
        """Raise `LabelError` for a negative entry. An entry need not be an integer: it may be a mean of counts."""
        wrong = ~(y >= 0)
        if wrong.any():
            row, k = (int(i) for i in np.argwhere(wrong)[0])
            raise LabelError(f"{self.name}: expected counts of at least 0, got y[{row}, {k}] = {y[row, k]:g}")

    @classmethod
    def examples(cls) -> Iterator[tuple[Poisson, Array, Array]]:
        """No events, a few, a mean of counts, many."""
        yield cls(), np.array([[0.3, -1.2], [2.0, 0.1], [4.0, -3.0]]), np.array([[1.0, 0.0], [6.0, 2.5], [50.0, 0.0]])
        yield cls(), np.array([[0.5]]), np.array([[2.0]])
