"""Groups of instructions as the words that the machine runs (see `_machine.c`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from prograd.tape.grouping import Group, cut_of_product
from prograd.tape.instructions import Instruction, Loop, Storage, View

NULL, SCRATCH, GIVEN = 0, 1, 2  # base addresses: constants are absolute, then scratch memory, then the arrays of a call

Address = Callable[[Loop], tuple[int, int]]
"""The address of a loop, and of the data that it is given."""


def words(groups: Sequence[Group], offsets: Mapping[Storage, int], address: Address) -> bytes:
    """The program."""
    made: list[int] = []
    for group in groups:
        made += (len(group.instructions), group.extent, group.block, int(group.shared))
        for instruction in group.instructions:
            made += _instruction(instruction, offsets, address, cut=group.extent > 1)
    return np.array(made, np.int64).tobytes()


def _instruction(instruction: Instruction, offsets: Mapping[Storage, int], address: Address, *, cut: bool) -> list[int]:
    lowered = _product(instruction, cut=cut) if instruction.core else _loop(instruction, cut=cut)
    dims, steps, sizes, strides, part, unit, part_steps = lowered
    made = [0, *address(instruction.loop), len(instruction.operands), len(dims), len(sizes), part, unit]
    made += dims
    made += [len(steps), *steps]
    made += sizes
    for view, outer, step in zip(instruction.operands, strides, part_steps, strict=True):
        made += [*_base(view, offsets), step, *outer]
    made[0] = len(made)
    return made


_Lowered = tuple[list[int], list[int], list[int], list[list[int]], int, int, list[int]]


def _product(instruction: Instruction, *, cut: bool) -> _Lowered:
    """A generalized ufunc: the last axis of `shape` is the loop's own outer dimension."""
    count = len(instruction.operands)
    shape, strides = instruction.shape, [list(of) for of in instruction.strides]
    lead = shape[-1] if shape else 1
    dims = [lead, *instruction.core]
    steps = [of[-1] if shape else 0 for of in strides] + list(instruction.core_strides)
    part, part_steps = -1, [0] * count
    if cut:
        axis, _, _ = cut_of_product(instruction)
        part = 1 + axis
        a_n, _, _, b_m, c_n, c_m = instruction.core_strides
        part_steps = [a_n, 0, c_n] if axis == 0 else [0, b_m, c_m]
    return dims, steps, list(shape[:-1]), [of[:-1] for of in strides], part, 1, part_steps


def _loop(instruction: Instruction, *, cut: bool) -> _Lowered:
    """An elementwise instruction or a reduction: axes in memory order, joined where they can be."""
    axes = [k for k, n in enumerate(instruction.shape) if n > 1]
    shape = [instruction.shape[k] for k in axes]
    strides = [[of[k] for k in axes] for of in instruction.strides]
    count = len(strides)
    first = shape[0] if cut else 1
    rows = [of[0] for of in strides] if cut else [0] * count
    if cut:
        shape, strides = shape[1:], [of[1:] for of in strides]
    if not instruction.name.endswith(".reduce"):
        order = sorted(range(len(shape)), key=lambda k: -_reach(strides, k))
        shape, strides = [shape[k] for k in order], [[of[k] for k in order] for of in strides]
    shape, strides = _joined(shape, strides)
    if not cut:
        if not shape:
            return [1], [0] * count, [], [[] for _ in strides], -1, 1, [0] * count
        return [shape[-1]], [of[-1] for of in strides], shape[:-1], [of[:-1] for of in strides], -1, 1, [0] * count
    if not shape:
        return [first], rows, [], [[] for _ in strides], 0, 1, rows
    if len(shape) == 1 and all(row == of[0] * shape[0] for row, of in zip(rows, strides, strict=True)):
        return [first * shape[0]], [of[0] for of in strides], [], [[] for _ in strides], 0, shape[0], rows
    outer = [[row, *of[:-1]] for row, of in zip(rows, strides, strict=True)]
    return [shape[-1]], [of[-1] for of in strides], [first, *shape[:-1]], outer, 1, 1, rows


def _reach(strides: Sequence[Sequence[int]], k: int) -> int:
    """How far apart neighbours along an axis are; the result counts most."""
    return 4 * abs(strides[-1][k]) + sum(abs(of[k]) for of in strides[:-1])


def _joined(shape: list[int], strides: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    joined: list[int] = []
    kept: list[list[int]] = [[] for _ in strides]
    for k, n in enumerate(shape):
        if joined and all(of[k] * n == own[-1] for of, own in zip(strides, kept, strict=True)):
            joined[-1] *= n
            for of, own in zip(strides, kept, strict=True):
                own[-1] = of[k]
            continue
        joined.append(n)
        for of, own in zip(strides, kept, strict=True):
            own.append(of[k])
    return joined, kept


def _base(view: View, offsets: Mapping[Storage, int]) -> tuple[int, int]:
    storage = view.storage
    if storage.kind == "scratch":
        return SCRATCH, offsets[storage] + view.offset
    if storage.kind == "constant":
        assert storage.array is not None  # noqa: S101  (constants have one)
        return NULL, storage.array.__array_interface__["data"][0] + view.offset
    return GIVEN + storage.position, view.offset
