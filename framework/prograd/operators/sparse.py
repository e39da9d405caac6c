"""`Sparse`: any scipy.sparse matrix, that all samples share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse

from prograd.arrays import Array, dispatched
from prograd.errors import ShapeError
from prograd.operators import entries
from prograd.operators.base import Operator
from prograd.operators.derived import derived


class Sparse(Operator):
    """A `scipy.sparse` matrix or array of any format, kept as CSR in both directions.

    >>> J = prograd.operators.Sparse(scipy.sparse.csr_array([[0.0, 2.0], [0.0, 0.0]]))
    >>> J.edges
    1
    """

    dtype: np.dtype[Any]
    samples = 1
    column_edges = 0  # columns are copied

    def __init__(self, matrix: Any) -> None:
        if not isinstance(matrix, (scipy.sparse.sparray, scipy.sparse.spmatrix)):
            raise ShapeError(f"Sparse: expected a scipy.sparse matrix, got {type(matrix).__name__}")
        csr = scipy.sparse.csr_array(matrix)  # type: ignore[call-overload]  # scipy-stubs wants the shape typed
        if csr.dtype.char not in "df":
            csr = csr.astype(np.float64)
        self.matrix: scipy.sparse.csr_array = csr
        self.transposed = csr.T.tocsr()
        self.rows, self.cols = csr.shape
        self.dtype = csr.dtype

    def jvp(self, v: Array) -> Array:
        """`matrix v`."""
        return rows_times(v, self.matrix)

    def vjp(self, q: Array) -> Array:
        """`matrix^T q`."""
        return rows_times(q, self.transposed)

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """`matrix^T Σ_n q_n`."""
        p = self.vjp(np.add.reduce(q, axis=-2, keepdims=True))[..., 0, :]
        if out is None:
            return p
        out[...] = p
        return out

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Rows of the transposed matrix."""
        rows_into(out, self.transposed, start)

    def csr(self, samples: int = 1) -> scipy.sparse.csr_array:
        return entries.for_each(self.matrix, samples)

    @derived
    def edges(self) -> int:
        """The entries that are stored."""
        return int(self.matrix.nnz)

    def arrays(self) -> Iterator[np.ndarray[Any, Any]]:
        """The entries and where they stand, in both directions."""
        for matrix in (self.matrix, self.transposed):
            yield from (matrix.data, matrix.indices, matrix.indptr)


@dispatched
def rows_times(v: Array, matrix: scipy.sparse.csr_array) -> Array:
    """`matrix v` for each vector of `v`: `(..., cols) -> (..., rows)`."""
    product = matrix @ v.reshape(math.prod(v.shape[:-1]), v.shape[-1]).T
    return np.ascontiguousarray(product.T).reshape(*v.shape[:-1], matrix.shape[0])


@dispatched
def rows_into(out: Array, matrix: scipy.sparse.csr_array, start: int) -> None:
    """Writes rows of a matrix, from `start` on, to `out`, `(rows, N, cols)`, for each of N samples."""
    out[...] = matrix[start : start + len(out)].toarray()[:, None, :]
