"""Cross-entropy of a softmax, from logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from prograd import Loss
from prograd.operators import DiagonalPlusLowRank, Operator
from prograd_losses import labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prograd import Array


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """ℓ_y(z) = logsumexp(z) Σy − y·z, for logits z and y in the simplex.

    It is `−Σ y log softmax(z)`, without the logarithm of a number that has underflowed.
    """

    def value(self, z: Array, y: Array) -> Array:
        """`logsumexp(z) Σy − y·z`, with `z` shifted by its maximum so that nothing overflows."""
        z = z - np.maximum.reduce(z, axis=-1, keepdims=True)
        value: Array = np.log(np.add.reduce(np.exp(z), axis=-1))
        value *= np.add.reduce(y, axis=-1)
        value -= np.vecdot(y, z)
        return value

    def gradient(self, z: Array, y: Array) -> Array:
        """`p Σy − y` with `p = softmax(z)`."""
        return self.value_and_gradient(z, y)[1]

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        """Both from the same exponentials."""
        z = z - np.maximum.reduce(z, axis=-1, keepdims=True)
        total = np.add.reduce(y, axis=-1)
        q = np.exp(z)
        partition = np.add.reduce(q, axis=-1)
        value = np.log(partition)
        value *= total
        value -= np.vecdot(y, z)
        total = total / partition
        q *= total[:, None]
        q -= y
        return value, q

    def hessian(self, z: Array, y: Array) -> Operator:
        """`Σy (diag(p) − p p^T)`."""
        p = np.exp(z - np.maximum.reduce(z, axis=-1, keepdims=True))
        p /= np.add.reduce(p, axis=-1, keepdims=True)
        d = p * np.add.reduce(y, axis=-1, keepdims=True)
        return DiagonalPlusLowRank(d, -d[:, :, None], p[:, :, None])

    def check(self, z: Array, y: Array) -> None:
        """Each label is a point of the simplex."""
        labels.in_simplex(self, y)

    @classmethod
    def examples(cls) -> Iterator[tuple[SoftmaxCrossEntropy, Array, Array]]:
        """One-hot labels, labels inside the simplex, large logits, one class."""
        z = np.array([[0.2, -1.3, 0.7], [1.1, 0.4, -0.6], [30.0, -20.0, 25.0]])
        yield cls(), z, np.array([[0.0, 0.0, 1.0], [0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
        yield cls(), z[:1], np.array([[0.25, 0.75, 0.0]])
        yield cls(), z[:, :1], np.ones((3, 1))
