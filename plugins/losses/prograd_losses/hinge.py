"""Multi-class hinge loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prograd import Array, Loss
from prograd.operators import Operator, Zero
from prograd_losses import labels


@dataclass(frozen=True)
class Hinge(Loss):
    """ℓ_y(z) = max(0, 1 + max_{j≠t} z_j − z_t), for y one-hot at t. Crammer and Singer, 2001.

    If several j attain the maximum, the gradient is that of the first; where the loss turns zero, it is zero.
    """

    def value(self, z: Array, y: Array) -> Array:
        excess, _, _ = self._excess(z, y)
        return np.maximum(excess, 0)

    def gradient(self, z: Array, y: Array) -> Array:
        """`e_j − e_t` with j the maximum's index, or zero where the loss is zero."""
        return self.value_and_gradient(z, y)[1]

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        excess, rival, t = self._excess(z, y)
        active = np.flatnonzero(excess > 0)
        q = np.zeros_like(z)
        q[active, rival[active]] = 1
        q[active, t[active]] = -1
        return np.maximum(excess, 0), q

    def hessian(self, z: Array, y: Array) -> Operator:
        """Zero, since the loss is piecewise linear."""
        return Zero(z.shape[-1], z.shape[-1])

    def check(self, z: Array, y: Array) -> None:
        labels.check_one_hot(self, y)

    def _excess(self, z: Array, y: Array) -> tuple[Array, Array, Array]:
        """`1 + z_j − z_t`, with the largest other entry's index j and the label's class t of each sample."""
        samples = np.arange(len(z))
        t = y.argmax(axis=-1)
        others = np.where(y > 0, -np.inf, z)
        rival = others.argmax(axis=-1)
        return 1 + z[samples, rival] - z[samples, t], rival, t

    @classmethod
    def examples(cls) -> Iterator[tuple[Hinge, Array, Array]]:
        """Margins kept and broken, none of them just met, no ties."""
        z = np.array([[0.2, 1.1, -0.4], [3.0, 0.5, 0.1], [-0.3, 0.6, 0.9]])
        yield cls(), z, np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        yield cls(), np.array([[0.4, -0.2]]), np.array([[0.0, 1.0]])
