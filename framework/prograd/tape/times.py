"""The time of each instruction of a tape: alone, many times over, on the numbers that the tape itself gives it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

import numpy as np

from prograd.tape import grouping, machine
from prograd.tape.blas import Blas
from prograd.tape.grouping import Cut, Group
from prograd.tape.instructions import AnyArray, Instruction, Storage, View
from prograd.tape.machine import Machine
from prograd.tape.replay import Running, replayable
from prograd.tape.tape import Tape

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

RUN_SECONDS: Final = 2e-5  # of one run: the call from Python vanishes in it
MOST_COPIES: Final = 256  # of an instruction in one run
TIMING_SECONDS: Final = 5e-4
TIMINGS: Final = 5
ALIGNMENT: Final = 64  # bytes, as the machine's own memory has


@dataclass(frozen=True)
class Times:
    """The median seconds of each instruction alone, and of the whole tape, by `machine` with the BLAS `products`.

    Alone, an instruction finds its arrays in the cache more often where they are small, and less often where the tape
    runs it block by block. So the sum may differ from the whole.
    """

    each: Sequence[float]
    whole: float
    machine: Machine
    products: Blas = "numpy"


def measured(tape: Tape, arrays: Sequence[AnyArray]) -> Times:
    """Times a tape, and then its instructions one after the other, on the numbers that the tape itself gives them.

    The machine is the present one, or numpy where that is "off". `arrays` are those of a replay, contiguous, outputs
    included; these hold the results afterwards.
    """
    used: Machine = "c" if machine.current() == "c" else "numpy"
    products = machine.products()
    whole, bench, each = _seconds(replayable(tape, used, products), *arrays), _Bench(tape, arrays), []
    for group in tape.groups:
        for one, cut in zip(group.instructions, group.cuts, strict=True):
            alone, kept = bench.repeated(one, cut, group), bench.outputs(one)
            before = [memory.copy() for memory in kept]
            each.append(_seconds(replayable(alone, used, products)) / len(alone.instructions))
            for memory, content in zip(kept, before, strict=True):
                memory[...] = content
            replayable(bench.once(one), used, products).run()
    return Times(each, whole, used, products)


class _Alone(Tape):
    """A tape made of instructions whose arrays are all in memory of their own, and so constants to the machine."""

    def __init__(self, group: Group, copies: int) -> None:
        self.instructions = group.instructions * copies
        self.groups, self.given, self.offsets, self.scratch_bytes = [group] * copies, (), {}, 0


class _Bench:
    """The memory of a tape's arrays."""

    def __init__(self, tape: Tape, arrays: Sequence[AnyArray]) -> None:
        self._tape, self._scratch = tape, _aligned(tape.scratch_bytes)
        self._given = [a.reshape(-1).view(np.uint8) for a in arrays]
        self._places: dict[int, Storage] = {}

    def once(self, one: Instruction) -> Tape:
        """The instruction in its place."""
        return _Alone(Group([replace(one, operands=tuple(map(self._placed, one.operands)))], [None]), 1)

    def repeated(self, one: Instruction, cut: Cut | None, group: Group) -> Tape:
        """Copies of the instruction that all do the same: one that would overwrite what it reads writes elsewhere."""
        outputs = [
            replace(view, storage=_place(_aligned(view.storage.size)))
            if any(self._overlap(view, read) for read in one.inputs)
            else self._placed(view)
            for view in one.outputs
        ]
        made = replace(one, operands=(*map(self._placed, one.inputs), *outputs))
        copies = min(MOST_COPIES, math.ceil(RUN_SECONDS / max(grouping.seconds(one), 1e-9)))
        return _Alone(replace(group, instructions=[made], cuts=[cut]), copies)

    def outputs(self, one: Instruction) -> list[Bytes]:
        """The memory that the instruction writes to."""
        return [self._memory(view.storage) for view in one.outputs]

    def _overlap(self, one: View, other: View) -> bool:
        if one.storage.kind != "scratch" or other.storage.kind != "scratch":
            return one.overlaps(other)
        (a, b), (c, d) = (self._range(view) for view in (one, other))
        return a < d and c < b

    def _range(self, view: View) -> tuple[int, int]:
        first, (low, high) = self._tape.offsets[view.storage], view.range
        return first + low, first + high

    def _placed(self, view: View) -> View:
        if view.storage.kind == "constant":
            return view
        storage = self._places.setdefault(id(view.storage), _place(self._memory(view.storage)))
        return replace(view, storage=storage)

    def _memory(self, storage: Storage) -> Bytes:
        if storage.kind == "scratch":
            first = self._tape.offsets[storage]
            return self._scratch[first : first + storage.size]
        return self._given[storage.position]


def _place(memory: Bytes) -> Storage:
    return Storage("constant", memory.nbytes, array=memory)


def _aligned(size: int) -> Bytes:
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    first = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[first : first + size]


def _seconds(ready: Running, *arrays: AnyArray) -> float:
    ready.run(*arrays)
    inner = 1
    while (spent := _spent(ready, arrays, inner)) < TIMING_SECONDS:
        inner = max(inner + 1, math.ceil(inner * min(10.0, 1.1 * TIMING_SECONDS / max(spent, 1e-9))))
    return median(_spent(ready, arrays, inner) / inner for _ in range(TIMINGS))


def _spent(ready: Running, arrays: Sequence[AnyArray], inner: int) -> float:
    begun = time.perf_counter()
    for _ in range(inner):
        ready.run(*arrays)
    return time.perf_counter() - begun
