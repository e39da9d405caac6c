"""`record.json`, one for each job: written whole or not at all, checked when read, and what it says of a point."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from prograd.foreign import printable
from prograd_experiments import schema, storage
from prograd_experiments.config import config_hash
from prograd_experiments.errors import RecordError
from prograd_experiments.schema import SCHEMA

NAME = "record.json"
LARGEST = 1 << 28  # bytes; more than a job writes, less than a machine's memory
LONGEST_MESSAGE, LONGEST_TRACEBACK = 2_000, 20_000

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
        content = msgspec.json.decode(storage.content(path, LARGEST))
    except OSError as error:
        raise RecordError(f"{path}: expected a record, got an error on reading: {error.strerror}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordError(f"{path}: expected a record, got broken JSON: {error}") from error
    found = content.get("schema") if isinstance(content, dict) else None
    if found not in (SCHEMA, *CONVERSIONS):
        raise RecordError(f"{path}: expected a record of prograd-run, got JSON without the schema {SCHEMA!r}")
    record: dict[str, Any] = content
    while record["schema"] != SCHEMA:
        record = CONVERSIONS[record["schema"]](record)
    try:
        schema.check(record)
    except msgspec.ValidationError as error:
        raise RecordError(f"{path}: expected a record of prograd-run, got other JSON: {error}") from error
    if config_hash(record["config"]) != record["config_hash"]:
        raise RecordError(f"{path}: expected a configuration with the hash in config_hash, got another")
    if record.get("error"):
        record["error"] |= shortened(record["error"]["message"], record["error"]["traceback"])
    return record


def _from_1(old: Record) -> dict[str, Any]:
    """Schema 1 called timings `samples`."""
    return _renamed(old, "samples", "timings") | {"schema": "prograd.record/2"}


def _from_2(old: Record) -> dict[str, Any]:
    """Schema 2 predicted multiply-adds alone, and called their ratios predicted."""
    record = _renamed(old, "predicted_gap", "multiply_adds_gap") | {"schema": "prograd.record/3"}
    if isinstance(record.get("gaps"), dict):
        record["gaps"] = {
            mode: _renamed(gap, "predicted", "multiply_adds") if isinstance(gap, dict) else gap
            for mode, gap in record["gaps"].items()
        }
    return record


CONVERSIONS: Mapping[str, Callable[[Record], dict[str, Any]]] = MappingProxyType(
    {"prograd.record/1": _from_1, "prograd.record/2": _from_2}
)
"""From each older schema to the next one."""


def _renamed(content: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if key == old else key: value for key, value in content.items()}


def shortened(message: str, traceback: str) -> dict[str, str]:
    """The texts of an error as a terminal and a page can show them: the beginning and the end, nothing to obey."""
    texts = {"message": (message, LONGEST_MESSAGE), "traceback": (traceback, LONGEST_TRACEBACK)}
    return {name: _shortened(printable(text), most) for name, (text, most) in texts.items()}


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2 - 25  # leaves room for the words between, so that a shortened text is not shortened again
    return f"{text[:half]} … ({len(text) - 2 * half} characters left out) … {text[-half:]}"


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
    if not os.path.lexists(path):
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


def _find(directory: Path) -> Iterator[str]:
    if not directory.is_dir():
        got = "a file" if directory.exists() else "no such directory"
        raise RecordError(f"{directory}: expected a directory with records, got {got}")

    def refuse(error: OSError) -> None:
        raise RecordError(f"{error.filename}: expected a readable directory, got {error.strerror}") from error

    for folder, folders, files in os.walk(directory, onerror=refuse):
        if NAME in folders:
            folders.remove(NAME)
            files.append(NAME)  # a folder in the place of a record is no record
        if NAME in files:
            yield os.path.join(folder, NAME)  # noqa: PTH118  (strings sort ten times as fast as paths)
