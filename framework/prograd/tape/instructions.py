"""What a tape is made of: memory, views of it, and instructions that call an inner loop on views."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np

AnyArray: TypeAlias = np.ndarray[Any, Any]
Kind: TypeAlias = Literal["input", "output", "constant", "scratch"]


@dataclass(eq=False, slots=True)
class Storage:
    """The memory of an array: one that each replay is given, one of the tape's own, or a constant."""

    kind: Kind
    size: int
    """Bytes."""
    position: int = -1
    """Which of the arrays of a replay it is."""
    array: AnyArray | None = None
    """The constant."""


@dataclass(slots=True)
class View:
    """Where an array is in its storage: bytes from the start, shape, strides in bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def range(self) -> tuple[int, int]:
        """The first byte, and the first after the last."""
        low, high, _ = _extent(self.shape, self.strides)
        return self.offset + low, self.offset + high + self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of different entries."""
        _, _, count = _extent(self.shape, self.strides)
        return count * self.dtype.itemsize

    def same(self, other: View) -> bool:
        """Whether both are the same entries in the same places."""
        return (
            self.storage is other.storage
            and self.offset == other.offset
            and self.shape == other.shape
            and self.strides == other.strides
            and self.dtype == other.dtype
        )

    def overlaps(self, other: View) -> bool:
        """Whether they may share memory."""
        if self.storage is not other.storage:
            return False
        (a, b), (c, d) = self.range, other.range
        return a < d and c < b


@lru_cache(4096)
def _extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, int, int]:
    """Bytes from the start to the lowest and to the highest entry, and how many entries differ."""
    low, high, count = 0, 0, 1
    for n, stride in zip(shape, strides, strict=True):
        if stride < 0:
            low += (n - 1) * stride
        else:
            high += (n - 1) * stride
        count *= n if stride else 1
    return low, high, count


@dataclass(slots=True)
class Loop:
    """An inner loop: number `k` of a ufunc's, or one of the machine's own by name."""

    name: str
    ufunc: np.ufunc | None = None
    k: int = 0


@dataclass(slots=True)
class Instruction:
    """Calls `loop` once for each index of `shape`, on `operands`: first those that it reads, then those that it writes.

    `strides` are those of the operands along `shape`, in bytes; `core` and `core_strides` are the core dimensions of a
    generalized ufunc and its operands' strides along them. The innermost axis of an elementwise loop is the last of
    `shape`. `by_numpy` does the same with arrays.
    """

    loop: Loop
    operands: tuple[View, ...]
    reads: int
    shape: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    by_numpy: Callable[..., object]
    core: tuple[int, ...] = ()
    core_strides: tuple[int, ...] = ()
    rows: bool = False
    """Whether the first axis of `shape` can be cut into parts that don't depend on each other."""
    multiply_adds: int = 0
    times: int = 1
    """How many equal ones it stands for in a recording that only plans."""
    name: str = field(default="")

    @property
    def reduces(self) -> bool:
        """Whether it is a reduction: of a start and of an array, whose axes the result lacks."""
        return self.name.endswith(".reduce")

    @property
    def inputs(self) -> tuple[View, ...]:
        """What it reads."""
        return self.operands[: self.reads]

    @property
    def outputs(self) -> tuple[View, ...]:
        """What it writes."""
        return self.operands[self.reads :]

    @property
    def nbytes(self) -> int:
        """Bytes that it reads and writes."""
        return sum(view.nbytes for view in self.operands)


def digest(array: AnyArray) -> bytes:
    """Tells arrays with other numbers apart."""
    return hashlib.blake2b(np.ascontiguousarray(array).data).digest()
