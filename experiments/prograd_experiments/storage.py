"""Files and directories that survive crashes and other processes: atomic replacement, and one writer at a time."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prograd_experiments.errors import BusyError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = ".lock"
NO_LINKS = getattr(os, "O_NOFOLLOW", 0)  # a link would have its target overwritten
FAR = 1 << 30  # Windows forbids reading locked bytes, and the text at the beginning names the holder
TEMPORARY = re.compile(r"\..+\.\d+\.[0-9a-f]{8}\.tmp")
WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}


def replace(path: Path, content: str | bytes) -> None:
    """Replaces a file in one step: a reader, or a crash at any moment, finds the old file or the new one, whole."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            _lock(file.fileno())  # tells `tidy` that its writer lives
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # the error of a full disk names no file
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _sync_directory(path.parent)


def content(path: Path, most: int = sys.maxsize) -> bytes:
    """The bytes of a file. Raises `OSError` for one of more than `most`, and for what is no file: a pipe never ends."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"it is {kind(path)}", str(path))
    if found.st_size > most:
        raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, more than {most}", str(path))
    return path.read_bytes()


def kind(path: Path) -> str:
    """What is in the place of a file, in words."""
    return "a directory" if path.is_dir() else "a pipe, a socket or a device"


def set_aside(path: Path) -> Path:
    """Renames `NAME.json` to `NAME.unreadable.json`, whatever it is, so that no one's file is lost."""
    number, place = 1, path.with_suffix(f".unreadable{path.suffix}")
    while os.path.lexists(place):
        number += 1
        place = path.with_suffix(f".unreadable-{number}{path.suffix}")
    return path.rename(place)


def tidy(directory: Path) -> None:
    """Removes what killed writers left: temporary files that no living process has locked."""
    for path in directory.iterdir():
        if TEMPORARY.fullmatch(path.name) and path.is_file():
            try:
                with path.open("rb") as file:
                    _lock(file.fileno())
                path.unlink()
            except OSError:  # its writer is alive, or it is not ours to remove
                continue


@contextmanager
def held(directory: Path) -> Iterator[int]:
    """Keeps other processes, on any machine that shares the directory, out of it. Raises `BusyError` if one is in.

    Yields the descriptor of the lock. The system releases the lock when its holder dies, however it dies; a lock file
    left behind locks nothing.
    """
    path = directory / LOCK
    handle = _acquire(path)
    try:
        _sign(handle)
        tidy(directory)
        yield handle
    finally:
        path.unlink(missing_ok=True)  # before the release: whoever has just opened it sees it gone and opens a new one
        with suppress(OSError):  # the work inside may have closed it
            os.close(handle)


def busy(directory: Path) -> bool:
    """Whether a living process holds the directory."""
    if not (directory / LOCK).exists():
        return False
    try:
        with held(directory):
            return False
    except BusyError:
        return True


def _acquire(path: Path) -> int:
    while True:
        if path.is_symlink() or (path.exists() and not path.is_file()):  # someone's, in the place of the lock
            set_aside(path)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINKS, 0o644)
        try:
            _lock(handle)
            if _still_there(handle, path):
                return handle
        except (BlockingIOError, PermissionError) as error:
            holder = path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
            os.close(handle)
            raise BusyError(f"{path.parent}: expected a free directory, got one in use by {holder}") from error
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
        # Some clusters' file systems have no locks: working without one beats not working.
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


def _sync_directory(directory: Path) -> None:
    # The new name is safe only once the directory is on disk too; some systems can't open a directory.
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
