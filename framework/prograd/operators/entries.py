"""The entries of an operator as a `scipy.sparse` matrix, with a block for each sample on its diagonal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import scipy.sparse

from prograd.arrays import Array

if TYPE_CHECKING:
    from prograd.operators.base import Operator

Indices = np.ndarray[Any, np.dtype[np.integer[Any]]]
CHUNK_NUMBERS: Final = 2**20  # of columns that are looked through at once: 8 MiB in float64


def of_columns(J: Operator, samples: int) -> scipy.sparse.csr_array:
    """What is not zero in the columns, a few of which are written out at a time."""
    step = max(1, CHUNK_NUMBERS // max(1, J.samples * J.rows))
    data, rows, columns, start = [np.empty(0, J.dtype)], [_none()], [_none()], 0
    for piece in J.column_blocks(step):
        n, row, column = np.nonzero(piece)
        data.append(piece[n, row, column])
        rows.append(n * J.rows + row)
        columns.append(n * J.cols + column + start)
        start += piece.shape[-1]
    at = np.concatenate(rows), np.concatenate(columns)
    shape = J.samples * J.rows, J.samples * J.cols
    found = scipy.sparse.coo_array((np.concatenate(data), at), shape).tocsr()
    return found if J.samples == samples else for_each(found, samples)


def for_each(block: scipy.sparse.csr_array, samples: int) -> scipy.sparse.csr_array:
    """The same block for each sample."""
    return scipy.sparse.kron(scipy.sparse.eye_array(samples, dtype=block.dtype), block, format="csr")


def by_rows(data: Array, columns: Indices, cols: int, samples: int) -> scipy.sparse.csr_array:
    """Rows with k entries each: `data` `(N, rows, k)`, and where they stand, `columns` `(rows, k)` or `(N, rows, k)`.

    A column of −1 means no entry. N may be 1 for a map that all samples share.
    """
    _, rows, k = np.broadcast_shapes(data.shape, columns.shape)
    at = np.broadcast_to(columns, (samples, rows, k)) + cols * np.arange(samples)[:, None, None]
    there = np.broadcast_to(columns >= 0, at.shape)
    ends = np.cumsum(np.concatenate([[0], there.sum(axis=-1).ravel()]))
    entries = np.broadcast_to(data, at.shape)[there]
    return scipy.sparse.csr_array((entries, at[there], ends), shape=(samples * rows, samples * cols))


def product(outer: scipy.sparse.csr_array, inner: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """`outer · inner`."""
    J: scipy.sparse.csr_array = outer @ inner
    return J


def stacked(J: scipy.sparse.csr_array, cols: int) -> scipy.sparse.csr_array:
    """The blocks of all samples below each other instead of on the diagonal."""
    return scipy.sparse.csr_array((J.data, J.indices % cols, J.indptr), shape=(J.shape[0], cols))


def _none() -> Indices:
    return np.empty(0, np.intp)
