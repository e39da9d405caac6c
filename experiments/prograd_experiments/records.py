"""`record.json`, one for each job: written whole or not at all, checked when read, and what it says of a point."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from prograd_experiments import storage
from prograd_experiments.errors import RecordError

NAME = "record.json"
SCHEMA = "prograd.record/2"
OLD_SCHEMA = "prograd.record/1"  # called timings `samples`
STATUSES = ("complete", "failed", "running")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Unreadable:
    """A `record.json` that holds no record: where, and why."""

    path: Path
    reason: str


class Status(Enum):
    """The status of a point, by the record in its folder; the values are the words for people."""

    NEW = "new"
    COMPLETE = "complete"
    OUTDATED = "by other code"
    FAILED = "failed"
    UNFINISHED = "not finished"
    UNREADABLE = "unreadable"
    FOREIGN = "of another configuration"


def write(directory: Path, record: Record) -> Path:
    """Writes `record` as `directory/record.json`."""
    path = directory / NAME
    storage.replace(path, json.dumps(record, indent=2, allow_nan=False) + "\n")
    return path


def read(path: Path) -> Record:
    """The record in a file, in the present schema. Raises `RecordError` if the file holds none."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: expected a record, got an error on reading: {error.strerror}") from error
    except ValueError as error:
        raise RecordError(f"{path}: expected a record, got broken JSON: {error}") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema not in {SCHEMA, OLD_SCHEMA}:
        raise RecordError(f"{path}: expected a record of prograd-run, got JSON without the schema {SCHEMA!r}")
    missing = [key for key in ("status", "experiment", "config", "config_hash") if key not in content]
    if missing:
        raise RecordError(f"{path}: expected a whole record, got one without {', '.join(missing)}")
    if content["status"] not in STATUSES or not isinstance(content["config"], dict):
        raise RecordError(
            f"{path}: expected a status and a config, got {content['status']!r} and {content['config']!r}"
        )
    return content if schema == SCHEMA else converted(content)


def converted(old: Record) -> Record:
    """A record of `OLD_SCHEMA` in the present schema."""
    renamed = {"timings" if key == "samples" else key: value for key, value in old.items()}
    return renamed | {"schema": SCHEMA}


def read_all(directory: Path) -> tuple[dict[Path, Record], list[Unreadable]]:
    """All records below a directory by their folders, in the order of paths, and the files that hold none.

    Raises `RecordError` if the directory can't be listed or has no `record.json` at all.
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
        raise RecordError(
            f"{directory}: expected a {NAME} here or below, got none; prograd-run writes one for each job"
        )
    return records, unreadable


def found(folder: Path, fingerprint: str, code: str) -> tuple[Status, Record | None]:
    """The status of the point with this hash of its configuration, for this code, and the record that says so."""
    path = folder / NAME
    if not path.exists():
        return Status.NEW, None
    try:
        record = read(path)
    except RecordError:
        return Status.UNREADABLE, None
    if record["config_hash"] != fingerprint:
        return Status.FOREIGN, record
    if record["status"] == "complete":
        return Status.COMPLETE if record.get("code") == code else Status.OUTDATED, record
    return Status.FAILED if record["status"] == "failed" else Status.UNFINISHED, record


def set_aside(folder: Path) -> None:
    """Renames the file in the place of a record, so that no one's file is lost."""
    number, place = 1, folder / "record.unreadable.json"
    while place.exists():
        number += 1
        place = folder / f"record.unreadable-{number}.json"
    (folder / NAME).rename(place)


def _find(directory: Path) -> Iterator[str]:
    if not directory.is_dir():
        got = "a file" if directory.exists() else "no such directory"
        raise RecordError(f"{directory}: expected a directory with records, got {got}")

    def refuse(error: OSError) -> None:
        raise RecordError(f"{error.filename}: expected a readable directory, got {error.strerror}") from error

    for folder, _, files in os.walk(directory, onerror=refuse):
        if NAME in files:
            yield os.path.join(folder, NAME)  # noqa: PTH118  (strings sort ten times as fast as paths)
