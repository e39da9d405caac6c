"""Products by MKL with its own threads, called through ctypes."""

from __future__ import annotations

import ctypes
from functools import cache, partial
from typing import Any

import numpy as np

from prograd.errors import OptionError
from prograd.tape import blas
from prograd_benchmarks.floor import Call

ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112
GEMM, GEMV = "iiilllrplplrpl", "iillrplplrpl"
"""The types of the arguments: int, 64-bit integer, real number, pointer."""


def by_mkl(a: Any, b: Any, out: Any) -> Call:
    """`a b` into `out`, whose rows or columns lie without gaps. Raises `ModuleNotFoundError` without MKL."""
    letter = "d" if out.dtype == np.float64 else "s"
    if len(a) == 1:
        matrix, order = (b, TRANSPOSED) if b.flags.c_contiguous else (b.T, AS_IT_IS)
        given = (ROW_MAJOR, order, *matrix.shape, 1, matrix, matrix.shape[1], a, 1, 0, out, 1)
        return _bound(f"cblas_{letter}gemv_64", GEMV, given)
    given = (ROW_MAJOR, _order(a), _order(b), *out.shape, len(b), 1, a, _step(a), b, _step(b), 0, out, _step(out))
    return _bound(f"cblas_{letter}gemm_64", GEMM, given)


@cache
def library() -> Any:
    """MKL. Raises `ModuleNotFoundError` where it is not installed."""
    try:
        return blas.mkl_library()
    except OptionError as error:
        raise ModuleNotFoundError(str(error)) from error


def _order(matrix: Any) -> int:
    return AS_IT_IS if matrix.flags.c_contiguous else TRANSPOSED


def _step(matrix: Any) -> int:
    return int(matrix.shape[1] if matrix.flags.c_contiguous else matrix.shape[0])


def _bound(name: str, types: str, given: tuple[Any, ...]) -> Call:
    """The call, with arguments that need no conversion."""
    real = ctypes.c_double if "_d" in name else ctypes.c_float

    def made(kind: str, value: Any) -> Any:
        if kind == "p":
            return value.ctypes.data_as(ctypes.c_void_p)  # which keeps the array
        return {"i": ctypes.c_int, "l": ctypes.c_int64, "r": real}[kind](value)

    routine = library()[name]
    routine.restype = None
    return partial(routine, *map(made, types, given))
