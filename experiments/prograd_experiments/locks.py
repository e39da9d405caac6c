"""A directory that one process at a time writes into."""

from __future__ import annotations

import errno
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prograd_experiments.errors import BusyError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = ".lock"
FAR = 1 << 30  # Windows forbids others to read what is locked: not the text at the beginning
WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keeps other processes out of `directory`, on every machine that shares it. Raises `BusyError` when one is in.

    The system lets go of the lock when its holder dies, however it dies; the file that then stays behind is no lock.
    """
    path = directory / NAME
    handle = _acquire(path)
    try:
        _sign(handle)
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: who has just opened it sees that it is gone, and opens anew
        os.close(handle)


def busy(directory: Path) -> bool:
    """Whether a living process holds the directory."""
    if not (directory / NAME).exists():
        return False
    try:
        with held(directory):
            return False
    except BusyError:
        return True


def _acquire(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle)
            if _still_there(handle, path):
                return handle
        except (BlockingIOError, PermissionError) as error:
            holder = path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
            os.close(handle)
            raise BusyError(f"{path.parent}: in use by {holder}, and nothing was written there") from error
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int) -> None:
    try:
        if sys.platform == "win32":
            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some file systems of clusters have no locks; work there is better than none.
        if error.errno not in WITHOUT_LOCKS:
            raise


def _still_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, f"process {os.getpid()} on {platform.node()}\n".encode())
