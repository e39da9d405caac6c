"""A tape: the instructions of one recording, ready to be replayed at other points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np

from prograd.tape import grouping, layout, lowering, machine
from prograd.tape.grouping import Group
from prograd.tape.instructions import AnyArray, Instruction, View
from prograd.tape.recorder import Recorder

Signature = Sequence[tuple[tuple[int, ...], np.dtype[Any]]]
"""Shapes and dtypes of arrays."""


class Tape:
    """What a function did to its arguments: a list of instructions, and how much memory they share.

    `scratch_bytes` is the memory that a replay takes apart from the arrays that it is given.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.instructions: list[Instruction] = layout.live(recorder.instructions)
        self.groups: list[Group] = grouping.groups(self.instructions)
        self.given = tuple(recorder.arrays)
        self.offsets, self.scratch_bytes = layout.place(self.groups)
        self._constants = [view.storage.array for one in self.instructions for view in one.inputs]
        self._program: Any = None
        self._by_numpy: _ByNumpy | None = None

    @property
    def multiply_adds(self) -> int:
        """Of all instructions."""
        return sum(one.multiply_adds for one in self.instructions)

    def replay(self, arrays: Sequence[AnyArray], *, threads: int = 0, whole: bool = False) -> int:
        """Runs the tape on arrays of the shapes that were recorded; returns the floating point errors it raised.

        `threads` 0 are as many as BLAS may use. With `whole` no product is cut, which gives the very bits of the
        interpreted run.
        """
        if machine.current() == "c":
            return self.run(threads, whole, *arrays)
        return self._numpy().run(arrays)

    def run(self, threads: int, whole: bool, *arrays: AnyArray) -> int:  # noqa: FBT001
        """Runs it on the compiled machine."""
        if self._program is None:
            self._program = self._lowered()
        raised: int = machine.compiled.run(self._program, threads, whole, *arrays)
        return raised

    def _lowered(self) -> Any:
        words = lowering.words(self.groups, self.offsets, machine.address)
        large = sum(map(grouping.seconds, self.instructions)) > grouping.LARGE_SECONDS
        return machine.compiled.program(words, self.scratch_bytes, len(self.given), large)

    def _numpy(self) -> _ByNumpy:
        if self._by_numpy is None:
            self._by_numpy = _ByNumpy(self)
        return self._by_numpy


class _ByNumpy:
    """Replays a tape by numpy's functions, with all arrays in place."""

    def __init__(self, tape: Tape) -> None:
        scratch = np.empty(max(tape.scratch_bytes, 1), np.uint8)
        self._given = [np.empty(max(storage.size, 1), np.uint8) for storage in tape.given]
        self._kinds = [storage.kind for storage in tape.given]
        self._lock = Lock()

        def array(view: View) -> AnyArray:
            storage = view.storage
            if storage.kind == "constant":
                assert storage.array is not None  # noqa: S101  (constants have one)
                return np.lib.stride_tricks.as_strided(storage.array, view.shape, view.strides)
            scratched = storage.kind == "scratch"
            memory = scratch if scratched else self._given[storage.position]
            offset = view.offset + (tape.offsets[storage] if scratched else 0)
            return np.ndarray(view.shape, view.dtype, memory, offset, view.strides)

        self._calls: list[tuple[Callable[..., object], tuple[AnyArray, ...]]] = [
            (one.by_numpy, tuple(map(array, one.operands))) for one in tape.instructions
        ]

    def run(self, arrays: Sequence[AnyArray]) -> int:
        with self._lock:
            for given, kind, memory in zip(arrays, self._kinds, self._given, strict=True):
                if kind == "input":
                    memory.view(given.dtype)[: given.size] = given.ravel()
            for call, operands in self._calls:
                call(*operands)
            for given, kind, memory in zip(arrays, self._kinds, self._given, strict=True):
                if kind == "output":
                    given[...] = memory.view(given.dtype)[: given.size].reshape(given.shape)
        return 0


def record(function: Callable[..., None], inputs: Signature, outputs: Signature) -> Tape:
    """The tape of `function(*inputs, *outputs)`, which reads the first and writes to the others.

    Raises `NotRecordable` where the function needs numbers.
    """
    recorder = Recorder()
    given = [recorder.input(shape, dtype) for shape, dtype in inputs]
    to = [recorder.output(shape, dtype) for shape, dtype in outputs]
    function(*given, *to)
    return Tape(recorder)

