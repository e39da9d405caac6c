"""Forward mode: `J_1 = A_1`, `J_i = (A_i | B_i J_{i-1})` in matrices, a chunk of columns at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from prograd import recursions, threads
from prograd.arrays import Array
from prograd.bracketing.words import Letters, joined, times
from prograd.errors import OptionError
from prograd.linearization import Linearization
from prograd.modes.base import Evaluation, Mode, Outputs
from prograd.modes.structure import Structure
from prograd.operators import Operator
from prograd.operators.ledger import Cost, Ledger, Step, Vectors

DEFAULT_BYTES: Final = 64 * 2**20
BUFFER_BYTES: Final = 2**19  # of one buffer: both, and a layer's matrix, fit into a core's own cache
OBJECTS: Final = 2**12  # bytes of a thread's own: views, ranges, frames
INDICES: Final = 6 * 8  # bytes for each column: where it is stored, which entries of which factors make it
WORTH_THREADS: Final = 10**8  # multiply-adds: some milliseconds; two threads need that long to be on two cores


class Forward(Mode):
    """Matrix times matrix; `max_bytes` bounds the buffers. n⁴ multiply-adds for affine layers of width n."""

    name = "forward"

    def gradient(self, at: Evaluation, p: Array, max_bytes: int | None) -> float:
        """Each chunk of columns times `∇ℓ`."""
        lin = at.linearization()
        total, q = at.close(lin.z[-1])
        q = q.reshape(-1)

        def use(chunk: range, J: Array) -> None:
            np.matmul(J.reshape(len(J), -1), q, out=p[chunk.start : chunk.stop])

        columns(lin, use, max_bytes)
        return total

    def jacobian(self, lin: Linearization, J: Array, max_bytes: int | None) -> None:
        """Each chunk of columns copied to its place."""
        columns_into(lin, J, max_bytes)

    def gradient_cost(self, of: Structure, max_bytes: int | None) -> Cost:
        """The columns, and one more product with each."""
        lin, ledger = of.lin, of.ledger()
        of.charge_forward_pass(ledger, of.samples)
        ledger.hold(of.made(lin.blocks, of.samples))
        outputs = of.samples * lin.rows
        ledger.hold((2 * outputs + lin.size) * of.item)
        workers, step = charge_columns(ledger, lin, max_bytes)
        chunks = -(-lin.size // step)
        moved = (lin.size + chunks) * outputs * of.item
        ledger.steps.append(Step("product", chunks, lin.size * outputs, moved, threads=workers))
        return ledger.cost()

    def jacobian_cost(self, of: Structure, max_bytes: int | None) -> Cost:
        """The columns, copied."""
        ledger = of.ledger()
        of.charge_kept_blocks(ledger)
        ledger.hold(of.samples * of.lin.rows * of.lin.size * of.item)
        charge_columns_into(ledger, of.lin, max_bytes)
        return ledger.cost()

    def order(self, of: Structure, letters: Letters, max_bytes: int | None) -> str:
        """`(A_L | (B_L (A_{L-1} | …)))`: the innermost product comes first."""
        letters = letters.shortened()
        J = ""
        for A_i, B_i in zip(letters.own, letters.through, strict=True):
            J = joined([part for part in (A_i, times(B_i, J) if J else "") if part])
        return times(letters.q, J)

    def threads(self, outputs: Outputs, *, large: bool) -> bool:
        """Always: chunks are shared out to threads."""
        return True


def columns(lin: Linearization, use: Callable[[range, Array], None], max_bytes: int | None = None) -> None:
    """Calls `use(chunk, J)` for chunks of the columns of `J`, `(columns, N, rows)`.

    The next chunk overwrites `J`. Where there is enough to do, threads share the chunks, so `use` must write to
    different places for different chunks. `max_bytes` bounds all buffers together; raises `OptionError` where not even
    one column fits.
    """
    workers, step = chunking(lin, max_bytes)
    starts = iter(range(0, lin.size, step))  # one for all threads: whoever is done takes the next

    def work(_: int) -> None:
        workspace = Workspace(step, lin.samples, lin.widest, lin.dtype)
        for start in starts:
            chunk = range(start, min(start + step, lin.size))
            use(chunk, recursions.forward(lin.blocks, lin.spans, chunk, workspace.start(), workspace.after))

    threads.run(work, range(workers), workers)


def columns_into(lin: Linearization, J: Array, max_bytes: int | None = None) -> None:
    """Writes the columns to `J`, `(N, rows, size)`."""

    def use(chunk: range, part: Array) -> None:
        J[:, :, chunk.start : chunk.stop] = part.transpose(1, 2, 0)

    columns(lin, use, max_bytes)


def chunking(lin: Linearization, max_bytes: int | None = None) -> tuple[int, int]:
    """How many threads share the chunks, and how many columns are in one.

    Raises `OptionError` where not even one column fits into `max_bytes`.
    """
    least = column_bytes(lin.widest, lin.samples, lin.dtype) + OBJECTS
    limit = max(DEFAULT_BYTES, least) if max_bytes is None else max_bytes
    most = max(1, min(threads.available(), limit // least))
    workers = most if pushed(lin) >= WORTH_THREADS else 1
    step = chunk_columns(lin.widest, lin.samples, lin.dtype, limit // workers)
    return workers, max(1, min(step, -(-lin.size // workers)))


def pushed(lin: Linearization) -> int:
    """Multiply-adds of the products with the `B_i`, over all samples."""
    older = total = 0
    for (_, B_i), span in zip(lin.blocks, lin.spans, strict=True):
        total += older * B_i.edges
        older += len(span.all)
    return lin.samples * total


class Workspace:
    """Two flat buffers that take turns: each call of `after` gives memory in the one that was not given last.

    They are allocated once and reused for every chunk, because the operating system has to page fresh memory in on each
    use, which costs more than the arithmetic.
    """

    def __init__(self, columns: int, samples: int, n: int, dtype: np.dtype[Any]) -> None:
        self.samples = samples
        self._buffers = [np.empty(columns * samples * n, dtype) for _ in range(2)]

    def start(self) -> Array:
        """No columns yet."""
        return self._buffers[0][:0].reshape(0, self.samples, 0)

    def after(self, J: Array, own: int, B: Operator) -> Array:
        """Memory for `own` columns and, behind them, for `B J`: `(own + columns, N, B.rows)`, its content undefined.

        Where `B` can work in place and no columns are added, that is `J` itself.
        """
        if own == 0 and B.in_place:
            return J
        self._buffers.reverse()
        columns = own + len(J)
        return self._buffers[0][: columns * self.samples * B.rows].reshape(columns, self.samples, B.rows)


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


def charge_columns(ledger: Ledger, lin: Linearization, max_bytes: int | None = None) -> tuple[int, int]:
    """Writes down what all chunks cost; returns how many threads share them and how many columns are in one."""
    workers, step = chunking(lin, max_bytes)
    ledger.around.append(Step("merge", 1, 0, 0))  # the buffers, and what calls the chunks
    samples, momentary = lin.samples, 0
    for (A, B), span in zip(lin.blocks, lin.spans, strict=True):
        older = lin.size - span.all.stop
        calls = -(-lin.size // step) - span.all.stop // step
        if older:
            B.charge_jvp(ledger.work(samples, calls, workers), Vectors(older, samples))
            momentary = max(momentary, B.into_scratch(min(step, older) * samples, B.rows))
        for name, at in span.each.items():
            calls = -(-at.stop // step) - at.start // step
            if at:
                A[name].charge_columns(ledger.work(samples, calls, workers), Vectors(len(at), samples))
                momentary = max(momentary, A[name].column_scratch(min(step, len(at)) * samples))
    ledger.touch(workers * ledger.item * (2 * step * samples * lin.widest + momentary))
    return workers, step


def charge_columns_into(ledger: Ledger, lin: Linearization, max_bytes: int | None = None) -> None:
    """Writes down the chunks, and their copies into a Jacobian."""
    workers, step = charge_columns(ledger, lin, max_bytes)
    moved = 2 * lin.size * lin.samples * lin.rows * ledger.item
    ledger.around.append(Step("transpose", -(-lin.size // step), 0, moved, threads=workers))
