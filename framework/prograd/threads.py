"""The number of threads that BLAS may use, which is also how many run a tape where BLAS is OpenBLAS."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def available() -> int:
    """How many threads BLAS may use now."""
    return max((library.num_threads for library in _blas().lib_controllers), default=1)


def one_blas_thread() -> AbstractContextManager[object]:
    """Inside, BLAS runs with one thread."""
    limit: AbstractContextManager[object] = _blas().limit(limits=1)
    return limit


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")  # finding the libraries takes a millisecond; once is enough
