"""The steps of a tape: what the time of its instructions depends on, with equal ones counted together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from prograd.tape import lowering
from prograd.tape.grouping import Cut, Group
from prograd.tape.instructions import Instruction, Storage, View
from prograd.tape.tape import Tape

LINE = 64  # bytes that come from memory together
FARTHEST = 2**13  # bytes between entries: more is no worse for a cache
NEAR = 2**14  # bytes: what was touched so recently is in the first-level cache

Traffic = tuple[tuple[bool, int, int], ...]
"""For each operand: whether it is written, how many bytes were touched since it was touched, and how many it has."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An inner loop, and how it goes through its operands.

    `pattern` has a letter for each operand of an elementwise loop: 0 for one number, c for neighbours, s for steps
    within a line of the cache, f for longer ones. For a product of matrices it is what NumPy does: "gemm", or
    "gemm-t" if the second one is contiguous along its columns; "rows" or
    "columns" for a matrix and a vector, where the matrix is contiguous along the axis that is summed or along the
    other; "dot", "outer", or "naive" without BLAS; all these after "stacked-" if the loop computes several. "sparse" is
    one with a sparse matrix, "nonzeros" one with the entries of a matrix that are not zero. Other generalized ufuncs
    have none.
    """

    name: str
    ufunc: np.ufunc | None
    k: int
    chars: str
    """The dtype of each operand."""
    pattern: str

    @property
    def by_rows(self) -> bool:
        """Whether it is a loop of the machine's own that goes through rows."""
        return self.name.startswith(("add_", "subtract_", "multiply_", "rows_", "row_sums_", "column_sums_"))

    def __str__(self) -> str:
        return f"{self.name} {self.chars} {self.pattern}"


@dataclass(frozen=True, slots=True)
class Step:
    """`calls` calls of an inner loop with data of `sizes`, or products of a stack, in one instruction.

    `traffic` says what the operands move: how many bytes were touched since they were touched the last time, rounded
    to a power of two, whether they are written, and how many bytes they have. `blocks` is into how many parts the
    instruction is cut that threads share; 1 is none.
    """

    kind: Kind
    sizes: tuple[int, ...]
    calls: int
    traffic: Traffic = ()
    blocks: int = 1
    times: int = 1


def steps_of(tape: Tape) -> tuple[Step, ...]:
    """The steps of all instructions; equal ones are one step with their number as `times`."""
    found: Counter[Step] = Counter()
    for step, times in each(tape):
        found[step] += times
    return tuple(replace(step, times=times) for step, times in found.items())


def each(tape: Tape) -> Iterator[tuple[Step, int]]:
    """For each instruction one step, and how many equal ones it stands for."""
    traffic = _traffic(tape)
    for group in tape.groups:
        blocks = group.blocks if group.shared else 1
        for instruction, cut in zip(group.instructions, group.cuts, strict=True):
            yield Step(*_loop(instruction, cut, group), next(traffic), blocks), instruction.times


def _loop(instruction: Instruction, cut: Cut | None, group: Group) -> tuple[Kind, tuple[int, ...], int]:
    """The inner loop of an instruction, the sizes of a call, and the number of calls in all blocks."""
    *_, (_, _, call) = lowering.steps(instruction, cut)  # the copy of a start counts for nothing
    dims, sizes, calls = list(call.dims), list(call.sizes), 1
    if cut:
        calls, length = group.blocks, math.ceil(cut.extent / group.blocks)
        if call.part < len(dims):
            dims[call.part] = call.unit * length
        else:
            sizes[0] = length
    calls *= math.prod(sizes)
    views, loop = instruction.operands, instruction.loop
    pattern, name = "", call.loop.name
    if name == "matmul":
        calls *= dims[0]
        stacked = "stacked-" if dims[0] > 1 else ""
        pattern, dims = _product(dims, instruction)
        pattern = stacked + pattern
    elif name.startswith("sparse_"):
        entries = instruction.multiply_adds // instruction.shape[0]
        pattern, dims = "sparse", [dims[0], entries or dims[1]]
    elif name.startswith("nonzeros_"):
        N, m, t = dims[1:] if len(dims) > 3 else (dims[0], dims[2], dims[1])
        pattern, dims = "nonzeros", [N, t, m]
    elif not instruction.core:
        dims = [math.prod(dims[:-1]), dims[-1]] if len(dims) > 1 else dims
        steps = call.steps[-len(views) :]
        pattern = "".join(_letter(step, view.dtype.itemsize) for step, view in zip(steps, views, strict=True))
        if "f" in pattern:  # lines whose addresses have many low zeros push each other out of the cache
            apart = max(step & -step for step, letter in zip(steps, pattern, strict=True) if letter == "f")
            dims.append(min(apart, FARTHEST))
        if instruction.reduces and call.loop is instruction.loop:
            name = instruction.name
    chars = "".join(view.dtype.char for view in views)
    return Kind(name, loop.ufunc, loop.k, chars, pattern), tuple(dims), calls


def _letter(step: int, item: int) -> str:
    return "0" if step == 0 else "c" if step == item else "s" if abs(step) < LINE else "f"


def _product(dims: list[int], instruction: Instruction) -> tuple[str, list[int]]:
    """Which way NumPy takes for one product of matrices, and its sizes."""
    _, n, k, m = dims
    item = instruction.operands[-1].dtype.itemsize
    a_n, a_k, b_k, b_m, c_n, c_m = instruction.core_strides

    def blas(row: int, column: int, columns: int) -> bool:
        """Whether BLAS takes a matrix with these strides."""
        return column == item and row % item == 0 and row >= columns * item

    if n == m == 1:
        return "dot", [k]
    if k == 1 and min(n, m) > 1:
        return "outer", [n, m]
    if k > 1 and m == 1 and b_k % item == 0:
        if blas(a_n, a_k, k) or blas(a_k, a_n, n):
            return ("rows" if a_k == item else "columns"), [n, k]
    elif k > 1 and n == 1 and a_k % item == 0:
        if blas(b_m, b_k, k) or blas(b_k, b_m, m):
            return ("rows" if b_k == item else "columns"), [m, k]
    elif k > 1:
        ours, theirs = blas(a_n, a_k, k) or blas(a_k, a_n, n), blas(b_k, b_m, m) or blas(b_m, b_k, k)
        if ours and theirs and (blas(c_n, c_m, m) or blas(c_m, c_n, n)):
            return ("gemm" if b_m == item else "gemm-t"), [n, k, m]
    return "naive", [n, k, m]


Piece = tuple[Storage, int, int]
"""A part of a storage that instructions touch."""


def _traffic(tape: Tape) -> Iterator[Traffic]:
    """What each instruction moves, when a replay follows another one and finds what that has left in the caches."""
    moved = [[list(_pieces(one)) for one in group.instructions] for group in tape.groups]
    most = tape.scratch_bytes + sum(storage.size for storage in tape.given)
    begun: dict[Piece, int] = {}  # when the last touch of each piece began
    clock = 0
    for again in (False, True):
        for group, instructions in zip(tape.groups, moved, strict=True):
            here: set[Piece] = set()  # a chain touches a block again while it is near
            start = clock
            for pieces in instructions:
                found, before = [], start if group.blocks > 1 else clock
                for piece, written, size in pieces:
                    if piece not in here:
                        reach = tape.scratch_bytes if piece[0].kind == "scratch" else most
                        away = min(clock - begun.get(piece, -reach), reach)
                        found.append((written, 1 << (2 * away // 3).bit_length(), size))
                for piece, _, size in pieces:
                    clock += size if piece not in here else 0
                    begun[piece] = before
                    if group.blocks > 1:
                        here.add(piece)
                if again:
                    yield tuple(sorted(one for one in found if one[1] > NEAR))


def _pieces(instruction: Instruction) -> Iterator[tuple[Piece, bool, int]]:
    """What an instruction touches: where, whether it writes there, and how many bytes come and go."""
    for position, view in enumerate(instruction.operands):
        size = _lines(view)
        if size > LINE:
            storage = view.storage  # results that are given are large, and written part by part
            piece = (storage, *view.range) if storage.kind == "output" else (storage, 0, 0)
            yield piece, position >= instruction.reads, size


def _lines(view: View) -> int:
    """The bytes that come and go with a view: whole lines where its entries are far apart."""
    count, apart, item = 1, LINE, view.dtype.itemsize
    for n, step in zip(view.shape, view.strides, strict=True):
        if step and n > 1:
            count *= n
            apart = min(apart, abs(step))
    return count * max(apart, item) if count > 1 else item
