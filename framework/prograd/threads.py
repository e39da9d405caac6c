"""Independent tasks on as many threads as BLAS may use, with BLAS at one thread each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


def available() -> int:
    """How many threads BLAS may use at this moment."""
    return max((library.num_threads for library in _blas().lib_controllers), default=1)


def run(work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], threads: int) -> list[ResultT]:
    """`[work(task) for task in tasks]`; tasks begin in their order. The first error in that order is raised.

    A matrix product that is cut into tasks uses every core as well as BLAS's own threads do, and what stands beside it
    (elementwise functions, copies) then uses them too.
    """
    contexts = [copy_context() for _ in tasks]  # each runs in the caller's context, which holds numpy's error state
    with _blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda context, task: context.run(work, task), contexts, tasks))


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")  # finding the libraries takes a millisecond; once is enough
