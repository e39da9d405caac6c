"""Independent tasks on as many threads as BLAS may use, with BLAS at one thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from itertools import pairwise
from threading import Lock
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

WORTH_NUMBERS = 2**21  # writing them takes some milliseconds, starting threads a fraction of one

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


def available() -> int:
    """How many threads BLAS may use at this moment."""
    return max((library.num_threads for library in _blas().controller.lib_controllers), default=1)


def parts(rows: int, numbers: int) -> list[slice]:
    """`range(rows)` in as many parts as there are threads, or in one where fewer than `WORTH_NUMBERS` are written."""
    count = min(available(), rows) if numbers >= WORTH_NUMBERS else 1
    ends = [rows * k // count for k in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def run(work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], threads: int) -> list[ResultT]:
    """`[work(task) for task in tasks]` on so many threads; tasks begin in their order, whose first error is raised.

    A matrix product that is cut into tasks uses every core as well as BLAS's own threads do, and what stands beside it
    (elementwise functions, copies) then uses them too.
    """
    if threads == 1:
        return [work(task) for task in tasks]
    contexts = [copy_context() for _ in tasks]  # each runs in the caller's context, which holds numpy's error state
    with _blas().at_one_thread(), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda context, task: context.run(work, task), contexts, tasks))


class _Blas:
    """BLAS's threads, which are the process's: the first who limits them saves their number, the last restores it."""

    def __init__(self) -> None:
        self.controller = ThreadpoolController().select(user_api="blas")
        self._lock = Lock()
        self._users = 0
        self._limit: Any = None

    @contextmanager
    def at_one_thread(self) -> Iterator[None]:
        with self._lock:
            if self._users == 0:
                self._limit = self.controller.limit(limits=1)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._limit.restore_original_limits()


@cache
def _blas() -> _Blas:
    return _Blas()  # finding the libraries takes a millisecond; once is enough
