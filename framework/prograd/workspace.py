"""Where forward mode keeps its columns: two buffers that take turns, and how many columns they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from prograd.arrays import Array
from prograd.errors import OptionError

DEFAULT_BYTES = 64 * 2**20
BUFFER_BYTES = 2**19  # of one buffer: both, and a layer's matrix, fit into a core's own cache
INDICES = 6 * 8  # bytes a column: where it stands, which entries of which factors make it


class Workspace:
    """Two flat buffers; each call of `next` gives room in the one that was not given last.

    They are allocated once and reused for every chunk, because fresh memory has to be paged in by the operating system
    on each use, which costs more than the arithmetic.
    """

    def __init__(self, columns: int, samples: int, n: int, dtype: np.dtype[Any]) -> None:
        self.samples = samples
        self._buffers = [np.empty(columns * samples * n, dtype) for _ in range(2)]

    def next(self, columns: int, n: int) -> Array:
        """Room for `columns` columns of N samples of size n: `(columns, N, n)`, with whatever was there before."""
        self._buffers.reverse()
        return self._buffers[0][: columns * self.samples * n].reshape(columns, self.samples, n)


def chunk_columns(widest: int, samples: int, dtype: np.dtype[Any], max_bytes: int | None) -> int:
    """How many columns forward mode advances at once, within `max_bytes` for all that it allocates.

    That is both buffers and as much again as one of them, which an operator may need for one product, and the indices
    with which columns are written. A matrix product wants a few hundred rows, a sample of a column each, but not more
    than stay in the cache until the next product reads them. Raises `OptionError` where not even one column fits.
    """
    rows = min(max(BUFFER_BYTES // (widest * dtype.itemsize), 128), 1024)
    one = (3 * widest + 1) * samples * dtype.itemsize + INDICES
    if max_bytes is not None and max_bytes < one:
        raise OptionError(
            f"max_bytes={max_bytes}: one column of {samples} samples of {widest} numbers takes {one} bytes of buffers"
        )
    limit = DEFAULT_BYTES if max_bytes is None else max_bytes
    return max(1, min(rows // samples, limit // one))


def chunks(total: int, size: int) -> Iterator[range]:
    """`range(total)` in pieces of `size`."""
    for start in range(0, total, size):
        yield range(start, min(start + size, total))
