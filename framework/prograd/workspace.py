"""Where forward mode keeps its columns: two buffers that take turns, and how many columns they hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from prograd.arrays import Array
from prograd.errors import OptionError
from prograd.operators import Operator

DEFAULT_BYTES = 64 * 2**20
BUFFER_BYTES = 2**19  # of one buffer: both, and a layer's matrix, fit into a core's own cache
OBJECTS = 2**12  # bytes of a thread's own: views, ranges, frames
INDICES = 6 * 8  # bytes a column: where it stands, which entries of which factors make it


class Workspace:
    """Two flat buffers; each call of `after` gives room in the one that was not given last.

    They are allocated once and reused for every chunk, because fresh memory has to be paged in by the operating system
    on each use, which costs more than the arithmetic.
    """

    def __init__(self, columns: int, samples: int, n: int, dtype: np.dtype[Any]) -> None:
        self.samples = samples
        self._buffers = [np.empty(columns * samples * n, dtype) for _ in range(2)]

    def start(self) -> Array:
        """No columns yet."""
        return self._buffers[0][:0].reshape(0, self.samples, 0)

    def after(self, J: Array, more: int, B: Operator) -> Array:
        """Room for `more` columns and, behind them, for `B J`: `(more + columns, N, B.rows)`, its content undefined.

        Where `B` can work in place and no columns are added, that is `J` itself.
        """
        if more == 0 and B.in_place:
            return J
        self._buffers.reverse()
        columns = more + len(J)
        return self._buffers[0][: columns * self.samples * B.rows].reshape(columns, self.samples, B.rows)


def chunk_columns(widest: int, samples: int, dtype: np.dtype[Any], max_bytes: int) -> int:
    """How many columns forward mode advances at once, within `max_bytes` for all that it allocates.

    A matrix product wants hundreds of rows, a sample of a column each, but not more than stay in the cache until the
    next product reads them. Raises `OptionError` where not even one column fits.
    """
    rows = min(max(BUFFER_BYTES // (widest * dtype.itemsize), 128), 2048)
    one = column_bytes(widest, samples, dtype)
    if max_bytes < one + OBJECTS:
        raise OptionError(
            f"max_bytes={max_bytes}: one column of {samples} samples of {widest} numbers takes {one + OBJECTS} bytes"
        )
    return max(1, min(rows // samples, (max_bytes - OBJECTS) // one))


def column_bytes(widest: int, samples: int, dtype: np.dtype[Any]) -> int:
    """Bytes that forward mode allocates for a column.

    That is both buffers and as much again as one of them, which an operator may need for one product, and the indices
    with which columns are written.
    """
    return (3 * widest + 1) * samples * dtype.itemsize + INDICES
