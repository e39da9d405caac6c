"""A chain of blocks with its columns: what both modes multiply, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prograd import factored, recursions, threads
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.errors import UnknownNameError
from prograd.network import Span
from prograd.operators import Identity, Zero
from prograd.workspace import DEFAULT_BYTES, OBJECTS, Workspace, chunk_columns, column_bytes

MODES = ("reverse", "forward", "factored")
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

    def slices(self, p: Array) -> list[dict[str, Array]]:
        """`p` by layer and parameter: views of its last axis, which has `size` entries."""
        return [{name: p[..., at.start : at.stop] for name, at in span.each.items()} for span in self.spans]

    def columns(self, use: Callable[[range, Array], None], max_bytes: int | None = None) -> None:
        """Forward mode: calls `use(chunk, J)` for chunks of the columns of `J`, `(columns, N, rows)`.

        The next chunk overwrites `J`. Chunks are shared out to threads where there is enough to do, so `use` must write
        to different places for different chunks. `max_bytes` bounds all buffers together; raises `OptionError` where
        not even one column fits.
        """
        widest = max(B_i.rows for _, B_i in self.blocks)
        least = column_bytes(widest, self.samples, self.dtype) + OBJECTS
        limit = max(DEFAULT_BYTES, least) if max_bytes is None else max_bytes
        most = max(1, min(threads.available(), limit // least))
        workers = most if self.multiply_adds("forward", rows=1) >= WORTH_THREADS else 1
        step = chunk_columns(widest, self.samples, self.dtype, limit // workers)
        step = max(1, min(step, -(-self.size // workers)))
        starts = iter(range(0, self.size, step))  # one for all: who is done takes the next

        def work(_: int) -> None:
            workspace = Workspace(step, self.samples, widest, self.dtype)
            for start in starts:
                chunk = range(start, min(start + step, self.size))
                use(chunk, recursions.forward(self.blocks, self.spans, chunk, workspace))

        threads.run(work, range(workers), workers)

    def multiply_adds(self, mode: str, rows: int) -> int:
        """Multiply-adds of the products of one mode over all samples, from the operators' `edges`.

        Reverse multiplies each of `rows` rows by each block but `B_1`; forward multiplies `B_i` by the columns of
        `J_{i-1}`, factored by what stands before the `A_j` in them, and the rows of that by `A_j` in the end.
        """
        if mode == "factored":
            return factored.jacobian_multiply_adds(self.blocks)
        if mode == "reverse":
            A = sum(operator.edges for A_i, _ in self.blocks for operator in A_i.values())
            return self.samples * rows * (A + sum(B_i.edges for _, B_i in self.blocks[1:]))
        columns = pushed = 0
        for (_, B_i), span in zip(self.blocks, self.spans, strict=True):
            pushed += columns * B_i.edges
            columns += len(span.all)
        return self.samples * pushed

    def gradient_multiply_adds(self, mode: str) -> int:
        """Multiply-adds of one gradient: forward modes end with `J_L^T ∇ℓ`, a product with every column or block."""
        if mode == "factored":
            return factored.gradient_multiply_adds(self.blocks, self.samples)
        closing = self.samples * self.size * self.rows if mode == "forward" else 0
        return self.multiply_adds(mode, rows=1) + closing

    @staticmethod
    def pick(mode: str, cost: Callable[[str], int]) -> str:
        """`mode`, or for "auto" the one that costs least."""
        return min(MODES, key=cost) if mode == "auto" else mode
