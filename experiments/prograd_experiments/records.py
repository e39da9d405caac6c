"""One job, one `record.json`: written whole or not at all, and read back with a check that it is one."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prograd_experiments.errors import RecordError

NAME = "record.json"
SCHEMA = "prograd.record/1"
STATUSES = ("complete", "failed", "running")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Unreadable:
    """A `record.json` that holds no record: where, and why."""

    path: Path
    reason: str


def write_atomically(path: Path, text: str | bytes) -> None:
    """Replaces `path` in one step: a reader, or a crash at any moment, finds the old file or the new one, whole."""
    content = text.encode() if isinstance(text, str) else text
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a full disk does not say where
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _sync_directory(path.parent)


def reason(record: Record) -> str | None:
    """Why the job failed, in a line: the exception's type and message; None where it did not."""
    error = record.get("error")
    return f"{error['type']}: {error['message']}".removesuffix(": ") if error else None


def write(directory: Path, record: Record) -> Path:
    """Writes `record` as `directory/record.json`."""
    path = directory / NAME
    write_atomically(path, json.dumps(record, indent=2, allow_nan=False) + "\n")
    return path


def read(path: Path) -> Record:
    """The record in a file. Raises `RecordError` with the reason where there is none."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:
        raise RecordError(f"{path}: not whole JSON: {error}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise RecordError(f"{path}: no record of prograd-run (its schema is not {SCHEMA!r})")
    missing = [key for key in ("status", "experiment", "config", "config_hash") if key not in content]
    if missing:
        raise RecordError(f"{path}: incomplete, {', '.join(missing)} missing")
    if content["status"] not in STATUSES or not isinstance(content["config"], dict):
        raise RecordError(f"{path}: status {content['status']!r} or config is of the wrong kind")
    return content


def read_all(directory: Path) -> tuple[dict[Path, Record], list[Unreadable]]:
    """All records below a directory by their folders, in the order of paths, and the files that hold none.

    Raises `RecordError` when the directory can't be listed or holds no `record.json` at all.
    """
    records: dict[Path, Record] = {}
    unreadable: list[Unreadable] = []
    for name in sorted(_find(directory)):
        path = Path(name)
        try:
            records[path.parent] = read(path)
        except RecordError as error:
            unreadable.append(Unreadable(path, str(error).removeprefix(f"{path}: ")))
    if not records and not unreadable:
        raise RecordError(f"{directory}: no {NAME} in this directory or below; prograd-run writes one for each job")
    return records, unreadable


def _find(directory: Path) -> Iterator[str]:
    if not directory.is_dir():
        problem = "not a directory" if directory.exists() else "no such directory"
        raise RecordError(f"{directory}: {problem}")

    def refuse(error: OSError) -> None:
        raise RecordError(f"{error.filename}: can't be listed: {error.strerror}") from error

    for folder, _, files in os.walk(directory, onerror=refuse):
        if NAME in files:
            yield os.path.join(folder, NAME)  # noqa: PTH118  (strings are sorted ten times as fast as paths)


def _sync_directory(directory: Path) -> None:
    # The new name is safe on disk only once the directory is; not every system lets one open a directory.
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
