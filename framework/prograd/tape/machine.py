"""Which machine runs tapes: the compiled one, numpy called from Python, or none."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, TypeVar

import numpy as np

from prograd import threads
from prograd.errors import OptionError
from prograd.tape import blas
from prograd.tape.blas import Blas
from prograd.tape.choice import Choice
from prograd.tape.instructions import AnyArray, Loop

VERSION: Final = 7  # of the words of a program

compiled: Any
try:
    compiled = importlib.import_module("prograd.tape._machine")
except ImportError:  # no compiler was there when prograd was installed
    compiled = None
if getattr(compiled, "VERSION", None) != VERSION:  # compiled from an older source
    compiled = None

Machine: TypeAlias = Literal["c", "numpy", "off"]
VARIABLE: Final = "PROGRAD_MACHINE"
LARGE_BYTES: Final = 2**17  # the C library maps fresh pages for these
MACHINES: Final[tuple[Machine, ...]] = ("c", "numpy", "off")
CURE: Final = "use Linux or macOS" if sys.platform == "win32" else "install a C compiler, then prograd again"
WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {"c": "replayed in C", "numpy": "replayed by numpy", "off": "interpreted"}
)
"""What each does with a mode, for titles."""

T = TypeVar("T")


def available() -> bool:
    """Whether the compiled machine is there."""
    return compiled is not None


def advice() -> str:
    """A line that says how to get the compiled machine; empty where it is there."""
    return "" if available() else f"numpy replays tapes here; to have a machine in C do it, {CURE}"


def _check(machine: Machine) -> None:
    if machine == "c" and not available():
        raise OptionError(f"expected numpy or off, got 'c', which was not compiled when prograd was installed; {CURE}")


_choice: Choice[Machine] = Choice("machine", MACHINES, VARIABLE, lambda: "c" if available() else "numpy", _check)
current = _choice.current
using = _choice.using
"""Inside, this machine runs tapes. Raises `OptionError`."""


@cache
def _kernels() -> dict[str, int]:
    found = blas.threads_of_numpys()
    if found is not None:
        compiled.blas(*found)
    kernels: dict[str, int] = compiled.kernels()
    return kernels


@cache
def _address(name: str, ufunc: Any, k: int) -> tuple[int, int]:
    if ufunc is None:
        return _kernels()[name], 0
    found: tuple[int, int] = compiled.loop(ufunc, k)
    return found


def alone(call: Callable[[], T]) -> T:
    """What `call()` returns, with BLAS at one thread meanwhile; neither a fork nor an interrupt leaves it there."""
    if compiled is None:
        with threads.one_blas_thread():
            return call()
    _kernels()
    result: T = compiled.alone(call)
    return result


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """Memory for a result; a large one takes what an earlier result of its size has left."""
    if compiled is None or math.prod(shape) * dtype.itemsize < LARGE_BYTES:
        return np.empty(shape, dtype)
    made: AnyArray = compiled.empty(shape, dtype)
    return made


def products() -> Blas:
    """Which BLAS computes products here: the compiled machine's choice, and numpy's wherever numpy runs.

    Raises `OptionError` as `blas.current` does.
    """
    return blas.current() if current() == "c" else "numpy"


def words(machine: str, products: Blas = "numpy") -> str:
    """What a machine does with a mode, for titles; `products` is the BLAS that it uses."""
    return WORDS[machine] + (" with MKL" if products == "mkl" else "")


def address(loop: Loop) -> tuple[int, int]:
    """The address of a loop, and of the data that it is given."""
    _kernels()
    if loop.name.startswith("mkl_"):
        _take_mkl()
    return _address(loop.name, loop.ufunc, loop.k)


@cache
def _take_mkl() -> None:
    compiled.mkl(*blas.mkl())
