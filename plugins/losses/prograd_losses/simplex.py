"""Losses between two points of the simplex, for outputs that are distributions, such as those of a softmax.

Where `z_k = 0 < y_k`, the output excludes what was observed: both losses are infinite, as their formulas are, and so is
the gradient. Where `z_k < 0`, they are not defined: NaN. Neither warns. From logits, `softmax_cross_entropy` is defined
and finite everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import special

from prograd import Array, Loss
from prograd.operators import Diagonal, Operator, Product
from prograd_losses import labels


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """ℓ_y(z) = −Σ_k y_k log z_k with 0 log 0 = 0, for outputs that are distributions.

    - `z`: a point of the simplex, such as the output of `softmax`.
    - `y`: a point of the simplex.
    """

    def value(self, z: Array, y: Array) -> Array:
        return _sum(-special.xlogy(y, z), z)

    def gradient(self, z: Array, y: Array) -> Array:
        """`−y/z`."""
        q = _ratio(y, z)
        return np.negative(q, out=q)

    def hessian(self, z: Array, y: Array) -> Operator:
        """`diag(y/z) diag(1/z)`, one after the other: 1/z² overflows long before 1/z does."""
        return Product(Diagonal(_ratio(y, z)), Diagonal(_ratio(np.where(y != 0, 1, y), z)))

    def check(self, z: Array, y: Array) -> None:
        labels.check_simplex(self, y)

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Array, Array]]:
        """Outputs inside the simplex; labels one-hot, inside, with zeros, and equal to the output."""
        z = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.25, 0.25, 0.5]])
        yield cls(), z, np.array([[0.0, 1.0, 0.0], [0.3, 0.3, 0.4], [0.25, 0.25, 0.5]])
        yield cls(), z[:1], np.array([[0.9, 0.0, 0.1]])


@dataclass(frozen=True)
class KlDivergence(CrossEntropy):
    """ℓ_y(z) = Σ_k y_k log(y_k / z_k) with 0 log 0 = 0, for outputs that are distributions. Kullback and Leibler, 1951.

    It is the cross-entropy less the entropy of y, so its derivatives are those of the cross-entropy.
    """

    def value(self, z: Array, y: Array) -> Array:
        return _sum(special.rel_entr(y, z), z)


def _sum(terms: Array, z: Array) -> Array:
    """The sums of the rows, NaN where an entry of `z` is negative."""
    value: Array = np.add.reduce(np.where(z < 0, np.nan, terms), axis=-1)
    return value


def _ratio(y: Array, z: Array) -> Array:
    """`y / z`, with 0/0 = 0: an entry with `y_k = 0` contributes nothing."""
    with np.errstate(divide="ignore", over="ignore"):
        ratio: Array = y / np.where(y != 0, z, 1)
        return ratio
