"""A large batch in shards of samples: a shard's arrays stay in the cache, and threads take shards in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Condition
from typing import Final

from prograd import threads
from prograd.arrays import Array
from prograd.operators import Operator
from prograd.recursions import Apply, sum_into

SHARD_BYTES: Final = 2**18  # of one z^i: a few of them fit into a core's own cache
FEWEST_ROWS: Final = 256  # with fewer, adding up the shards' gradients costs something next to their matrix products
WIDEST_BYTES: Final = 2**12  # a row longer than this makes products so long that nothing else counts


def shards(samples: int, row_bytes: int) -> list[slice]:
    """`range(samples)` cut into shards, or one that is all of it where the batch is too small or its rows too long."""
    rows = max(SHARD_BYTES // row_bytes, FEWEST_ROWS)
    if row_bytes > WIDEST_BYTES or samples < 2 * rows:
        return [slice(0, samples)]
    return [slice(start, min(start + rows, samples)) for start in range(0, samples, rows)]


def sum_over(cuts: Sequence[slice], task: Callable[[slice, Apply], float]) -> float:
    """The sum of `task(cut, apply)` over the shards; each gives its part of the gradient to `apply(A, q, p)`.

    As many threads as BLAS may use at this moment take shards in turns, with BLAS at one thread each. Every sum is
    taken in the order of the shards, so the result does not depend on the number of threads, to the last bit.
    """
    if len(cuts) == 1:
        return task(cuts[0], sum_into)
    turns = _Turns(len(cuts))

    def work(shard: int) -> float:
        with turns:
            return task(cuts[shard], turns.adder(shard))

    return sum(threads.run(work, range(len(cuts)), min(threads.available(), len(cuts))))


class _Turns:
    """Shard j adds its k-th part after shard j − 1 has added its own.

    Shards start in order and all go through the parameters in the same order, so none waits for one that has not begun.
    """

    def __init__(self, shards: int) -> None:
        self._added = [0] * shards
        self._changed = Condition()
        self._error: BaseException | None = None

    def adder(self, shard: int) -> Apply:
        """What shard `shard` calls with each of its blocks: adds `Σ_n A_n^T q_n` to `p`."""

        def add(A: Operator, q: Array, p: Array) -> None:
            if shard == 0:
                A.vjp_sum(q, out=p)
            else:
                part = A.vjp_sum(q)
                self._wait_for(shard - 1, self._added[shard])
                p += part
            with self._changed:
                self._added[shard] += 1
                self._changed.notify_all()

        return add

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error:
            with self._changed:
                self._error = self._error or error
                self._changed.notify_all()

    def _wait_for(self, shard: int, part: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._added[shard] > part or self._error)
            if self._error:  # whoever waits for a shard that failed, fails with it
                raise self._error
