"""A point's folder: a readable name with digits of its configuration's hash, and a record with the whole hash."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from prograd_experiments import records
from prograd_experiments.errors import ConfigError
from prograd_experiments.records import Status

LONGEST_SLUG = 80
LENGTHS = (8, 16, 32, 64)
"""Digits of the hash in a name: more where other points have the first ones."""

NAME = re.compile(r"(?:[A-Za-z0-9._-]*_)?([0-9a-f]{8,64})")


def slug(varied: Sequence[str]) -> str:
    """What a sweep varies, as the beginning of a name that is valid on every file system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(varied)).strip("-_.")[:LONGEST_SLUG]


class Folders:
    """The folders in a sweep's directory, and the points that have taken one."""

    def __init__(self, directory: Path, code: str) -> None:
        self._directory, self._code = directory, code
        self._taken: set[str] = set()
        self._there: dict[str, list[str]] = {}  # by the first digits
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            match = NAME.fullmatch(path.name)
            if match and path.is_dir():
                self._there.setdefault(match[1][: LENGTHS[0]], []).append(path.name)

    def take(self, varied: str, fingerprint: str) -> tuple[str, Status]:
        """The folder of the point with this hash, and the point's status. No other point gets the same folder.

        A point that has a folder keeps it, whatever the sweep varied that made it. Raises `ConfigError` if every name
        that a new folder could have is another point's.
        """
        own = [f"{varied}_{digits}" if varied else digits for digits in (fingerprint[:length] for length in LENGTHS)]
        there = [name for name in self._there.get(fingerprint[: LENGTHS[0]], []) if name not in self._taken]
        refused, unreadable = set(self._taken), []
        for name in sorted(there, key=lambda name: name not in own):
            status, record = records.found(self._directory / name, fingerprint, self._code)
            if status is Status.FOREIGN:
                refused.add(name)
            elif status is Status.UNREADABLE and fingerprint.startswith(name.rpartition("_")[2]):
                unreadable.append(name)
            # A copy that someone keeps beside the folder says whose copy it is.
            elif record is not None and (name in own or record.get("folder", name) == name):
                return self._taking(name, status)
        if unreadable:
            return self._taking(unreadable[0], Status.UNREADABLE)
        for name in own:
            if name not in refused:
                return self._taking(name, Status.NEW)
        raise ConfigError(f"{self._directory / own[-1]}: expected this point's record, got another point's")

    def _taking(self, name: str, status: Status) -> tuple[str, Status]:
        self._taken.add(name)
        return name, status
