"""Multiply-adds, written down by the operators that do them while a mode runs or is recorded.

A product counts `edges` for each vector and sample, a column `column_edges`. `Operator` wraps the products of every
subclass in `counts`, so an author's operator counts as the engine's own do. What an operator does inside a product is
part of it and does not count again; nor does what a layer does in `g` and `jacobian`, which is no product of a mode.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

Method = Callable[..., Any]


@dataclass
class Count:
    """How many multiply-adds operators have done, and in how many calls; each counts `times` times."""

    multiply_adds: int = 0
    calls: int = 0
    times: int = 1

    def add(self, multiply_adds: int) -> None:
        """Writes down one call."""
        self.multiply_adds += self.times * multiply_adds
        self.calls += self.times


_OPEN: Final[ContextVar[Count | None]] = ContextVar("ledger", default=None)


@contextmanager
def opened() -> Iterator[Count]:
    """Inside, the operators of this thread write to the ledger."""
    ledger = Count()
    token = _OPEN.set(ledger)
    try:
        yield ledger
    finally:
        _OPEN.reset(token)


def counts(method: Method, multiply_adds: Callable[..., int]) -> Method:
    """The method, which writes `multiply_adds(*arguments)` down where a ledger is open."""

    @functools.wraps(method)
    def counting(*arguments: Any, **options: Any) -> Any:
        ledger = _OPEN.get()
        if ledger is None:
            return method(*arguments, **options)
        with _closed():
            ledger.add(multiply_adds(*arguments, **options))
            return method(*arguments, **options)

    return counting


def uncounted(method: Method) -> Method:
    """The method, whose products don't count."""

    @functools.wraps(method)
    def silent(*arguments: Any, **options: Any) -> Any:
        if _OPEN.get() is None:
            return method(*arguments, **options)
        with _closed():
            return method(*arguments, **options)

    return silent


def write_down(multiply_adds: Callable[[], int]) -> None:
    """Counts what is no product of an operator with vectors."""
    ledger = _OPEN.get()
    if ledger is not None:
        ledger.add(multiply_adds())


@contextmanager
def _closed() -> Iterator[None]:
    token = _OPEN.set(None)
    try:
        yield
    finally:
        _OPEN.reset(token)
