"""`SparseKronecker`: the block `A` of a table for inputs most of which are zero, such as one-hot ones."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from prograd.arrays import Array, dispatched
from prograd.operators.kronecker import Kronecker


class SparseKronecker(Kronecker):
    """`I_m ⊗ z^T`, whose sum over the samples skips the entries of `z` that are zero.

    That takes `m` multiply-adds for each other entry. `edges`, which may not depend on numbers, counts all entries.

    >>> A = prograd.operators.SparseKronecker(2, np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    >>> A.vjp_sum(np.array([[5.0, 6.0], [7.0, 8.0]])).reshape(2, 3)
    array([[7., 0., 5.],
           [8., 0., 6.]])
    """

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """Adds `q_n z_nk` to column k of the table, for each entry of `z` that is not zero."""
        if q.ndim != 2 or len(q) != len(self.right) or self.right.ndim != 2:
            return super().vjp_sum(q, out)
        if out is None:
            out = np.empty(self.cols, np.result_type(q, self.right), like=q)
        nonzeros_into(q, self.right, out.reshape(self.m, self.t))
        return out


@dispatched
def nonzeros_times(z: Array, W: Array) -> Array:
    """`z W^T`, with `W` multiplied by the entries of `z` that are not zero: `(N, t), (m, t) -> (N, m)`."""
    product: Array = scipy.sparse.csr_array(z) @ W.T
    return product


@dispatched
def nonzeros_into(q: Array, z: Array, out: Array) -> None:
    """Writes `q^T z` to `out`, by the entries of `z` that are not zero: `(N, m), (N, t) -> (m, t)`."""
    out[...] = (scipy.sparse.csr_array(z).T @ q).T
