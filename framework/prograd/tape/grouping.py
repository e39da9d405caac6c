"""Which instructions run together, block by block, and what is worth sharing with other threads.

A chain of instructions whose rows don't depend on each other runs on some rows that stay in a core's own cache, then on
the next. A large product is cut along the rows or columns of its result. Cuts depend on shapes alone, never on the
number of threads, so neither do the results.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from prograd.tape.instructions import Instruction, Storage

FIRST_LEVEL = 2**14  # bytes of one array in a block of elementwise instructions
WRITTEN = 2**18  # bytes of one array in such a block that no instruction of it reads
SECOND_LEVEL = 2**17  # bytes of one array in a block of a chain with a product, or of a matrix that meets one vector
BLOCKED_BYTES = 2**16  # instructions that move less are not worth cutting
ROWS = 128  # of a product of matrices in a block: with fewer, BLAS packs the other matrix too often
MOST_ROWS = 512  # of a block of a chain with a product: with more, other cores get too few
CHAINED = 2**15  # multiply-adds of ROWS rows of a product that is worth being part of a chain
HALVED = 2**23  # multiply-adds from which a product with fewer rows is cut in two
PRODUCT = 2**20  # multiply-adds of a product of matrices in a block
MOST_BLOCKS = 16  # of a product of matrices
SHARED_SECONDS = 20e-6
LARGE_SECONDS = 20e-6
PRODUCT_SECONDS = 0.05e-9  # for a multiply-add
SPARSE_SECONDS = 0.5e-9
BYTE_SECONDS = 0.05e-9
FUNCTION_SECONDS = {  # for an entry
    "exp": 1.5e-9,
    "expm1": 4e-9,
    "log": 2e-9,
    "log1p": 4e-9,
    "tanh": 2e-9,
    "expit": 6e-9,
    "sin": 3e-9,
    "cos": 3e-9,
    "ndtr": 8e-9,
}


@dataclass(frozen=True, slots=True)
class Cut:
    """An axis along which an instruction can be cut: an axis of `shape`, or with `core` a core dimension.

    `steps` are the bytes from one of its `extent` rows to the next, for each operand.
    """

    axis: int
    extent: int
    steps: tuple[int, ...]
    core: bool = False


@dataclass(slots=True)
class Group:
    """Instructions that run on a block of `block` of their `extent` rows, then on the next; `extent` 1 is no cut."""

    instructions: list[Instruction] = field(default_factory=list)
    cuts: list[Cut | None] = field(default_factory=list)
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
        rate = SPARSE_SECONDS if instruction.rows else PRODUCT_SECONDS
        return max(instruction.multiply_adds * rate, instruction.nbytes * BYTE_SECONDS)
    entries = math.prod(instruction.shape)
    return entries * FUNCTION_SECONDS.get(instruction.name, 0.1e-9) + instruction.nbytes * BYTE_SECONDS


def groups(instructions: Sequence[Instruction]) -> list[Group]:
    """The instructions, in groups."""
    return list(_groups(instructions))


def _groups(instructions: Sequence[Instruction]) -> Iterator[Group]:
    plain, chain = Group(), _Chain()
    readers, early = _readers(instructions), set[int]()
    for k, instruction in enumerate(instructions):
        cuts = list(_chain_cuts(instruction))
        if k in early or (chain and chain.take(instruction, cuts)):
            continue
        if chain:
            yield chain.group()
            chain = _Chain()
        if not cuts and _product_block(instruction) is None:  # not worth cutting
            plain.instructions.append(instruction)
            plain.cuts.append(None)
            continue
        if plain.instructions:
            yield plain
            plain = Group()
        if not chain.take(instruction, cuts):
            group = _product(instruction)
            along = [j for j in _along(group, readers) if j > k]
            early.update(along)
            _add(group, [instructions[j] for j in along])
            yield group
    if chain:
        yield chain.group()
    if plain.instructions:
        yield plain


Rows: TypeAlias = tuple[Storage, tuple[int, int], int, int]
"""Rows of an array: where it lies, how far it is from one to the next, and how many there are."""


def _readers(instructions: Sequence[Instruction]) -> dict[Rows, list[int]]:
    """The numbers of those that only read rows of one array that the tape is given: they can run at any time before."""
    found: dict[Rows, list[int]] = {}
    used: set[Storage] = set()
    for j, one in enumerate(instructions):
        cut = _elementwise_cut(one)
        given = all(view.storage.kind in {"input", "constant"} for view in one.inputs)
        if cut and given and not any(view.storage in used for view in one.outputs):
            rows = _rows(one, cut)
            if len(rows) == 1:
                found.setdefault(rows[0], []).append(j)
        used.update(view.storage for view in one.operands)
    return found


def _along(group: Group, readers: dict[Rows, list[int]]) -> Iterator[int]:
    """What reads the rows of a product's matrix: in its blocks, so that they come from memory once."""
    cut = group.cuts[0]
    for rows in _rows(group.instructions[0], cut) if cut else ():
        yield from readers.pop(rows, ())


def _rows(instruction: Instruction, cut: Cut) -> list[Rows]:
    steps = zip(instruction.inputs, cut.steps, strict=False)
    return [(view.storage, view.range, step, cut.extent) for view, step in steps if step]


def _add(group: Group, instructions: Sequence[Instruction]) -> None:
    group.instructions += instructions
    group.cuts += map(_elementwise_cut, instructions)
    group.shared = sum(map(seconds, group.instructions)) > SHARED_SECONDS


def _elementwise_cut(instruction: Instruction) -> Cut | None:
    """How an instruction that moves much is cut if its rows are independent: along the axis that is longest in memory.

    Of a reduction that is the first one.
    """
    axes = [axis for axis, n in enumerate(instruction.shape) if n > 1]
    if not (axes and instruction.rows) or instruction.nbytes < BLOCKED_BYTES:
        return None
    written = instruction.strides[-1]
    axis = axes[0] if instruction.reduces else max(axes, key=lambda axis: abs(written[axis]))
    return Cut(axis, instruction.shape[axis], tuple(strides[axis] for strides in instruction.strides))


def _product_cuts(instruction: Instruction) -> tuple[Cut, Cut] | None:
    """The rows of a product's result, and its columns."""
    if instruction.loop.name != "matmul" or not instruction.core or math.prod(instruction.shape) > 1:
        return None
    n, k, m = instruction.core
    if not n * k * m:
        return None
    a_n, _, _, b_m, c_n, c_m = instruction.core_strides
    return Cut(0, n, (a_n, 0, c_n), core=True), Cut(2, m, (0, b_m, c_m), core=True)


def _product_block(instruction: Instruction) -> tuple[Cut, int] | None:
    """How a product alone is cut: along its longer side, into blocks large enough for BLAS."""
    cuts = _product_cuts(instruction)
    if cuts is None:
        return None
    cut = max(cuts, key=lambda cut: cut.extent)
    block = _least_rows(instruction, cut)
    if min(instruction.core[0], instruction.core[2]) > 1:
        block = max(block, math.ceil(cut.extent / MOST_BLOCKS), PRODUCT * cut.extent // instruction.multiply_adds)
    block = math.ceil(block / 16) * 16
    return (cut, block) if 2 * block <= cut.extent else None


def _least_rows(instruction: Instruction, cut: Cut) -> int:
    """The fewest rows of a product that are worth a block."""
    n, k, m = instruction.core
    if min(n, m) == 1:  # a matrix meets one vector
        return math.ceil(SECOND_LEVEL / (k * instruction.outputs[0].dtype.itemsize) / 16) * 16
    if cut.extent < 2 * ROWS and instruction.multiply_adds >= HALVED:
        return math.ceil(cut.extent / 2)
    return ROWS


def _product(instruction: Instruction) -> Group:
    found = _product_block(instruction)
    assert found is not None  # noqa: S101  (whoever asks has looked)
    cut, block = found
    return Group([instruction], [cut], cut.extent, block, seconds(instruction) > SHARED_SECONDS)


@dataclass(slots=True)
class _Access:
    """The bytes of a storage that the first row touches, how far it is to the next row, and whether it is written.

    `mixed` is whether instructions go through it in different steps, of which `stride` is the longest.
    """

    stride: int
    low: int
    high: int
    written: bool
    mixed: bool = False


class _Chain:
    """Instructions that can run block by block: no row of one depends on another row of an earlier one."""

    def __init__(self) -> None:
        self._group = Group()
        self._touched: dict[Storage, _Access] = {}
        self._block = 0

    def take(self, instruction: Instruction, cuts: Sequence[Cut]) -> bool:
        """Adds the instruction if its rows fit along one of the cuts, and says whether they do."""
        for cut in cuts:
            if self and cut.extent != self._group.extent:
                continue
            accesses = list(_accesses(instruction, cut))
            if self._independent(accesses):
                self._add(instruction, cut, accesses)
                return True
        return False

    def __bool__(self) -> bool:
        return bool(self._group.instructions)

    def group(self) -> Group:
        """The chain as a group."""
        block = self._block or self._elementwise_block()
        self._group.block = min(self._group.extent, block)
        self._group.shared = sum(map(seconds, self._group.instructions)) > SHARED_SECONDS
        return self._group

    def _elementwise_block(self) -> int:
        """The rows that stay in the cache of what the chain reads; a result that it only writes has more room."""
        rows: dict[Storage, int] = {}
        read: set[Storage] = set()
        for instruction, cut in zip(self._group.instructions, self._group.cuts, strict=True):
            for view, step in zip(instruction.operands, cut.steps if cut else (), strict=True):
                rows[view.storage] = max(rows.get(view.storage, 0), view.nbytes // self._group.extent if step else 0)
            read.update(view.storage for view in instruction.inputs)
        if len(self._group.instructions) == 1:  # whose arrays nobody needs again
            read.clear()
        kept = max((row for storage, row in rows.items() if storage in read), default=0)
        return max(1, min(FIRST_LEVEL // max(kept, 1), WRITTEN // max(1, *rows.values())))

    def _independent(self, accesses: Sequence[tuple[Storage, _Access]]) -> bool:
        return all(
            _independent(self._touched[storage], access) for storage, access in accesses if storage in self._touched
        )

    def _add(self, instruction: Instruction, cut: Cut, accesses: Sequence[tuple[Storage, _Access]]) -> None:
        self._group.instructions.append(instruction)
        self._group.cuts.append(cut)
        self._group.extent = cut.extent
        if cut.core:
            row = max(abs(step) for step in cut.steps)
            self._block = max(self._block, ROWS, min(math.ceil(SECOND_LEVEL / row / 16) * 16, MOST_ROWS))
        for storage, access in accesses:
            known = self._touched.get(storage)
            if known:
                low, high = min(known.low, access.low), max(known.high, access.high)
                stride = max(known.stride, access.stride, key=abs)
                written, mixed = known.written or access.written, known.mixed or known.stride != access.stride
                self._touched[storage] = _Access(stride, low, high, written, mixed)
            else:
                self._touched[storage] = access


def _chain_cuts(instruction: Instruction) -> Iterator[Cut]:
    """Along which axis an instruction can be part of a chain."""
    elementwise = _elementwise_cut(instruction)
    if elementwise:
        yield elementwise
    cuts = _product_cuts(instruction)
    if cuts and min(instruction.core[0], instruction.core[2]) > 1:
        rows = cuts[0]
        row = max(abs(step) for step in rows.steps)
        enough = instruction.multiply_adds * ROWS >= CHAINED * rows.extent
        if rows.extent >= 4 * ROWS and row * ROWS <= 2 * SECOND_LEVEL and enough:
            yield rows


def _accesses(instruction: Instruction, cut: Cut) -> Iterator[tuple[Storage, _Access]]:
    for position, (view, step) in enumerate(zip(instruction.operands, cut.steps, strict=True)):
        low, high = view.range
        if cut.core or view.shape:
            reach = (cut.extent - 1) * step
            low, high = low - min(0, reach), high - max(0, reach)
        yield view.storage, _Access(step, low, high, position >= instruction.reads)


def _independent(one: _Access, other: _Access) -> bool:
    if not (one.written or other.written):
        return True
    low, high = min(one.low, other.low), max(one.high, other.high)
    same = one.stride == other.stride != 0 and not (one.mixed or other.mixed)
    return same and high - low <= abs(one.stride)
