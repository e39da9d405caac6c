"""Multi-class hinge loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prograd import Array, Loss, rows
from prograd.operators import Operator, Zero
from prograd_losses import labels


@dataclass(frozen=True)
class Hinge(Loss):
    """ℓ_y(z) = max(0, 1 + max_{j≠t} z_j − z_t), for y one-hot at t. Crammer and Singer, 2001.

    If several j attain the maximum, the gradient is that of the first; where the loss turns zero, it is zero.

    - `z`: scores, any real numbers.
    - `y`: one-hot, of at least two classes.
    """

    def value(self, z: Array, y: Array) -> Array:
        return self.value_and_gradient(z, y)[0]

    def gradient(self, z: Array, y: Array) -> Array:
        """`e_j − e_t` with j the maximum's index, or zero where the loss is zero."""
        return self.value_and_gradient(z, y)[1]

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        """From half of `1 + (z_j − z_t)`: the difference comes first, and does not overflow."""
        half = 0.5 * z
        others = np.where(y > 0, -np.inf, half)
        target = np.add.reduce(np.where(y > 0, half, 0), axis=-1)
        excess = (np.maximum.reduce(others, axis=-1) - target) + 0.5
        q = np.where((excess > 0)[..., None], rows.first_maximum(others) - y, 0)
        return 2 * np.maximum(excess, 0), q

    def hessian(self, z: Array, y: Array) -> Operator:
        """Zero, since the loss is piecewise linear."""
        return Zero(z.shape[-1], z.shape[-1])

    def check(self, z: Array, y: Array) -> None:
        labels.check_one_hot(self, y)

    @classmethod
    def examples(cls) -> Iterator[tuple[Hinge, Array, Array]]:
        """Margins kept and broken, none of them just met, no ties."""
        z = np.array([[0.2, 1.1, -0.4], [3.0, 0.5, 0.1], [-0.3, 0.6, 0.9]])
        yield cls(), z, np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        yield cls(), np.array([[0.4, -0.2]]), np.array([[0.0, 1.0]])
