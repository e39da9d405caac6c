"""Which BLAS computes the products of the compiled machine: numpy's, or Intel's MKL."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from threadpoolctl import ThreadpoolController

from prograd.errors import OptionError
from prograd.tape.choice import Choice

Blas: TypeAlias = Literal["numpy", "mkl"]
BLAS: Final[tuple[Blas, ...]] = ("numpy", "mkl")
VARIABLE: Final = "PROGRAD_BLAS"
CURE: Final = "pip install 'prograd[mkl]', on an x86-64 processor"
ROUTINES: Final = ("cblas_sgemm", "cblas_sgemv", "cblas_dgemm", "cblas_dgemv")
SEQUENTIAL: Final = 1  # MKL_THREADING_SEQUENTIAL
AUTO: Final = 2  # MKL_CBWR_AUTO


@cache
def mkl() -> tuple[int, ...]:
    """The addresses of MKL's `ROUTINES`, and of the function that sets a thread's number of threads.

    Raises `OptionError` where MKL is not installed, is too old, or was used before with other settings.
    """
    used = any(library["internal_api"] == "mkl" for library in ThreadpoolController().info())
    found = mkl_library()
    names = [f"{name}_64" for name in ROUTINES]  # with 64-bit integers, whatever interface MKL was told to have
    if not all(hasattr(found, name) for name in names):
        raise OptionError(f"expected an MKL with {names[0]}, got an older one; {CURE}")
    if not used:  # it then starts no threads of its own; one that others use keeps its threads
        found.MKL_Set_Threading_Layer(SEQUENTIAL)
    if found.MKL_CBWR_Set(AUTO):  # bits must not depend on where arrays lie in memory
        raise OptionError("expected MKL to be unused before, got one with other settings; start with MKL_CBWR=AUTO")
    return tuple(_address(found, name) for name in (*names, "MKL_Set_Num_Threads_Local"))


def mkl_library() -> Any:
    """MKL's library. Raises `OptionError` where there is none."""
    for path in _candidates():
        with suppress(OSError):
            return ctypes.CDLL(str(path))
    raise OptionError(f"expected MKL's library mkl_rt, got none; {CURE}")


def _candidates() -> Iterator[Path]:
    """Where pip and conda put the library."""
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files("mkl") or ():
            if file.name.startswith("libmkl_rt."):
                yield Path(str(file.locate()))
    yield from sorted(Path(sys.prefix, "lib").glob("libmkl_rt.*"))


def threads_of_numpys() -> tuple[int, int] | None:
    """The addresses of the functions that get and set the number of threads of numpy's BLAS, if that is OpenBLAS."""
    libraries = ThreadpoolController().select(user_api="blas").info()
    libraries.sort(key=lambda library: "numpy" not in str(library["filepath"]))
    for library in libraries:
        with suppress(OSError):
            loaded = ctypes.CDLL(str(library["filepath"]))
            for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
                get, put = (f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("get", "set"))
                if hasattr(loaded, get) and hasattr(loaded, put):
                    return _address(loaded, get), _address(loaded, put)
    return None


def _address(library: Any, name: str) -> int:
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0


_choice: Choice[Blas] = Choice("blas", BLAS, VARIABLE, lambda: "numpy", lambda name: name == "mkl" and mkl())
current = _choice.current
using = _choice.using
"""Inside, this BLAS computes the products of the compiled machine. Raises `OptionError`."""
