"""A user's file: where it is, the hash of its content, and samples from arrays as NPZ."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from prograd_experiments import config as read
from prograd_experiments import storage
from prograd_experiments.errors import ConfigError
from prograd_experiments.samples import Data
from prograd_experiments.targets import MISSING, Source, Words, samples

Values: TypeAlias = np.ndarray[Any, Any]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

FORMATS = ("csv", "npz")
TASKS = ("classification", "regression")
COPIES = 4  # of the arrays that samples, their standardised form and the parts of a split take, at least


def npz(config: read.Config) -> Data:
    """The arrays `x`, with the samples along the first axis, and `y`, with a label, a number, or a row for each.

    `targets.samples` says what `data.task` null means for integers and words; floating point y is a regression. The
    rows of a classification's two-dimensional y are one-hot. No pickle is loaded.
    """
    return _npz(*known_file(config), task(config))


def sha256(config: read.Config, key: str = "data.path") -> str:
    """The hash of the content of the file at the path in `key`."""
    return _sha256(*known_file(config, key))


def known_file(config: read.Config, key: str = "data.path") -> tuple[Path, int, int]:
    """The file at the path in `key`, its time and its size. Raises `ConfigError` if there is none."""
    given = read.get(config, key)
    if not isinstance(given, str):
        raise read.refused(key, "the path of a file", given)
    path = Path(given).expanduser()
    try:
        state = path.stat()
        if not path.is_file():
            raise read.refused(key, "a file", given, f"it is {storage.kind(path)}")
        path.open("rb").close()
    except OSError as error:
        raise read.refused(key, "a readable file", given, str(error.strerror)) from error
    return path.resolve(), state.st_mtime_ns, state.st_size


def task(config: read.Config) -> str | None:
    """What `data.task` says that the targets are."""
    return None if read.get(config, "data.task") is None else read.choice(config, "data.task", TASKS)


# A file's time and size identify its content, so a sweep reads it once.
@cache
def _sha256(path: Path, _: int, __: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _npz(path: Path, _: int, __: int, task: str | None) -> Data:
    x, y = _arrays(path)
    source = Source("npz", path, "y")
    if x.dtype.kind not in "fiub" or x.ndim < 2 or y.ndim not in {1, 2} or len(x) != len(y) or x.size == 0:
        got = f"{x.dtype} {x.shape} and {y.dtype} {y.shape}"
        raise ConfigError(f"{path}: expected numbers x (N, …) and targets y (N,) or (N, m), got {got}")
    x = x.reshape(len(x), -1).astype(np.float64)
    _require(np.isfinite(x), path, "finite numbers in x", x)
    _require(_is_given(y), path, "a target in y", y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind not in "fiub" or (y.dtype.kind == "b" and task != "regression" and y.ndim == 1):
        if task == "regression" or y.ndim > 1:
            wanted = task or "classification"
            raise ConfigError(f"{path}: expected numbers in y {y.shape} for data.task={wanted}, got {y.dtype}")
        names, number = np.unique(y, return_inverse=True)
        return samples(source, x, Words(number, [str(name) for name in names]), task)
    if task is None and y.dtype.kind == "f":
        task = "regression"
    if y.ndim == 2 and task != "regression":
        _require(np.count_nonzero(y, axis=1) == 1, path, "a one-hot vector in y", y)
        y, task = y.argmax(axis=1), "classification"
    return samples(source, x, y.astype(np.float64), task)


def _arrays(path: Path) -> tuple[Values, Values]:
    if not zipfile.is_zipfile(path):
        raise ConfigError(
            f"{path}: expected arrays in NPZ format, got another file or a part of one; numpy.savez writes them"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename.removesuffix(".npy"): member.file_size for member in archive.infolist()}
        needed, room = COPIES * sum(sizes.get(name, 0) for name in "xy"), _memory()
        if {"x", "y"} <= set(sizes) and needed <= room:
            with np.load(path, allow_pickle=False) as arrays:
                return arrays["x"], arrays["y"]
    except Exception as error:  # a damaged archive makes zipfile and numpy raise anything
        got = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{path}: expected arrays in NPZ format, without objects, got {got}") from error
    if needed > room:
        got = f"{needed / 1e9:.1f} GB, {COPIES} times their size"
        raise ConfigError(f"{path}: expected x and y that take less than {room / 1e9:.1f} GB of memory, got {got}")
    raise ConfigError(f"{path}: expected arrays x and y, got {', '.join(sizes) or 'none'}")


def _memory() -> int:
    """The bytes of this machine's memory; the largest integer if the system doesn't tell."""
    names = getattr(os, "sysconf_names", {})
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in names else sys.maxsize


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
