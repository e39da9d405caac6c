"""Which instructions run together, block by block, and what is worth sharing with other threads.

A chain of elementwise instructions runs on some rows that stay in a core's own cache, then on the next. A large product
of matrices is cut along the rows or columns of its result. Cuts depend on shapes alone, never on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from prograd.tape.instructions import Instruction, Storage, View

BLOCK_BYTES = 2**14  # of one array
BLOCKED_BYTES = 2**16  # instructions that move less are not worth cutting
PRODUCT = 2**20  # multiply-adds of a product of matrices in one block
VECTOR_PRODUCT = 2**15  # of a product with a vector, which takes its time to read the matrix
MOST_BLOCKS = 16
SHARED_SECONDS = 20e-6
LARGE_SECONDS = 20e-6
PRODUCT_SECONDS = 0.05e-9  # for a multiply-add
BYTE_SECONDS = 0.05e-9
FUNCTION_SECONDS = {
    "exp": 1.5e-9,
    "expm1": 4e-9,
    "log": 2e-9,
    "log1p": 4e-9,
    "tanh": 2e-9,
    "expit": 6e-9,
    "sin": 3e-9,
    "cos": 3e-9,
    "ndtr": 8e-9,
}  # for an entry


@dataclass(slots=True)
class Group:
    """Instructions that run on a block of `block` of their `extent` rows, then on the next; `extent` 1 is no cut."""

    instructions: list[Instruction] = field(default_factory=list)
    extent: int = 1
    block: int = 1
    shared: bool = False

    @property
    def blocks(self) -> int:
        """Into how many blocks it is cut."""
        return -(-self.extent // self.block)


def seconds(instruction: Instruction) -> float:
    """Roughly how long an instruction takes: enough to tell what is worth sharing."""
    if instruction.core:
        return max(instruction.multiply_adds * PRODUCT_SECONDS, instruction.nbytes * BYTE_SECONDS)
    entries = math.prod(instruction.shape)
    return entries * FUNCTION_SECONDS.get(instruction.name, 0.1e-9) + instruction.nbytes * BYTE_SECONDS


def groups(instructions: Sequence[Instruction]) -> list[Group]:
    """The instructions, in groups."""
    return list(_groups(instructions))


def cut_of_product(instruction: Instruction) -> tuple[int, int, int]:
    """Which core dimension of a product of matrices is cut, how long it is, and how long a block is."""
    n, k, m = instruction.core
    axis, extent = (0, n) if n >= m else (2, m)
    vector = min(n, m) == 1
    blocks = min(MOST_BLOCKS, instruction.multiply_adds // (VECTOR_PRODUCT if vector else PRODUCT))
    if blocks < 2 or math.prod(instruction.shape) > 1 or k == 0:
        return axis, 1, 1
    block = math.ceil(extent / blocks / 16) * 16
    return axis, (extent if block < extent else 1), min(block, extent)


def _groups(instructions: Sequence[Instruction]) -> Iterator[Group]:
    plain, chain = Group(), _Chain()
    for instruction in instructions:
        extent = _extent(instruction)
        if extent > 1 and instruction.nbytes >= BLOCKED_BYTES:
            if plain.instructions:
                yield plain
                plain = Group()
            if not chain.accepts(instruction, extent):
                yield from chain.groups()
                chain = _Chain()
            chain.add(instruction, extent)
            continue
        yield from chain.groups()
        chain = _Chain()
        if instruction.loop.name == "matmul" and instruction.core:
            _, extent, block = cut_of_product(instruction)
            if extent > 1:
                if plain.instructions:
                    yield plain
                    plain = Group()
                yield Group([instruction], extent, block, seconds(instruction) > SHARED_SECONDS)
                continue
        plain.instructions.append(instruction)
    yield from chain.groups()
    if plain.instructions:
        yield plain


def _extent(instruction: Instruction) -> int:
    """The rows along which an elementwise instruction or a reduction can be cut."""
    if instruction.core or not instruction.rows:
        return 1
    return next((n for n in instruction.shape if n > 1), 1)


@dataclass(slots=True)
class _Access:
    """The bytes of a storage that the first row touches, and how far it is to the next row."""

    stride: int
    low: int
    high: int
    written: bool


class _Chain:
    """Elementwise instructions that can run block by block: no row of one depends on another row of an earlier one."""

    def __init__(self) -> None:
        self._instructions: list[Instruction] = []
        self._extent = 0
        self._touched: dict[Storage, _Access] = {}

    def accepts(self, instruction: Instruction, extent: int) -> bool:
        if not self._instructions:
            return True
        return extent == self._extent and all(
            _independent(self._touched[view.storage], access)
            for view, access in _accesses(instruction)
            if view.storage in self._touched
        )

    def add(self, instruction: Instruction, extent: int) -> None:
        self._instructions.append(instruction)
        self._extent = extent
        for view, access in _accesses(instruction):
            known = self._touched.get(view.storage)
            if known:
                low, high = min(known.low, access.low), max(known.high, access.high)
                access = _Access(access.stride, low, high, known.written or access.written)  # noqa: PLW2901
            self._touched[view.storage] = access

    def groups(self) -> Iterator[Group]:
        if not self._instructions:
            return
        row = max(abs(access.stride) for access in self._touched.values())
        block = min(self._extent, max(1, BLOCK_BYTES // max(row, 1)))
        shared = sum(map(seconds, self._instructions)) > SHARED_SECONDS
        yield Group(self._instructions, self._extent, block, shared)


def _accesses(instruction: Instruction) -> Iterator[tuple[View, _Access]]:
    axis = next(k for k, n in enumerate(instruction.shape) if n > 1)
    for position, (view, strides) in enumerate(zip(instruction.operands, instruction.strides, strict=True)):
        low = high = view.offset
        for k, (n, stride) in enumerate(zip(instruction.shape, strides, strict=True)):
            if k != axis:
                low, high = low + min(0, (n - 1) * stride), high + max(0, (n - 1) * stride)
        yield view, _Access(strides[axis], low, high + view.dtype.itemsize, position >= instruction.reads)


def _independent(one: _Access, other: _Access) -> bool:
    if not (one.written or other.written):
        return True
    low, high = min(one.low, other.low), max(one.high, other.high)
    return one.stride == other.stride != 0 and high - low <= abs(one.stride)
