"""A large batch in shards of rows: each shard's arrays stay in the cache, and threads take shards in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from prograd.arrays import Array

SHARD_BYTES = 2**18  # of one z^i: a few of them fit into a core's own cache
FEWEST_ROWS = 512  # so that a matrix product does not notice, and adding up the shards' gradients costs little
WIDEST_BYTES = 2**12  # a row longer than this makes products that keep every core busy without shards


def shards(samples: int, row_bytes: int) -> list[slice]:
    """`range(samples)` cut into shards, or one that is all of it where the batch is too small or its rows too long."""
    rows = max(FEWEST_ROWS, SHARD_BYTES // row_bytes)
    if row_bytes > WIDEST_BYTES or samples < 2 * rows:
        return [slice(0, samples)]
    return [slice(start, min(start + rows, samples)) for start in range(0, samples, rows)]


def sum_over(cuts: Sequence[slice], task: Callable[[slice, Array], float], p: Array) -> float:
    """The sum of `task(shard, p)` over the shards; each writes its part of the gradient, whose sum goes to `p`.

    As many threads as BLAS may use now take shards in turns, BLAS at one thread each. The order of the sums depends
    on their number alone, so the same number of threads gives the same bits.
    """
    blas = _controller().select(user_api="blas")
    threads = min(max((library.num_threads for library in blas.lib_controllers), default=1), len(cuts))
    parts = [p] + [np.empty_like(p) for _ in range(threads - 1)]

    def work(k: int) -> float:
        value = task(cuts[k], parts[k])
        more = np.empty_like(p) if k + threads < len(cuts) else p
        for cut in cuts[k + threads :: threads]:
            value += task(cut, more)
            parts[k] += more
        return value

    with blas.limit(limits=1), ThreadPoolExecutor(threads) as pool:
        # Each thread runs in a copy of the caller's context, which holds numpy's error state.
        values: list[float] = list(
            pool.map(lambda k, context: context.run(work, k), range(threads), [copy_context() for _ in parts])
        )
    for part in parts[1:]:
        p += part
    return sum(values)


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # finding the libraries takes a millisecond; once is enough
