"""A tape: the instructions of one recording, ready to be replayed at other points."""

from __future__ import annotations

import ctypes
import gc
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from prograd.errors import NotRecordable, ProgradError
from prograd.tape import blas, grouping, layout, lowering, machine
from prograd.tape.blas import Blas
from prograd.tape.forwarding import forwarded
from prograd.tape.grouping import Group
from prograd.tape.instructions import AnyArray, Instruction, View
from prograd.tape.recorder import Recorder, asker

Signature = Sequence[tuple[tuple[int, ...], np.dtype[Any]]]
"""Shapes and dtypes of arrays."""


class Tape:
    """What a function did to its arguments: a list of instructions, and how much memory they share.

    `scratch_bytes` is the memory that a replay takes apart from the arrays that it is given.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.groups: list[Group] = grouping.groups(layout.live(forwarded(layout.live(recorder.instructions))))
        self.instructions: list[Instruction] = [one for group in self.groups for one in group.instructions]
        self.given = tuple(recorder.arrays)
        self.offsets, self.scratch_bytes = layout.place(self.groups)

    @property
    def multiply_adds(self) -> int:
        """Of all instructions."""
        return sum(one.multiply_adds for one in self.instructions)

    def replay(self, arrays: Sequence[AnyArray], *, whole: bool = False) -> int:
        """Runs the tape once on contiguous arrays of the recorded shapes; returns the floating point errors."""
        ready = Program(self, blas.current()) if machine.current() == "c" else ByNumpy(self)
        return ready.run(*arrays, whole=whole)


class Program:
    """A tape on the compiled machine, with the BLAS that computes its products.

    With `whole` no product is cut, which gives the bits of the interpreted run where numpy's BLAS computes them.
    """

    def __init__(self, tape: Tape, products: Blas = "numpy") -> None:
        words = lowering.words(tape.groups, tape.offsets, machine.address, products)
        large = sum(map(grouping.seconds, tape.instructions)) > grouping.LARGE_SECONDS
        self.scratch_bytes = tape.scratch_bytes
        self._constants = _constants(tape)  # the program has their addresses
        assert machine.compiled is not None  # noqa: S101  (whoever makes a program has asked)
        self._run = machine.compiled.run
        self._program: Any = machine.compiled.program(words, tape.scratch_bytes, _sizes(tape), large)
        self.replay: Callable[..., int] = partial(self._run, self._program, 0, False)  # noqa: FBT003  (a C function)

    def run(self, *arrays: AnyArray, whole: bool = False) -> int:
        """Runs it on as many threads as BLAS may use; returns the floating point errors that were raised."""
        raised: int = self._run(self._program, 0, whole, *arrays)
        return raised


class ByNumpy:
    """A tape replayed by numpy's functions, with all arrays in place."""

    def __init__(self, tape: Tape) -> None:
        scratch = np.empty(max(tape.scratch_bytes, 1), np.uint8)
        self._given = [np.empty(storage.size, np.uint8) for storage in tape.given]
        self._kinds = [storage.kind for storage in tape.given]
        self._lock = Lock()
        self._tape, self.scratch_bytes = tape, tape.scratch_bytes

        def array(view: View) -> AnyArray:
            storage = view.storage
            if storage.kind == "constant":
                assert storage.array is not None  # noqa: S101  (constants have one)
                return _viewed(storage.array, view)
            scratched = storage.kind == "scratch"
            memory = scratch if scratched else self._given[storage.position]
            offset = view.offset + (tape.offsets[storage] if scratched else 0)
            return np.ndarray(view.shape, view.dtype, memory, offset, view.strides)

        self._calls: list[tuple[Callable[..., object], tuple[AnyArray, ...]]] = [
            (one.by_numpy, tuple(map(array, one.operands))) for one in tape.instructions
        ]

    def replay(self, *arrays: AnyArray) -> int:
        """`run(*arrays)`."""
        return self.run(*arrays)

    def run(self, *arrays: AnyArray, whole: bool = False) -> int:
        """Runs it; numpy itself warns of floating point errors."""
        if not self._lock.acquire(blocking=False):  # another thread replays it, or did when this process was forked
            return ByNumpy(self._tape).run(*arrays)
        try:
            for given, kind, memory in zip(arrays, self._kinds, self._given, strict=True):
                if kind == "input":
                    memory.view(given.dtype)[...] = given.ravel()
            for call, operands in self._calls:
                call(*operands)
            for given, kind, memory in zip(arrays, self._kinds, self._given, strict=True):
                if kind == "output":
                    given[...] = memory.view(given.dtype).reshape(given.shape)
        finally:
            self._lock.release()
        return 0


def _sizes(tape: Tape) -> bytes:
    """The bytes of each array of a call, negative where it is written."""
    return np.array([-of.size if of.kind == "output" else of.size for of in tape.given], np.int64).tobytes()


def _constants(tape: Tape) -> list[AnyArray]:
    found = {id(view.storage): view.storage.array for one in tape.instructions for view in one.inputs}
    return [array for array in found.values() if array is not None]


def _viewed(array: AnyArray, view: View) -> AnyArray:
    """A view of a constant."""
    first = array.__array_interface__["data"][0] + view.offset
    memory: Any = (ctypes.c_char * view.dtype.itemsize).from_address(first)
    return np.lib.stride_tricks.as_strided(np.ndarray((1,), view.dtype, memory), view.shape, view.strides)


def record(
    function: Callable[..., None], inputs: Signature, outputs: Signature, recorder: Recorder | None = None
) -> Tape:
    """The tape of `function(*inputs, *outputs)`, which reads the first and writes to the others.

    Raises `NotRecordable` where the function needs numbers, and errors of prograd's that the function raises.
    """
    with _no_collection():
        recorder = Recorder() if recorder is None else recorder
        given = [recorder.input(shape, dtype) for shape, dtype in inputs]
        to = [recorder.output(shape, dtype) for shape, dtype in outputs]
        try:
            function(*given, *to)
        except ProgradError:
            raise
        except Exception as error:  # a layer may raise anything where it finds no ndarray
            frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
            what = f"an array of numbers ({type(error).__name__}: {error})"
            raise NotRecordable(*asker(reversed(frames)), what) from error
        recorder.close()
        return Tape(recorder)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without Python's search for cycles: it would go through all instructions over and over, and find none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
