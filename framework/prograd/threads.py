"""Independent tasks on as many threads as BLAS may use, with BLAS at one thread each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from itertools import pairwise
from threading import Lock, Thread
from typing import Any, TypeVar

from threadpoolctl import OpenBLASController, ThreadpoolController

WORTH_NUMBERS = 2**21  # writing them takes some milliseconds; two threads need that long to be on two cores

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


def available() -> int:
    """How many threads BLAS may use now, or could before `one_blas_thread` limited it."""
    return _blas().threads


def parts(rows: int, numbers: int) -> list[slice]:
    """`range(rows)` in as many parts as there are threads, or in one part for fewer than `WORTH_NUMBERS` numbers."""
    count = min(available(), rows) if numbers >= WORTH_NUMBERS else 1
    ends = [rows * k // count for k in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


@contextmanager
def one_blas_thread(limited: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002
    """BLAS at one thread if `limited`.

    OpenBLAS's threads spin for tens of milliseconds after each product, on the cores that prograd's threads would use.
    So the limit has to begin before the first product, however small, of a computation that starts threads later.
    """
    if not limited or _blas().threads == 1:
        yield
        return
    with _blas().at_one_thread():
        yield


def run(work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], threads: int) -> list[ResultT]:
    """`[work(task) for task in tasks]` on `threads` threads; tasks begin in order, and the first error is raised.

    A matrix product cut into tasks uses the cores as well as BLAS's own threads do, and everything around it
    (elementwise functions, copies) then uses them too.
    """
    if threads == 1:
        return [work(task) for task in tasks]
    waiting = deque(enumerate(tasks))
    results: dict[int, ResultT] = {}
    errors: dict[int, BaseException] = {}

    def worker() -> None:
        while waiting and not errors:
            try:
                i, task = waiting.popleft()
            except IndexError:  # another thread was quicker
                return
            try:
                results[i] = work(task)
            except BaseException as error:  # noqa: BLE001  (raised below, in the caller's thread)
                errors[i] = error

    with one_blas_thread():
        # Each in a copy of the caller's context, which holds numpy's error state; the caller is one of the workers.
        others = [Thread(target=copy_context().run, args=(worker,)) for _ in range(threads - 1)]
        for thread in others:
            thread.start()
        worker()
        for thread in others:
            thread.join()
    if errors:
        raise errors[min(errors)]
    return [results[i] for i in range(len(tasks))]


class _Blas:
    """BLAS's threads, which belong to the process: the first to limit them saves their number, the last restores it."""

    def __init__(self) -> None:
        self._controller = ThreadpoolController().select(user_api="blas")
        self._lock = Lock()
        self._users = 0
        self._before = 0
        self._limit: Any = None

    @property
    def threads(self) -> int:
        return self._before or max((library.num_threads for library in self._controller.lib_controllers), default=1)

    @contextmanager
    def at_one_thread(self) -> Iterator[None]:
        with self._lock:
            if self._users == 0:
                self._before = self.threads
                with _in_control():
                    self._limit = self._controller.limit(limits=1)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    with _in_control():
                        self._limit.restore_original_limits()
                    self._before = 0


@contextmanager
def _in_control() -> Iterator[None]:
    """Makes threadpoolctl obey this thread, not the one that set a limit first: any thread may be the last."""
    OpenBLASController.clear_controlling_thread(force=True)
    yield
    OpenBLASController.clear_controlling_thread(force=True)


@cache
def _blas() -> _Blas:
    return _Blas()  # finding the libraries takes a millisecond; once is enough
