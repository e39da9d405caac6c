"""Where a tape's arrays lie in its scratch memory: arrays that are never needed at the same time share it."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from prograd.tape.grouping import Cut, Group
from prograd.tape.instructions import Instruction, Storage, View

ALIGNMENT = 64

Step: TypeAlias = tuple[Instruction, Cut | None]
"""An instruction, and how it is cut."""


def live(instructions: Sequence[Instruction]) -> list[Instruction]:
    """The instructions that an output depends on."""
    needed: set[Storage] = set()
    kept = []
    for instruction in reversed(instructions):
        for view in instruction.outputs:
            if view.storage.kind == "output" or view.storage in needed:
                kept.append(instruction)
                needed.update([view.storage for view in instruction.operands])
                break
    return kept[::-1]


def place(groups: Sequence[Group]) -> tuple[dict[Storage, int], int]:
    """The offset of each scratch array, and the bytes of all.

    The instructions of a group run block by block, so memory that one of them frees can serve a later one of the same
    group only where both have the same rows.
    """
    steps = list(_steps(groups))
    last: dict[Storage, int] = {}
    for k, instructions in enumerate(steps):
        for instruction, _ in instructions:
            for view in instruction.operands:
                if view.storage.kind == "scratch":
                    last[view.storage] = k
    ends: dict[int, list[Storage]] = defaultdict(list)
    for storage, k in last.items():
        ends[k].append(storage)
    memory = _Memory()
    offsets: dict[Storage, int] = {}
    for k, instructions in enumerate(steps):
        _place_step(instructions, k, last, offsets, memory)
        for storage in ends[k]:
            memory.free(storage, offsets[storage])
    return offsets, memory.size


def _steps(groups: Sequence[Group]) -> list[list[Step]]:
    """What runs at the same time: the instructions of a group that is cut into blocks, or one instruction."""
    steps: list[list[Step]] = []
    for group in groups:
        pairs = list(zip(group.instructions, group.cuts, strict=True))
        steps += [pairs] if group.extent > 1 else [[pair] for pair in pairs]
    return steps


def _place_step(
    step: Sequence[Step], k: int, last: dict[Storage, int], offsets: dict[Storage, int], memory: _Memory
) -> None:
    instructions = [instruction for instruction, _ in step]
    uses = {}
    seen = defaultdict(set)
    cuts = [list(_cut(instruction, cut)) for instruction, cut in step]
    for position, of in enumerate(cuts):
        for view, rows in of:
            uses[view.storage] = position
            seen[view.storage].add((_entries(view), rows))
    for position, (instruction, of) in enumerate(zip(instructions, cuts, strict=True)):
        for out, rows in of[instruction.reads :]:
            if out.storage.kind != "scratch" or out.storage in offsets:
                continue
            donor = next(
                (
                    view.storage
                    for other in instructions[: position + 1]
                    for view in (other.inputs if other is instruction else other.operands)
                    if instruction.rows
                    and not (instruction.reduces and other is instruction)  # its start is written first
                    and not instruction.core
                    and view.storage.kind == "scratch"
                    and last[view.storage] == k
                    and (uses[view.storage] < position or (uses[view.storage] == position and other is instruction))
                    and view.storage in offsets
                    and not memory.is_taken_over(view.storage)
                    and view.storage.size == out.storage.size
                    # Another view, or the same one cut otherwise, might read what is written over already.
                    and seen[view.storage] == {(_entries(out), rows)}
                ),
                None,
            )
            if donor is None:
                offsets[out.storage] = memory.take(out.storage.size)
            else:
                offsets[out.storage] = offsets[donor]
                memory.take_over(donor)
        for view in instruction.inputs:  # read before it is written: an array whose numbers are whatever is there
            if view.storage.kind == "scratch" and view.storage not in offsets:
                offsets[view.storage] = memory.take(view.storage.size)


def _cut(instruction: Instruction, cut: Cut | None) -> Iterator[tuple[View, int]]:
    """The operands, with the bytes from a row to the next where the instruction is cut."""
    return zip(instruction.operands, cut.steps if cut else (0,) * len(instruction.operands), strict=True)


def _entries(view: View) -> tuple[object, ...]:
    """Which bytes of its storage the entries of a view are, in order."""
    return view.offset, view.shape, view.strides, view.dtype.itemsize


class _Memory:
    """Memory that grows at its end; what is freed is joined with its neighbours, and the best fit is taken first."""

    def __init__(self) -> None:
        self.size = 0
        self._starts: list[int] = []
        self._lengths: dict[int, int] = {}
        self._taken_over: set[Storage] = set()

    def take(self, size: int) -> int:
        size = _aligned(size)
        fitting = [(length, start) for start, length in self._lengths.items() if length >= size]
        if fitting:
            length, start = min(fitting)
            self._remove(start)
            if length > size:
                self._add(start + size, length - size)
            return start
        if self._starts and self._starts[-1] + self._lengths[self._starts[-1]] == self.size:
            start = self._starts[-1]
            self._remove(start)
        else:
            start = self.size
        self.size = start + size
        return start

    def is_taken_over(self, storage: Storage) -> bool:
        return storage in self._taken_over

    def take_over(self, storage: Storage) -> None:
        """Leaves a storage's memory to another one."""
        self._taken_over.add(storage)

    def free(self, storage: Storage, start: int) -> None:
        if storage not in self._taken_over:
            self._add(start, _aligned(storage.size))

    def _add(self, start: int, length: int) -> None:
        k = bisect.bisect(self._starts, start)
        if k < len(self._starts) and start + length == self._starts[k]:
            length += self._lengths[self._starts[k]]
            self._remove(self._starts[k])
        if k and self._starts[k - 1] + self._lengths[self._starts[k - 1]] == start:
            start, length = self._starts[k - 1], length + self._lengths[self._starts[k - 1]]
            self._remove(start)
        bisect.insort(self._starts, start)
        self._lengths[start] = length

    def _remove(self, start: int) -> None:
        self._starts.pop(bisect.bisect_left(self._starts, start))
        del self._lengths[start]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
