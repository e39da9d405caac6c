"""Groups of instructions as the words that the machine runs (see `_machine.c`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from prograd.tape.grouping import Cut, Group
from prograd.tape.instructions import Instruction, Loop, Storage, View

NULL, SCRATCH, GIVEN = 0, 1, 2  # base addresses: constants are absolute, then scratch memory, then the arrays of a call

TWO_AXES = {"add", "subtract", "multiply"}
ONE_AXIS = {"absolute"}
"""What the machine has loops of its own for, though ufuncs have them."""

Address = Callable[[Loop], tuple[int, int]]
"""The address of a loop, and of the data that it is given."""


def words(groups: Sequence[Group], offsets: Mapping[Storage, int], address: Address) -> bytes:
    """The program."""
    made: list[int] = []
    for group in groups:
        product = any(cut is not None and cut.core for cut in group.cuts)
        steps = [
            step
            for instruction, cut in zip(group.instructions, group.cuts, strict=True)
            for step in _steps(instruction, cut)
        ]
        made += (len(steps), group.extent, group.block, int(group.shared), int(product))
        for instruction, cut, call in steps:
            made += _words(instruction, cut, call, offsets, address)
    return np.array(made, np.int64).tobytes()


@dataclass(slots=True)
class _Call:
    """How the machine calls a loop: `dims` and `steps` for the loop itself, once for each index of `sizes`.

    In a block of r rows, `dims[part]` is `unit` r, or where `part` is `len(dims)`, `sizes[0]` is r.
    """

    loop: Loop
    dims: list[int]
    steps: list[int]
    sizes: list[int] = field(default_factory=list)
    strides: list[list[int]] = field(default_factory=list)
    part: int = -1
    unit: int = 1


_Step: TypeAlias = tuple[Instruction, Cut | None, _Call]


def _steps(instruction: Instruction, cut: Cut | None) -> Iterator[_Step]:
    """What the machine runs for an instruction: one call, or for most reductions a copy of the start and a call."""
    if instruction.core:
        yield instruction, cut, _product(instruction, cut)
        return
    call = _loop(instruction, cut)
    own = _sums(call, instruction) if instruction.reduces else _two_axes(call, instruction)
    if not instruction.reduces or own is not call:
        yield instruction, cut, own
        return
    start, a, out = instruction.operands
    of_start, of_a, of_out = instruction.strides
    shape = tuple(n if stride else 1 for n, stride in zip(instruction.shape, of_out, strict=True))
    copy = Loop(f"copy{out.dtype.itemsize}")
    begin = replace(instruction, loop=copy, operands=(start, out), shape=shape, strides=(of_start, of_out), name="copy")
    begin_cut = cut and replace(cut, steps=(cut.steps[0], cut.steps[2]))
    yield begin, begin_cut, _loop(begin, begin_cut)
    # numpy's loop adds up where the result is its first operand.
    onto = replace(instruction, operands=(out, a, out), strides=(of_out, of_a, of_out))
    onto_cut = cut and replace(cut, steps=(cut.steps[2], cut.steps[1], cut.steps[2]))
    yield onto, onto_cut, _loop(onto, onto_cut)


def _words(
    instruction: Instruction, cut: Cut | None, call: _Call, offsets: Mapping[Storage, int], address: Address
) -> list[int]:
    count = len(instruction.operands)
    strides = call.strides or [[]] * count
    made = [0, *address(call.loop), count, len(call.dims), len(call.sizes), call.part, call.unit]
    made += call.dims
    made += [len(call.steps), *call.steps]
    made += call.sizes
    for view, outer, step in zip(instruction.operands, strides, cut.steps if cut else [0] * count, strict=True):
        made += [*_base(view, offsets), step, *outer]
    made[0] = len(made)
    return made


def _product(instruction: Instruction, cut: Cut | None) -> _Call:
    """A generalized ufunc: the last axis of `shape` is the loop's own outer dimension."""
    shape, strides = instruction.shape, [list(of) for of in instruction.strides]
    dims = [shape[-1] if shape else 1, *instruction.core]
    steps = [of[-1] if shape else 0 for of in strides] + list(instruction.core_strides)
    part = 1 + cut.axis if cut else -1
    return _Call(instruction.loop, dims, steps, list(shape[:-1]), [of[:-1] for of in strides], part)


def _loop(instruction: Instruction, cut: Cut | None) -> _Call:
    """An elementwise instruction or a reduction: axes in memory order, joined where they can be."""
    axes = [k for k, n in enumerate(instruction.shape) if n > 1 and not (cut and k == cut.axis)]
    shape = [instruction.shape[k] for k in axes]
    strides = [[of[k] for k in axes] for of in instruction.strides]
    if not instruction.reduces:
        order = sorted(range(len(shape)), key=lambda k: -_reach(strides, k))
        shape, strides = [shape[k] for k in order], [[of[k] for k in order] for of in strides]
    shape, strides = _joined(shape, strides)
    inner, steps = (shape[-1], [of[-1] for of in strides]) if shape else (1, [0] * len(strides))
    sizes, outer = shape[:-1], [of[:-1] for of in strides]
    if cut is None:
        return _Call(instruction.loop, [inner], steps, sizes, outer)
    if not shape:
        return _Call(instruction.loop, [cut.extent], list(cut.steps), part=0)
    if not sizes and all(row == step * inner for row, step in zip(cut.steps, steps, strict=True)):
        return _Call(instruction.loop, [cut.extent * inner], steps, part=0, unit=inner)
    outer = [[row, *of] for row, of in zip(cut.steps, outer, strict=True)]
    return _Call(instruction.loop, [inner], steps, [cut.extent, *sizes], outer, part=1)


def _two_axes(call: _Call, instruction: Instruction) -> _Call:
    """The call with a loop of the machine's own, for the few operations that it has such loops for."""
    item, char = instruction.operands[0].dtype.itemsize, instruction.operands[0].dtype.char
    if not _of_one_dtype(instruction) or not set(call.steps) <= {0, item} or call.steps[-1] != item:
        return call
    if instruction.name in ONE_AXIS and call.steps[0] == item:
        return replace(call, loop=Loop(f"{instruction.name}_{char}"))
    if instruction.name not in TWO_AXES or not call.sizes:
        return call
    return _with_outer(call, f"{instruction.name}_{char}")


def _sums(call: _Call, instruction: Instruction) -> _Call:
    """The call with a loop of the machine's own that adds up along one of two axes, if the layout allows it."""
    item, char = instruction.operands[1].dtype.itemsize, instruction.operands[1].dtype.char
    of_start, of_a, of_out = call.steps
    outer = call.strides[2] if call.sizes else []
    if instruction.name != "add.reduce" or not _of_one_dtype(instruction):
        return call
    if of_out == 0 and all(outer):
        return _with_outer(call, f"row_sums_{char}")
    if outer and outer[-1] == 0 and all(outer[:-1]) and (of_start in {0, item}, of_a, of_out) == (True, item, item):
        return _with_outer(call, f"column_sums_{char}")
    return call


def _of_one_dtype(instruction: Instruction) -> bool:
    """Whether all operands are float32, or all are float64."""
    return {view.dtype.char for view in instruction.operands} in ({"f"}, {"d"})


def _with_outer(call: _Call, name: str) -> _Call:
    """The call of a loop over two axes: the innermost of `sizes`, if there is one, and the loop's own."""
    count = len(call.steps)
    inner_cut = call.part == 0
    if not call.sizes:
        return _Call(Loop(name), [1, *call.dims], [0] * count + call.steps, part=1 if inner_cut else -1, unit=call.unit)
    steps = [of[-1] for of in call.strides] + call.steps
    dims, sizes, outer = [call.sizes[-1], *call.dims], call.sizes[:-1], [of[:-1] for of in call.strides]
    part = 1 if inner_cut else call.part if call.part < 1 else 2 if sizes else 0
    return _Call(Loop(name), dims, steps, sizes, outer, part, call.unit)


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
