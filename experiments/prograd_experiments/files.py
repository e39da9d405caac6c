"""Samples from a user's file: a table as CSV, or arrays as NPZ."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from csv import Error as BadTable
from csv import reader
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from prograd_experiments import config as read
from prograd_experiments import storage
from prograd_experiments.errors import ConfigError
from prograd_experiments.samples import Data, of_classes, of_numbers

Values: TypeAlias = np.ndarray[Any, Any]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

FORMATS = ("csv", "npz")
TASKS = ("classification", "regression")

# How tables write that a cell has no value, in small letters. None of them is a class.
MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "<na>", "nan", "null"})


def csv(config: read.Config) -> Data:
    """A table with one sample in each row and numbers in all columns but the target.

    `data.target` is the name or the number of that column, or null for the last one. The first row is a heading if
    none of its cells is a number. `data.task` null means a regression if all targets are numbers and some have a
    decimal point, else a classification.
    """
    return _csv(*_known_file(config), read.get(config, "data.target"), _task(config))


def npz(config: read.Config) -> Data:
    """The arrays `x`, with the samples along the first axis, and `y`, with a label, a number, or a row for each.

    `data.task` null means a regression if y is floating point, else a classification; the rows of a classification's
    two-dimensional y are one-hot.
    """
    return _npz(*_known_file(config), _task(config))


def sha256(config: read.Config, key: str = "data.path") -> str:
    """The hash of the content of the file at the path in `key`."""
    return _sha256(*_known_file(config, key))


def _known_file(config: read.Config, key: str = "data.path") -> tuple[Path, int, int]:
    given = read.get(config, key)
    if not isinstance(given, str):
        raise read.refused(key, "the path of a file", given)
    path = Path(given).expanduser()
    try:
        state = path.stat()
    except OSError as error:
        raise read.refused(key, "a readable file", given, str(error.strerror)) from error
    if not path.is_file():
        raise read.refused(key, "a file", given, f"it is {storage.kind(path)}")
    return path.resolve(), state.st_mtime_ns, state.st_size


def _task(config: read.Config) -> str | None:
    return None if read.get(config, "data.task") is None else read.choice(config, "data.task", TASKS)


# A file's time and size identify its content, so a sweep reads it once.
@cache
def _sha256(path: Path, _: int, __: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _csv(path: Path, _: int, __: int, target: str | int | None, task: str | None) -> Data:
    try:
        table = reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
        rows = dict((table.line_num, row) for row in table if row)  # noqa: C402  (the number changes with each row)
    except (UnicodeDecodeError, BadTable) as error:
        raise ConfigError(f"{path}: expected a table in UTF-8, got {error}") from error
    first = next(iter(rows.values()), [])
    headed = bool(rows) and not any(map(_is_number, first))
    names = first if headed else [str(i) for i in range(len(first))]
    body = dict(list(rows.items())[headed:])
    if not body or len(names) < 2:
        got = f"{len(names)} columns and {len(body)} rows of samples"
        raise ConfigError(f"{path}: expected at least a feature, a target and a sample, got {got}")
    column = _column(target, names)
    for line, row in body.items():
        if len(row) != len(names):
            raise ConfigError(f"{path}, row {line}: expected {len(names)} cells, as in the first row, got {len(row)}")
    kept = [i for i in range(len(names)) if i != column]
    x = np.array([[_number(row[i], path, line, names[i]) for i in kept] for line, row in body.items()])
    labels = [_target(row[column].strip(), path, line, names[column]) for line, row in body.items()]
    if task is None:
        decimals = all(map(_is_number, labels)) and any("." in label for label in labels)
        task = "regression" if decimals else "classification"
    if task == "classification":
        return of_classes("csv", x, np.array(labels))
    y = np.array([_number(label, path, line, names[column]) for line, label in zip(body, labels, strict=True)])
    return of_numbers("csv", x, y)


@cache
def _npz(path: Path, _: int, __: int, task: str | None) -> Data:
    try:
        with np.load(io.BytesIO(storage.content(path)), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except Exception as error:  # a damaged archive makes zipfile and numpy raise anything
        raise ConfigError(f"{path}: expected arrays in NPZ format, without objects, got {error}") from error
    if not {"x", "y"} <= set(found):
        raise ConfigError(f"{path}: expected arrays x and y, got {', '.join(found) or 'none'}")
    x, y = found["x"], found["y"]
    if x.dtype.kind not in "fiub" or x.ndim < 2 or y.ndim not in {1, 2} or len(x) != len(y) or x.size == 0:
        got = f"{x.dtype} {x.shape} and {y.dtype} {y.shape}"
        raise ConfigError(f"{path}: expected numbers x (N, …) and targets y (N,) or (N, m), got {got}")
    x = x.reshape(len(x), -1).astype(np.float64)
    if task is None:
        task = "regression" if y.dtype.kind == "f" else "classification"
    one_hot = y.ndim == 2 and y.shape[1] > 1
    if (task == "regression" or one_hot) and y.dtype.kind not in "fiub":
        raise ConfigError(f"{path}: expected numbers in y {y.shape} for data.task={task}, got {y.dtype}")
    _require(np.isfinite(x), path, "finite numbers in x", x)
    _require(_is_given(y), path, "a target in y", y)
    if task == "classification":
        if one_hot:
            _require(np.count_nonzero(y, axis=1) == 1, path, "a one-hot vector in y", y)
        return of_classes("npz", x, y.argmax(axis=1) if one_hot else y.reshape(len(y)))
    return of_numbers("npz", x, y.astype(np.float64))


def _column(target: str | int | None, names: Sequence[str]) -> int:
    if target is None:
        return len(names) - 1
    if isinstance(target, int) and not isinstance(target, bool) and -len(names) <= target < len(names):
        return target % len(names)
    return list(names).index(read.one_of("data.target", target, names))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _target(text: str, path: Path, line: int, name: str) -> str:
    """The text of a target's cell. Raises `ConfigError` for a missing value: it is no class of its own."""
    if text.lower() in MISSING or (_is_number(text) and not np.isfinite(float(text))):
        raise ConfigError(
            f"{path}, row {line}, column {name}: expected a target, got {text!r}; leave out rows without one"
        )
    return text


def _is_given(y: Values) -> Flags:
    """Which targets are not missing."""
    if y.dtype.kind in "SU":
        return ~np.isin(np.strings.lower(np.strings.strip(y.astype(str))), list(MISSING))
    return np.isfinite(y) if y.dtype.kind in "fcmM" else np.ones(y.shape, bool)


def _require(right: Flags, path: Path, expected: str, values: Values) -> None:
    """Raise `ConfigError` that names the first row, counted from 0, with an entry that is not right."""
    wrong = np.flatnonzero(~right.reshape(len(right), -1).all(axis=1))
    if len(wrong):
        row = int(wrong[0])
        got = np.array2string(values[row], threshold=6, edgeitems=3)
        raise ConfigError(f"{path}: expected {expected}, got {got} in row {row}")


def _number(text: str, path: Path, line: int, name: str) -> float:
    value = float(text) if _is_number(text) else np.nan
    if not np.isfinite(value):
        raise ConfigError(f"{path}, row {line}, column {name}: expected a finite number, got {text!r}")
    return value
