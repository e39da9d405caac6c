"""Samples from a user's file: a table as CSV, or arrays as NPZ."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from csv import reader
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from prograd_experiments import config as read
from prograd_experiments.errors import ConfigError
from prograd_experiments.samples import Data, of_classes, of_numbers

FORMATS = ("csv", "npz")
TASKS = ("classification", "regression")


def csv(config: read.Config) -> Data:
    """A row a sample, numbers in all columns but `data.target`: its name, its number, or null for the last one.

    The first row is a heading if no cell of it is a number. `data.task` is what the target asks for; null: a
    regression where all targets are numbers, some with a decimal point, else a classification.
    """
    read.known_keys(config["data"], ("name", "path", "target", "task", "sha256"), "data.")
    target = read.get(config, "data.target")
    return _csv(*_known_file(config), target, _task(config))


def npz(config: read.Config) -> Data:
    """The arrays `x`, a row a sample, and `y`: labels, numbers, or a row of either for each sample.

    `data.task` is what the targets ask for; null: a regression where y is floating point, else a classification, whose
    rows, where they have more than one entry, are one-hot.
    """
    read.known_keys(config["data"], ("name", "path", "task", "sha256"), "data.")
    return _npz(*_known_file(config), _task(config))


def sha256(config: read.Config, key: str = "data.path") -> str:
    """The hash of the content of the file whose path stands at `key`."""
    return _sha256(*_known_file(config, key))


def _known_file(config: read.Config, key: str = "data.path") -> tuple[Path, int, int]:
    given = read.get(config, key)
    if not isinstance(given, str):
        raise ConfigError(f"{key}={read.show(given)}: the path of a file was expected")
    path = Path(given).expanduser()
    try:
        state = path.stat()
    except OSError as error:
        raise ConfigError(f"{key}={given}: {error.strerror}") from error
    if not path.is_file():
        raise ConfigError(f"{key}={given}: not a file")
    return path.resolve(), state.st_mtime_ns, state.st_size


def _task(config: read.Config) -> str | None:
    return None if read.get(config, "data.task") is None else read.choice(config, "data.task", TASKS)


# What is read is known by its time and size, so that a sweep reads it once.
@cache
def _sha256(path: Path, _: int, __: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _csv(path: Path, _: int, __: int, target: str | int | None, task: str | None) -> Data:
    try:
        rows = [row for row in reader(path.read_text(encoding="utf-8-sig").splitlines()) if row]
    except UnicodeDecodeError as error:
        raise ConfigError(f"data.path={path}: no text in UTF-8: {error}") from error
    headed = bool(rows) and not any(map(_is_number, rows[0]))
    names = rows[0] if headed else [str(i) for i in range(len(rows[0]) if rows else 0)]
    body = rows[1:] if headed else rows
    if not body or len(names) < 2:
        raise ConfigError(f"data.path={path}: at least one feature, a target and a sample were expected")
    column = _column(target, names)
    for number, row in enumerate(body, start=1 + headed):
        if len(row) != len(names):
            raise ConfigError(f"data.path={path}: row {number} has {len(row)} cells, the first one has {len(names)}")
    kept = [i for i in range(len(names)) if i != column]
    x = np.array([[_number(row[i], path, line, names[i]) for i in kept] for line, row in enumerate(body, 1 + headed)])
    labels = [row[column].strip() for row in body]
    if task is None:
        task = (
            "regression" if all(_is_number(label) for label in labels) and any("." in t for t in labels) else TASKS[0]
        )
    if task == "classification":
        return of_classes("csv", x, np.array(labels))
    y = np.array([_number(label, path, line, names[column]) for line, label in enumerate(labels, 1 + headed)])
    return of_numbers("csv", x, y)


@cache
def _npz(path: Path, _: int, __: int, task: str | None) -> Data:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, BadZipFile, EOFError, AttributeError) as error:
        raise ConfigError(f"data.path={path}: no arrays in NPZ format, without objects: {error}") from error
    if not {"x", "y"} <= set(found):
        raise ConfigError(f"data.path={path}: arrays x and y were expected, got {', '.join(found) or 'none'}")
    x, y = found["x"], found["y"]
    if x.dtype.kind not in "fiub" or x.ndim < 2 or y.ndim not in {1, 2} or len(x) != len(y) or x.size == 0:
        raise ConfigError(
            f"data.path={path}: numbers x (N, …) and targets y (N,) or (N, m) were expected, got {x.dtype} {x.shape} "
            f"and {y.dtype} {y.shape}"
        )
    x = x.reshape(len(x), -1).astype(np.float64)
    if task is None:
        task = "regression" if y.dtype.kind == "f" else "classification"
    one_hot = y.ndim == 2 and y.shape[1] > 1
    if (task == "regression" or one_hot) and y.dtype.kind not in "fiub":
        raise ConfigError(f"data.path={path}: data.task={task} needs numbers in y {y.shape}, got {y.dtype}")
    finite = np.isfinite(x).all() and (y.dtype.kind != "f" or np.isfinite(y).all())
    if not finite:
        raise ConfigError(f"data.path={path}: x and y have to be finite")
    if task == "classification":
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


def _number(text: str, path: Path, line: int, name: str) -> float:
    value = float(text) if _is_number(text) else np.nan
    if not np.isfinite(value):
        raise ConfigError(f"data.path={path}: row {line}, column {name}: a finite number was expected, got {text!r}")
    return value
