"""Forward mode: `J_1 = A_1`, `J_i = (A_i | B_i J_{i-1})` in matrices, a chunk of columns at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from prograd import recursions
from prograd.arrays import Array, passes
from prograd.bracketing.words import Letters, joined, times
from prograd.errors import OptionError
from prograd.linearization import Linearization
from prograd.modes.base import Evaluation, Mode
from prograd.operators import Operator
from prograd.operators.ledger import write_down

DEFAULT_BYTES: Final = 64 * 2**20
BUFFER_BYTES: Final = 2**19  # of one buffer: both, and a layer's matrix, fit into a core's own cache
OBJECTS: Final = 2**12  # bytes of views, ranges, frames
INDICES: Final = 6 * 8  # bytes for each column: where it is stored, which entries of which factors make it


class Forward(Mode):
    """Matrix times matrix; `max_bytes` bounds the buffers. n⁴ multiply-adds for affine layers of width n."""

    name = "forward"

    def gradient(self, at: Evaluation, p: Array, max_bytes: int | None) -> Array:
        """Each chunk of columns times `∇ℓ`."""
        lin = at.linearization()
        total, q = at.close(lin.z[-1])
        q = q.reshape(-1)

        def use(chunk: range, J: Array) -> None:
            write_down(lambda: J.size)
            np.matmul(J.reshape(len(J), -1), q, out=p[chunk.start : chunk.stop])

        columns(lin, use, p, max_bytes)
        return total

    def jacobian(self, lin: Linearization, J: Array, max_bytes: int | None) -> None:
        """Each chunk of columns copied to its place."""
        columns_into(lin, J, max_bytes)

    def order(self, lin: Callable[[], Linearization], letters: Letters, max_bytes: int | None) -> str:
        """`(A_L | (B_L (A_{L-1} | …)))`: the innermost product comes first."""
        letters = letters.shortened()
        J = ""
        for A_i, B_i in zip(letters.own, letters.through, strict=True):
            J = joined([part for part in (A_i, times(B_i, J) if J else "") if part])
        return times(letters.q, J)


def columns(lin: Linearization, use: Callable[[range, Array], None], like: Array, max_bytes: int | None = None) -> None:
    """Calls `use(chunk, J)` for chunks of the columns of `J`, `(columns, N, rows)`: arrays like `like`.

    `max_bytes` bounds what a chunk takes; raises `OptionError` where not even one column fits.
    """
    step = chunking(lin, max_bytes)

    def room(columns: int, B: Operator) -> Array:
        return np.empty((columns, lin.samples, B.rows), lin.dtype, like=like)

    cuts = [at.start for span in lin.spans for at in span.each.values()]
    for start in passes(range(0, lin.size, step), cuts, like):
        chunk = range(start, min(start + step, lin.size))
        none = np.empty((0, lin.samples, 0), lin.dtype, like=like)
        use(chunk, recursions.forward(lin.blocks, lin.spans, chunk, none, room))


def columns_into(lin: Linearization, J: Array, max_bytes: int | None = None) -> None:
    """Writes the columns to `J`, `(N, rows, size)`."""

    def use(chunk: range, part: Array) -> None:
        J[:, :, chunk.start : chunk.stop] = part.transpose(1, 2, 0)

    columns(lin, use, J, max_bytes)


def chunking(lin: Linearization, max_bytes: int | None = None) -> int:
    """How many columns are in a chunk. Raises `OptionError` where not even one fits into `max_bytes`."""
    least = column_bytes(lin.widest, lin.samples, lin.dtype) + OBJECTS
    limit = max(DEFAULT_BYTES, least) if max_bytes is None else max_bytes
    return min(chunk_columns(lin.widest, lin.samples, lin.dtype, limit), max(1, lin.size))


def chunk_columns(widest: int, samples: int, dtype: np.dtype[Any], max_bytes: int) -> int:
    """How many columns forward mode advances at once, within `max_bytes` for all that it allocates.

    A matrix product is efficient with hundreds of rows, each a sample of a column, but not with more than stay in the
    cache until the next product reads them. Raises `OptionError` where not even one column fits.
    """
    rows = min(max(BUFFER_BYTES // (widest * dtype.itemsize), 128), 2048)
    one = column_bytes(widest, samples, dtype)
    if max_bytes < one + OBJECTS:
        raise OptionError(
            f"max_bytes: expected at least {one + OBJECTS}, one column of {samples} samples of {widest} numbers, "
            f"got {max_bytes}"
        )
    return max(1, min(rows // samples, (max_bytes - OBJECTS) // one))


def column_bytes(widest: int, samples: int, dtype: np.dtype[Any]) -> int:
    """Bytes that forward mode allocates for a column.

    That is both buffers and as much again as one of them, which an operator may need for one product, and the indices
    with which columns are written.
    """
    return (3 * widest + 1) * samples * dtype.itemsize + INDICES
