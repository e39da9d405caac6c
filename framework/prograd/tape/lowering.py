"""Groups of instructions as the words that the machine runs (see `_machine.c`)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from prograd.tape.blas import Blas
from prograd.tape.grouping import Cut, Group
from prograd.tape.instructions import Instruction, Loop, Storage, View

NULL, SCRATCH, GIVEN = 0, 1, 2  # base addresses: constants are absolute, then scratch memory, then the arrays of a call

ARITHMETIC, COPIES = ("add", "subtract", "multiply"), ("copy4", "copy8")  # that have loops by rows
LARGE_RESULT = 2**24  # bytes: more than the caches keep until the next call
AHEAD = 2**13  # bytes from what is written to what is asked for

Address = Callable[[Loop], tuple[int, int]]
"""The address of a loop, and of the data that it is given."""


def words(groups: Sequence[Group], offsets: Mapping[Storage, int], address: Address, products: Blas = "numpy") -> bytes:
    """The program. `products` is the BLAS that computes its products."""
    made: list[int] = []
    for group in groups:
        product = any(cut is not None and cut.core for cut in group.cuts)
        before: Instruction | None = None
        count, of_group, of_one = 0, [], []
        for instruction, cut in zip(group.instructions, group.cuts, strict=True):
            if instruction is not before:  # copies are timed together
                before, of_one = instruction, list(_calls(instruction, cut, offsets, address, products))
            count += len(of_one)
            of_group += of_one
        made += (count, group.extent, group.block, int(group.shared), int(product))
        made += itertools.chain.from_iterable(of_group)
    return np.array(made, np.int64).tobytes()


@dataclass(slots=True)
class Call:
    """How the machine calls a loop: `dims` and `steps` for the loop itself, once for each index of `sizes`.

    In a block of r rows, `dims[part]` is `unit` r, or where `part` is `len(dims)`, `sizes[0]` is r. `data` is what a
    loop of the machine's own is given.
    """

    loop: Loop
    dims: list[int]
    steps: list[int]
    sizes: list[int] = field(default_factory=list)
    strides: list[list[int]] = field(default_factory=list)
    part: int = -1
    unit: int = 1
    data: int = 0


Step: TypeAlias = tuple[Instruction, Cut | None, Call]
"""An instruction that is one call, how it is cut, and the call."""


def steps(instruction: Instruction, cut: Cut | None) -> Iterator[Step]:
    """What the machine runs for an instruction: one call, or for some reductions a copy of the start and a call."""
    if instruction.core:
        yield instruction, cut, _product(instruction, cut)
        return
    call = _loop(instruction, cut)
    if not instruction.reduces:
        yield instruction, cut, _absolute(_by_rows(call, instruction), instruction)
        return
    own = _sums(call, instruction)
    if own:
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


def _for_blas(instruction: Instruction) -> bool:
    """Whether an instruction is a product of matrices as BLAS takes them: rows or columns without gaps."""
    dtypes = {view.dtype for view in instruction.operands}
    if instruction.name != "matmul" or len(dtypes) != 1 or not (dtype := dtypes.pop()).isnative:
        return False
    if dtype.char not in "fd" or not all(instruction.core):
        return False
    n, k, m = instruction.core
    a_n, a_k, b_k, b_m, c_n, c_m = instruction.core_strides
    matrices = (n, k, a_n, a_k), (k, m, b_k, b_m), (n, m, c_n, c_m)
    return all(_plain(*matrix, dtype.itemsize) for matrix in matrices)


def _plain(rows: int, columns: int, along_rows: int, along_columns: int, item: int) -> bool:
    def by_rows(rows: int, columns: int, along_rows: int, along_columns: int) -> bool:
        whole = along_rows % item == 0 and along_rows >= columns * item
        return (columns == 1 or along_columns == item) and (rows == 1 or whole)

    return by_rows(rows, columns, along_rows, along_columns) or by_rows(columns, rows, along_columns, along_rows)


def _calls(
    instruction: Instruction, cut: Cut | None, offsets: Mapping[Storage, int], address: Address, products: Blas
) -> Iterator[list[int]]:
    for one, own_cut, call in steps(instruction, cut):
        if products == "mkl" and _for_blas(one):
            call.loop = Loop(f"mkl_{one.operands[0].dtype.char}")
        yield _words(one, own_cut, call, offsets, address)


def _words(
    instruction: Instruction, cut: Cut | None, call: Call, offsets: Mapping[Storage, int], address: Address
) -> list[int]:
    count = len(instruction.operands)
    strides = call.strides or [[]] * count
    loop, data = address(call.loop)
    made = [0, loop, call.data or data, count, len(call.dims), len(call.sizes), call.part, call.unit]
    made += call.dims
    made += [len(call.steps), *call.steps]
    made += call.sizes
    for view, outer, step in zip(instruction.operands, strides, cut.steps if cut else [0] * count, strict=True):
        made += [*_base(view, offsets), step, *outer]
    made[0] = len(made)
    return made


def _product(instruction: Instruction, cut: Cut | None) -> Call:
    """A generalized ufunc: the last axis of `shape` is the loop's own outer dimension."""
    shape, strides = instruction.shape, [list(of) for of in instruction.strides]
    dims = [shape[-1] if shape else 1, *instruction.core]
    steps = [of[-1] if shape else 0 for of in strides] + list(instruction.core_strides)
    part = -1
    if cut:  # along a core dimension, the loop's own outer one, or one outside of that
        part = 1 + cut.axis if cut.core else 0 if cut.axis == len(shape) - 1 else len(dims)
    return Call(instruction.loop, dims, steps, list(shape[:-1]), [of[:-1] for of in strides], part)


def _loop(instruction: Instruction, cut: Cut | None) -> Call:
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
        return Call(instruction.loop, [inner], steps, sizes, outer)
    if not shape:
        return Call(instruction.loop, [cut.extent], list(cut.steps), part=0)
    if not sizes and all(row == step * inner for row, step in zip(cut.steps, steps, strict=True)):
        return Call(instruction.loop, [cut.extent * inner], steps, part=0, unit=inner)
    outer = [[row, *of] for row, of in zip(cut.steps, outer, strict=True)]
    return Call(instruction.loop, [inner], steps, [cut.extent, *sizes], outer, part=1)


def _by_rows(call: Call, instruction: Instruction) -> Call:
    """The call with three axes in one loop of the machine's own, for the few operations that it has such loops for."""
    name, item = _loop_by_rows(instruction), instruction.outputs[0].dtype.itemsize
    if not (name and call.sizes and set(call.steps) <= {0, item} and call.steps[-1] == item):
        return call
    sizes, strides = [1, *call.sizes], [[0, *of] for of in call.strides]
    steps = [of[-2] for of in strides] + [of[-1] for of in strides] + call.steps
    dims, sizes, outer = [*sizes[-2:], *call.dims], sizes[1:-2], [of[1:-2] for of in strides]
    part = call.part if call.part < 1 else 3 if sizes else 2 - len(call.sizes)
    ahead = AHEAD if instruction.outputs[0].storage.size >= LARGE_RESULT else 0
    return Call(Loop(name), dims, steps, sizes, outer, part, data=ahead)


def _loop_by_rows(instruction: Instruction) -> str | None:
    if instruction.name in COPIES:
        return f"rows_{instruction.name}"
    dtypes = {view.dtype.char for view in instruction.operands}
    if instruction.name in ARITHMETIC and dtypes in ({"f"}, {"d"}):
        return f"{instruction.name}_{dtypes.pop()}"
    return None


def _absolute(call: Call, instruction: Instruction) -> Call:
    """The call with the machine's own loop for absolute values, which is quicker, where they lie side by side."""
    a = instruction.operands[0]
    if instruction.name != "absolute" or a.dtype.char not in "fd" or set(call.steps) != {a.dtype.itemsize}:
        return call
    return replace(call, loop=Loop(f"absolute_{a.dtype.char}"))


def _sums(call: Call, instruction: Instruction) -> Call | None:
    """The call with a loop of the machine's own that adds up along one of two axes, if it has one for this layout."""
    out = instruction.outputs[0].dtype
    of_start, of_a, of_out = call.steps
    outer = call.strides[2] if call.sizes else []
    if instruction.name != "add.reduce" or out.char not in "fd":
        return None
    if of_out == 0 and of_a == out.itemsize and all(outer):
        return _with_outer(call, f"row_sums_{out.char}")
    side_by_side = of_start in {0, out.itemsize} and of_a == of_out == out.itemsize
    if side_by_side and outer and outer[-1] == 0 and all(outer[:-1]):
        return _with_outer(call, f"column_sums_{out.char}")
    return None


def _with_outer(call: Call, name: str) -> Call:
    """The call of a loop over two axes: the innermost of `sizes`, if there is one, and the loop's own."""
    part = 1 if call.part == 0 else call.part
    if not call.sizes:
        steps = [0] * len(call.steps) + call.steps
        return Call(Loop(name), [1, *call.dims], steps, part=part, unit=call.unit)
    steps = [of[-1] for of in call.strides] + call.steps
    dims, sizes, outer = [call.sizes[-1], *call.dims], call.sizes[:-1], [of[:-1] for of in call.strides]
    if call.part == 1:
        part = 2 if sizes else 0
    return Call(Loop(name), dims, steps, sizes, outer, part, call.unit)


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
