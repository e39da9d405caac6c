"""A recording that only plans: it measures memory, takes one of many equal passes for all, and is never replayed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from prograd.errors import OptionError
from prograd.operators.ledger import Count
from prograd.tape import loops
from prograd.tape.instructions import AnyArray, Instruction, Storage
from prograd.tape.recorder import Recorder
from prograd.tape.traced import Traced

MOST: Final = 10_000
"""Instructions that are recorded in a fraction of a second."""
BUFFERED: Final = 8192  # entries of each operand in numpy's buffers
HOPELESS: Final = 100
"""A mode with so many times the multiply-adds of another one is not the quickest, whatever it does them with."""


class Limits(NamedTuple):
    """What a recording may not exceed: a number of instructions, and one of multiply-adds."""

    instructions: float = inf
    multiply_adds: float = inf


class Meter(Recorder):
    """Counts the bytes of the arrays that are alive: `held` now, `peak` at most, without those it was given.

    Arrays live as long as in a run, since the same references keep them. Operators write their multiply-adds to
    `ledger`, if it is open.
    """

    most = inf

    def __init__(self, ledger: Count | None = None, limits: Limits | None = None) -> None:
        super().__init__()
        self._limits = limits or Limits()
        self.held = self.peak = 0
        self.in_passes = False
        self._alive: WeakValueDictionary[int, _Held] = WeakValueDictionary()
        self._ledger = Count() if ledger is None else ledger

    def hold(self, storage: Storage) -> object:
        """Counts memory of the recording's own until its last array is gone."""
        if storage.kind != "scratch":
            return None
        held = self._alive.get(id(storage))
        if held is None:
            held = self._alive[id(storage)] = _Held(self, storage)
        return held

    def passes(self, starts: range, cuts: Sequence[int]) -> Iterator[int]:
        """One of the passes between two cuts, for all of them."""
        self.in_passes = True
        for start, times in _kinds(starts, cuts):
            with self._repeated(times):
                yield start

    def kept(self, array: AnyArray) -> Traced:
        """Without a look at its numbers."""
        storage = Storage("constant", array.nbytes, array=array)
        return Traced(self, storage, loops.shadow(array.shape, array.dtype, array.strides))

    @contextmanager
    def _repeated(self, times: int) -> Iterator[None]:
        before = self._ledger.times
        self._ledger.times = before * times
        try:
            yield
        finally:
            self._ledger.times = before

    def write(self, instruction: Instruction) -> None:
        """Writes it down for all passes it stands for, with the buffers that numpy takes for it."""
        instruction.times = self._ledger.times
        super().write(instruction)
        self.peak = max(self.peak, self.held + _buffers(instruction))
        most, fewest = self._limits
        if len(self.instructions) > most:
            raise OptionError(f"expected a recording of at most {most} instructions, so that planning takes no time")
        if self._ledger.multiply_adds > fewest:
            raise OptionError(f"expected at most {fewest:.0f} multiply-adds, {HOPELESS} times those of another mode")


def _buffers(instruction: Instruction) -> int:
    """Bytes that numpy's iterator takes for an elementwise operation: a buffer for each operand with unequal steps.

    There are none where the inner loop that all operands share is as long as a buffer.
    """
    if instruction.loop.ufunc is None or instruction.core:
        return 0
    shape, strides = instruction.shape, instruction.strides
    if _linear(shape, strides) >= BUFFERED:
        return 0
    entries = math.prod(shape)
    operands = zip(instruction.operands, strides, strict=True)
    return min(entries, BUFFERED) * sum(view.dtype.itemsize for view, of in operands if _linear(shape, [of]) < entries)


def _linear(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> int:
    """How many entries the operands go through in equal steps."""
    axes = [k for k, n in enumerate(shape) if n > 1]
    count = shape[axes[-1]] if axes else 1
    for k, after in reversed(list(pairwise(axes))):
        if any(of[k] != shape[after] * of[after] for of in strides):
            break
        count *= shape[k]
    return count


class _Held:
    """Memory that is counted while this object lives."""

    def __init__(self, meter: Meter, storage: Storage) -> None:
        self._meter, self._storage = meter, storage
        meter.held += storage.size
        meter.peak = max(meter.peak, meter.held)

    def __del__(self) -> None:
        self._meter.held -= self._storage.size


def _kinds(starts: range, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """A start of each kind, and how many of `starts` are of that kind."""
    step, at = starts.step, 0
    for cut in sorted({*cuts, starts.stop}):
        whole = min(max((cut - starts.start) // step, 0), len(starts)) - at  # passes that end before the cut
        if whole > 0:
            yield starts[at], whole
            at += whole
        if at < len(starts) and starts[at] < cut:
            yield starts[at], 1
            at += 1
