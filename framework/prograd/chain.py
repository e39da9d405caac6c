"""A chain of blocks with its columns: what both modes multiply, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prograd import recursions, threads
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.errors import UnknownNameError
from prograd.network import Span
from prograd.operators import Dense, Identity, Zero
from prograd.workspace import DEFAULT_BYTES, OBJECTS, Workspace, chunk_columns, column_bytes

MODES = ("reverse", "forward", "factored", "optimal")
WORTH_THREADS = 10**8  # multiply-adds: some milliseconds; two threads need that long to be on two cores


def check_mode(mode: str) -> str:
    """`mode` itself; raises `UnknownNameError` where there is no such mode."""
    if mode != "auto" and mode not in MODES:
        raise UnknownNameError("mode", mode, (*MODES, "auto"))
    return mode


@dataclass(frozen=True, eq=False)
class Chain:
    """`J = (A_L | B_L (A_{L-1} | B_{L-1} (…)))` for N samples: the blocks, and which columns each `A_i` brings."""

    blocks: Sequence[Block]
    spans: Sequence[Span]
    samples: int
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """The number of columns."""
        return sum(len(span.all) for span in self.spans)

    @property
    def rows(self) -> int:
        """The number of rows, `n_{L+1}`."""
        return self.blocks[-1][1].rows

    def by_input(self) -> Chain:
        """The same function differentiated by `x`, which is the parameter of a layer before the first: `g_0(x) = x`."""
        n = self.blocks[0][1].cols
        start = ({"x": Identity(n)}, Zero(n, 0))
        nothing = Span(range(0), {})
        blocks = [start, *(({}, B_i) for _, B_i in self.blocks)]
        spans = [Span(range(n), {"x": range(n)}), *(nothing for _ in self.blocks)]
        return Chain(blocks, spans, self.samples, self.dtype)

    def before(self, q: Array) -> Chain:
        """With one more block behind the last, the one row `q^T` of each sample: `q` is `(N, n_{L+1})`."""
        blocks, spans = [*self.blocks, ({}, Dense(q[:, None, :]))], [*self.spans, Span(range(0), {})]
        return Chain(blocks, spans, self.samples, self.dtype)

    def slices(self, p: Array) -> list[dict[str, Array]]:
        """`p` by layer and parameter: views of its last axis, which has `size` entries."""
        return [{name: p[..., at.start : at.stop] for name, at in span.each.items()} for span in self.spans]

    def columns(self, use: Callable[[range, Array], None], max_bytes: int | None = None) -> None:
        """Forward mode: calls `use(chunk, J)` for chunks of the columns of `J`, `(columns, N, rows)`.

        The next chunk overwrites `J`. Chunks are shared out to threads where there is enough to do, so `use` must write
        to different places for different chunks. `max_bytes` bounds all buffers together; raises `OptionError` where
        not even one column fits.
        """
        workers, step = self.chunking(max_bytes)
        widest = max(B_i.rows for _, B_i in self.blocks)
        starts = iter(range(0, self.size, step))  # one for all: who is done takes the next

        def work(_: int) -> None:
            workspace = Workspace(step, self.samples, widest, self.dtype)
            for start in starts:
                chunk = range(start, min(start + step, self.size))
                use(chunk, recursions.forward(self.blocks, self.spans, chunk, workspace))

        threads.run(work, range(workers), workers)

    def chunking(self, max_bytes: int | None = None) -> tuple[int, int]:
        """How many threads share out forward mode's chunks, and how many columns are in one.

        Raises `OptionError` where not even one column fits into `max_bytes`.
        """
        widest = max(B_i.rows for _, B_i in self.blocks)
        least = column_bytes(widest, self.samples, self.dtype) + OBJECTS
        limit = max(DEFAULT_BYTES, least) if max_bytes is None else max_bytes
        most = max(1, min(threads.available(), limit // least))
        workers = most if self.pushed >= WORTH_THREADS else 1
        step = chunk_columns(widest, self.samples, self.dtype, limit // workers)
        return workers, max(1, min(step, -(-self.size // workers)))

    @property
    def pushed(self) -> int:
        """Multiply-adds of forward mode's products with the `B_i`, over all samples."""
        columns = total = 0
        for (_, B_i), span in zip(self.blocks, self.spans, strict=True):
            total += columns * B_i.edges
            columns += len(span.all)
        return self.samples * total
