"""Losses between two points of the simplex: the output is a distribution already, behind a softmax for example.

Both are infinite where `z_k = 0 < y_k`, as their formulas are, and so is their gradient there: an output that excludes
what was observed. Neither warns; from logits, `softmax_cross_entropy` stays finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from prograd import Loss
from prograd.operators import Diagonal, Operator
from prograd_losses import labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prograd import Array


def _ratio(y: Array, z: Array) -> Array:
    """`y / z`, with 0/0 = 0: an entry that y leaves out takes no part."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.divide(y, z, out=np.zeros(z.shape, np.result_type(y, z)), where=y != 0)


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """ℓ_y(z) = −Σ_k y_k log z_k with 0 log 0 = 0, for z and y in the simplex."""

    def value(self, z: Array, y: Array) -> Array:
        """`−Σ y log z`."""
        value: Array = np.add.reduce(special.xlogy(y, z), axis=-1)
        return np.negative(value, out=value)

    def gradient(self, z: Array, y: Array) -> Array:
        """`−y/z`."""
        q = _ratio(y, z)
        return np.negative(q, out=q)

    def hessian(self, z: Array, y: Array) -> Operator:
        """`diag(y/z²)`."""
        return Diagonal(_ratio(_ratio(y, z), z))

    def check(self, z: Array, y: Array) -> None:
        """Each label is a point of the simplex."""
        labels.in_simplex(self, y)

    @classmethod
    def examples(cls) -> Iterator[tuple[CrossEntropy, Array, Array]]:
        """Outputs inside the simplex; labels one-hot and inside."""
        z = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
        yield cls(), z, np.array([[0.0, 1.0, 0.0], [0.3, 0.3, 0.4]])
        yield cls(), z[1:], np.array([[0.9, 0.0, 0.1]])


@dataclass(frozen=True)
class KlDivergence(Loss):
    """ℓ_y(z) = Σ_k y_k log(y_k / z_k) with 0 log 0 = 0, for z and y in the simplex. Kullback and Leibler, 1951."""

    def value(self, z: Array, y: Array) -> Array:
        """`Σ y log(y/z)`."""
        value: Array = np.add.reduce(special.rel_entr(y, z), axis=-1)
        return value

    def gradient(self, z: Array, y: Array) -> Array:
        """`−y/z`."""
        q = _ratio(y, z)
        return np.negative(q, out=q)

    def hessian(self, z: Array, y: Array) -> Operator:
        """`diag(y/z²)`."""
        return Diagonal(_ratio(_ratio(y, z), z))

    def check(self, z: Array, y: Array) -> None:
        """Each label is a point of the simplex."""
        labels.in_simplex(self, y)

    @classmethod
    def examples(cls) -> Iterator[tuple[KlDivergence, Array, Array]]:
        """Outputs inside the simplex; labels inside, with zeros, and equal to the output."""
        z = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.25, 0.25, 0.5]])
        yield cls(), z, np.array([[0.0, 1.0, 0.0], [0.3, 0.3, 0.4], [0.25, 0.25, 0.5]])
        yield cls(), z[:1], np.array([[0.9, 0.0, 0.1]])
