"""Cross-entropy of a softmax, from logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from prograd import Array, Loss
from prograd.operators import DiagonalPlusLowRank, Operator
from prograd_losses import labels

Rows: TypeAlias = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """ℓ_y(z) = logsumexp(z) Σy − y·z, for logits z and y in the simplex.

    This is `−Σ y log softmax(z)` without the logarithm of a number that has underflowed.
    """

    def value(self, z: Array, y: Array) -> Array:
        """`Σy log1p(r) − y·(z − m)`, with m the maximum of z and `1 + r` the sum of `exp(z − m)`."""
        z, _, r, _ = _shifted(z)
        value: Array = np.log1p(r)
        value *= np.add.reduce(y, axis=-1)
        value -= np.vecdot(y, z)
        return value

    def gradient(self, z: Array, y: Array) -> Array:
        """`p Σy − y` with `p = softmax(z)`."""
        return self.value_and_gradient(z, y)[1]

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        """Both from the same exponentials. At the maximum `(Σy − y) − r Σy/(1 + r)` keeps all digits."""
        z, q, r, top = _shifted(z)
        total = np.add.reduce(y, axis=-1)
        value: Array = np.log1p(r)
        value *= total
        value -= np.vecdot(y, z)
        scale = total / (1 + r)
        q *= scale[:, None]
        q -= y
        q[top] = (total - y[top]) - r * scale
        return value, q

    def hessian(self, z: Array, y: Array) -> Operator:
        """`Σy (diag(p) − p p^T)`."""
        p = np.exp(z - np.maximum.reduce(z, axis=-1, keepdims=True))
        p /= np.add.reduce(p, axis=-1, keepdims=True)
        d = p * np.add.reduce(y, axis=-1, keepdims=True)
        return DiagonalPlusLowRank(d, -d[:, :, None], p[:, :, None])

    def check(self, z: Array, y: Array) -> None:
        labels.check_simplex(self, y)

    @classmethod
    def examples(cls) -> Iterator[tuple[SoftmaxCrossEntropy, Array, Array]]:
        """One-hot labels, labels inside the simplex, large logits, one class."""
        z = np.array([[0.2, -1.3, 0.7], [1.1, 0.4, -0.6], [30.0, -20.0, 25.0]])
        yield cls(), z, np.array([[0.0, 0.0, 1.0], [0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
        yield cls(), z[:1], np.array([[0.25, 0.75, 0.0]])
        yield cls(), z[:, :1], np.ones((3, 1))


def _shifted(z: Array) -> tuple[Array, Array, Array, tuple[Rows, Rows]]:
    """`z − m`; its exponentials, with 0 in place of the 1 at the maximum m; their sum r; and where the maxima are.

    Nothing overflows, and `log1p(r)` keeps all digits where 1 + r would be rounded to 1.
    """
    top = np.arange(len(z)), z.argmax(axis=-1)
    z = z - z[top][:, None]
    q = np.exp(z)
    q[top] = 0
    return z, q, np.add.reduce(q, axis=-1), top
