"""Code of plugins, which may raise anything, even what ends a process: nothing of it ends a program in silence."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn, TextIO, cast

from prograd.errors import ProgradError

CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Interrupt(KeyboardInterrupt):
    """A ctrl-C, or another signal by which the user ends a program."""


@contextmanager
def listening() -> Iterator[None]:
    """Inside, which is a program: ctrl-C raises `Interrupt`, so another `KeyboardInterrupt` is some code's own."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
    else:
        yield


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """What a signal calls."""
    raise Interrupt


def is_interrupt(error: BaseException) -> bool:
    """Whether it is the user who wants an end, and no code that raised a `KeyboardInterrupt` of its own."""
    listening = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    return isinstance(error, Interrupt) or (isinstance(error, KeyboardInterrupt) and not listening)


def let_pass(error: BaseException) -> None:
    """Raises an interrupt again, for what else catches everything."""
    if is_interrupt(error):
        raise error


def printable(text: str) -> str:
    """The text with control characters, which a terminal would obey, written out as escapes; lines and tabs stay."""
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def text(error: BaseException) -> str:
    """`str(error)`, which may be somebody's code too, as it can be printed."""
    try:
        return printable(str(error))
    except BaseException as another:  # noqa: BLE001  (an error of a plugin may fail to print itself)
        let_pass(another)
        return "(its message can't be shown)"


def reason(error: BaseException) -> str:
    """One line that says what went wrong. The type of the error comes first, except for prograd's own errors."""
    told = text(error)
    if isinstance(error, ProgradError):
        return told
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


@contextmanager
def prints_to_stderr() -> Iterator[None]:
    """Inside, what this thread prints goes to stderr, since a program may read stdout; other threads are left alone."""
    before: Any = sys.stdout
    if before is not _ROUTED:
        _ROUTED.stream, _ROUTED.thread = before, threading.get_ident()
    sys.stdout = cast("Any", _ROUTED)
    try:
        yield
    finally:
        if cast("Any", sys.stdout) is _ROUTED:  # unless that code has put another in its place
            sys.stdout = before


class _Routed:
    """A stream that passes on what other threads than one write, and whatever else is asked of it."""

    stream: TextIO | None = None
    thread = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr if threading.get_ident() == self.thread else self.stream, name)


_ROUTED: Final = _Routed()
"""One for all: another thread's `print` holds no reference to the stream that it writes to."""
