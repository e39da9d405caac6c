"""Counts of what one call does. They have no noise: the same code gives the same number on a busy machine."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from prograd import testing
from prograd_benchmarks.garbage import collector_off

Call = Callable[[], object]

REPEATS = 5
"""A count is the least of so many: free lists and caches that fill for a while would add to some of them."""


def python_calls(call: Call) -> int:
    """How many functions of Python and of C one call enters, itself included; in this thread alone.

    What numpy does for `a @ b`, `a + b` or a ufunc is no function call to Python and does not count.
    """
    return _least(lambda: _entered(call)) - _entered(_nothing) + 1


def peak_bytes(call: Call) -> int:
    """The most bytes that one call holds at a time, over what was held before it, in arrays and in Python's objects.

    To the byte, but for names that are made while a call runs: the interpreter keeps some hundreds of bytes of those,
    more or less.
    """
    return _least(lambda: _peak(call))


def multiply_adds(call: Call) -> int:
    """How many multiply-adds the operators do in one call: `prograd.testing.counted`."""
    call()
    with testing.counted() as count:
        call()
    return count.multiply_adds


def _least(count: Callable[[], int]) -> int:
    with collector_off(), _quick_collections():  # a collection within a call would run finalizers, and free memory
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
        call()  # twice with the tracer on: what is kept from call to call is no part of the count
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
    """Explicit collections look at no more than what is made within the block."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
