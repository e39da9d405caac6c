"""What a job has to leave as it found it in its process, since other jobs follow: told and put back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from prograd_experiments.errors import ProcessError

STANDARD = (0, 1, 2)


@contextmanager
def as_found(descriptors: Sequence[int] = ()) -> Iterator[None]:
    """Puts the working directory and the limit of recursion back, whatever ends the work inside.

    Raises `ProcessError` if either changed, or if one of the `descriptors` or of the standard streams was closed.
    """
    folder, limit = _directory(), sys.getrecursionlimit()
    kept = [number for number in (*STANDARD, *descriptors) if is_open(number)]
    changed: list[str] = []
    try:
        yield
    finally:
        if sys.getrecursionlimit() != limit:
            changed.append(f"a recursion limit of {sys.getrecursionlimit()} instead of {limit}")
            sys.setrecursionlimit(limit)
        if (now := _directory()) != folder:
            changed.append(f"the working directory {now} instead of {folder}")
            with suppress(OSError):  # it may be gone
                os.chdir(folder)
        closed = [number for number in kept if not is_open(number)]
        if closed:
            changed.append(f"closed file descriptors ({', '.join(map(str, closed))})")
    if changed:
        raise ProcessError(f"job: expected its process as it was, got {' and '.join(changed)}")


def is_open(descriptor: int) -> bool:
    """Whether this process has the file descriptor."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _directory() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "that is gone"
