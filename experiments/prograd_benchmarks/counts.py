"""Counts of what one call does. They have no noise: the same code gives the same count on a busy machine."""

from __future__ import annotations

import gc
import importlib
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType

from prograd import testing
from prograd_benchmarks.timing import Call, collector_off

REPEATS = 5
"""A count is the least of this many: free lists and caches that are still filling would add to some of them."""


def interpreted() -> AbstractContextManager[None]:
    """Inside, tapes are neither recorded nor replayed, so calls and bytes are those of the modes themselves."""
    try:
        machine = importlib.import_module("prograd.tape.machine")
    except ImportError:  # a revision before the tape
        return nullcontext()
    inside: AbstractContextManager[None] = machine.using("off")
    return inside


def python_calls(call: Call) -> int:
    """How many Python and C functions one call enters, itself included, in this thread.

    Python does not see `a @ b`, `a + b` or a ufunc of numpy as a function call, so they do not count.
    """
    return _least(lambda: _entered(call)) - _entered(_nothing) + 1


def peak_bytes(call: Call) -> int:
    """The most bytes that one call holds at a time in arrays and Python objects, beyond those held before it.

    Exact up to a few hundred bytes: the interpreter keeps names that are made while a call runs.
    """
    return _least(lambda: _peak(call))


def multiply_adds(call: Call) -> int:
    """How many multiply-adds the operators do in one interpreted call, by `prograd.testing.counted`."""
    call()
    with testing.counted() as count:
        call()
    return count.multiply_adds


def _least(count: Callable[[], int]) -> int:
    with collector_off(), _quick_collections():  # a collection during the call would run finalizers and free memory
        count()
        return min(count() for _ in range(REPEATS))


def _entered(call: Call) -> int:
    events = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal events
        events += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return events


def _nothing() -> None:
    pass


def _peak(call: Call) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        call()  # twice with the tracer on, so that memory kept from call to call does not count
        call()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


@contextmanager
def _quick_collections() -> Iterator[None]:
    """Explicit collections look only at objects made inside the block."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
