"""Cross-entropy of a softmax, from logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prograd import Array, Loss, rows
from prograd.operators import DiagonalPlusLowRank, Operator
from prograd_losses import labels


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """ℓ_y(z) = logsumexp(z) Σy − y·z, for logits z.

    This is `−Σ y log softmax(z)` without the logarithm of a number that has underflowed.

    - `z`: logits, any real numbers.
    - `y`: a point of the simplex, such as a one-hot label.
    """

    def value(self, z: Array, y: Array) -> Array:
        return self.value_and_gradient(z, y)[0]

    def gradient(self, z: Array, y: Array) -> Array:
        """`p Σy − y` with `p = softmax(z)`."""
        return self.value_and_gradient(z, y)[1]

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        """Both from the same exponentials, and neither with a difference of numbers that are nearly equal.

        The value is `Σy log1p(r) + Σ_k y_k (max z − z_k)`. At a maximum, the gradient is `Σ_{j≠k} y_j − r Σy/(1 + r)`.
        """
        half, q, r, top = _shifted(z)
        total = np.add.reduce(y, axis=-1, keepdims=True)
        value: Array = np.log1p(r)
        value *= total
        value = value[..., 0] + 2 * np.vecdot(y, half)
        scale = total / (1 + r)
        y_top = np.where(top, y, 0)
        others = np.add.reduce(y - y_top, axis=-1, keepdims=True)
        others = others + (np.add.reduce(y_top, axis=-1, keepdims=True) - y)
        q *= scale
        q -= y
        return value, np.where(top, others - r * scale, q)

    def hessian(self, z: Array, y: Array) -> Operator:
        """`Σy (diag(p) − p p^T)`, with `p_j Σ_{k≠j} p_k` on the diagonal."""
        _, q, r, top = _shifted(z)
        p = np.where(top, 1, q) / (1 + r)
        total = np.add.reduce(y, axis=-1, keepdims=True)
        return DiagonalPlusLowRank.minus_square(total * p, np.sqrt(total) * p, total * p * rows.others(p))

    def check(self, z: Array, y: Array) -> None:
        labels.check_simplex(self, y)

    @classmethod
    def examples(cls) -> Iterator[tuple[SoftmaxCrossEntropy, Array, Array]]:
        """One-hot labels, labels inside the simplex, large logits, one class."""
        z = np.array([[0.2, -1.3, 0.7], [1.1, 0.4, -0.6], [30.0, -20.0, 25.0]])
        yield cls(), z, np.array([[0.0, 0.0, 1.0], [0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
        yield cls(), z[:1], np.array([[0.25, 0.75, 0.0]])
        yield cls(), z[:, :1], np.ones((3, 1))


def _shifted(z: Array) -> tuple[Array, Array, Array, rows.Mask]:
    """`(m − z)/2` with m the maximum; `exp(z − m)`, with 0 for the 1 at each maximum; `r`; and where the maxima are.

    `1 + r`, `(N, 1)`, is the sum of the exponentials. No difference overflows, and `log1p(r)` keeps all digits where
    1 + r would be rounded to 1.
    """
    half = 0.5 * z
    half = np.maximum.reduce(half, axis=-1, keepdims=True) - half
    top = half == 0
    q = np.exp(-half)
    q *= q
    q = np.where(top, 0, q)
    ties = np.add.reduce(top.astype(z.dtype), axis=-1, keepdims=True) - 1
    return half, q, np.add.reduce(q, axis=-1, keepdims=True) + ties, top
