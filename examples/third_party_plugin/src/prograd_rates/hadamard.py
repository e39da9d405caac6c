"""An operator that prograd does not have: Walsh-Hadamard transforms, applied in p log p additions."""

from __future__ import annotations

import numpy as np

from prograd import Array
from prograd.operators import Diagonal, Operator, product_rule


class SignedHadamard(Operator):
    """The first `rows` rows and `cols` columns of `(H D_1; H D_2; …)`, the same map for all samples.

    `H` is the p × p Hadamard matrix in Sylvester's order, with p a power of two, and `D_k = diag(signs[k])`, with
    `signs` of shape `(blocks, p)`. All entries are 1 or −1, times what scales the columns, and none is stored.
    """

    samples = 1
    edges: int

    def __init__(self, signs: Array, rows: int, cols: int) -> None:
        self.signs = signs
        self.rows, self.cols = rows, cols
        self.edges = signs.size * (signs.shape[1].bit_length() - 1)  # p log2 p additions for each block

    def jvp(self, v: Array) -> Array:
        """The signs, then the transform of each block."""
        blocks, p = self.signs.shape
        v = _padded(v, p)
        transformed = walsh_hadamard(v[..., None, :] * self.signs.astype(v.dtype))
        return transformed.reshape(*v.shape[:-1], blocks * p)[..., : self.rows]

    def vjp(self, q: Array) -> Array:
        """The transform of each block, which is its own transpose, then the signs, then the sum over the blocks."""
        blocks, p = self.signs.shape
        q = _padded(q, blocks * p)
        transformed = walsh_hadamard(q.reshape(*q.shape[:-1], blocks, p))
        transformed *= self.signs.astype(q.dtype)
        total: Array = np.add.reduce(transformed, axis=-2)
        return total[..., : self.cols]

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """One transform of the sum of q, since all samples share the map."""
        total = self.vjp(np.add.reduce(q, axis=-2))
        if out is None:
            return total
        out[...] = total
        return out


@product_rule(SignedHadamard, Diagonal)
def scaled_columns(outer: SignedHadamard, inner: Diagonal) -> SignedHadamard | None:
    """`H D diag(d) = H (D diag(d))`: scaling the columns changes the signs, and costs nothing any more when applied."""
    if inner.samples > 1:  # the signs would differ from sample to sample
        return None
    return SignedHadamard(outer.signs * _padded(inner.d, outer.signs.shape[1]), outer.rows, outer.cols)


def walsh_hadamard(v: Array) -> Array:
    """`H v` along the last axis, whose size p is a power of two, as a new array, by p log2 p additions.

    Fino and Algazi, 1976, Unified matrix treatment of the fast Walsh-Hadamard transform.
    """
    p = v.shape[-1]
    v = v.copy()
    half = 1
    while half < p:
        pairs = v.reshape(*v.shape[:-1], p // (2 * half), 2, half)
        first, second = pairs[..., 0, :], pairs[..., 1, :]
        v = np.stack((first + second, first - second), axis=-2).reshape(v.shape)
        half *= 2
    return v


def _padded(v: Array, size: int) -> Array:
    missing = size - v.shape[-1]
    return np.concatenate((v, np.zeros((*v.shape[:-1], missing), v.dtype)), axis=-1) if missing else v
