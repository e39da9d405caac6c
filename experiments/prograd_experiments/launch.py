"""Launching points until each has left a record, whatever happens to the processes that they run in."""

from __future__ import annotations

import errno
import io
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from prograd_experiments import environment, jobs, locks, records
from prograd_experiments.config import Config
from prograd_experiments.errors import RecordError
from prograd_experiments.plan import SUBDIR, Point
from prograd_experiments.standing import Standing, set_aside, standing

LOOK_EVERY = 0.2  # seconds
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Killed(Exception):  # noqa: N818  (the type that a record names)
    """The process of a job ended before its result was there."""


@dataclass(frozen=True)
class Ramp:
    """Where points start from: the launcher, the sweep's directory, and what a point's configuration is."""

    launcher: Launcher
    directory: Path
    config_of: Callable[[Point], Config]
    force: bool

    def launch(self, points: Sequence[Point], number: int) -> None:
        """Runs the points; `number` is the first one's. Afterwards each has a record that says how it went.

        Raises `OSError` when there is no room for records, and what stopped a launcher that began nothing.
        """
        waiting = points
        while waiting:
            waiting = self._attempt(waiting, number)

    def _attempt(self, points: Sequence[Point], number: int) -> Sequence[Point]:
        """Runs the points; returns those that a launch that broke down did not come to.

        What was under way in it is run again one by one: then it is certain who is to blame.
        """
        for point in points:
            (self.directory / point.folder).mkdir(exist_ok=True)
        before = {point: self._written(point) for point in points}
        broken, raised = self._launched(points, number)
        for error in (broken, *raised.values()):
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise error
        self._wait(points)
        left = [point for point in points if not self._ended(point, before[point])]
        begun = [point for point in left if self._written(point) != before[point]]
        if broken is None or len(points) == 1:
            for point in left:
                self._give_up(point, broken, raised.get(point))
            return []
        if len(left) == len(points) and not begun:
            raise broken
        for point in begun:
            self._attempt([point], number)
        return [point for point in left if point not in begun]

    def _launched(self, points: Sequence[Point], number: int) -> tuple[Exception | None, dict[Point, Exception]]:
        overrides = [[*point.overrides, f"{SUBDIR}={point.folder}"] for point in points]
        try:
            done = self.launcher.launch(overrides, initial_job_idx=number)
        except Exception as error:  # noqa: BLE001  (what a launcher raises when a worker dies is its own affair)
            return error, {}
        failures = {point: _failure(job) for point, job in zip(points, done, strict=False)}
        return None, {point: error for point, error in failures.items() if error is not None}

    def _written(self, point: Point) -> int | None:
        try:
            return (self.directory / point.folder / records.NAME).stat().st_mtime_ns
        except OSError:
            return None

    def _ended(self, point: Point, before: int | None) -> bool:
        """Whether this launch left a record of the point's end, or found one that counts."""
        record = self._record(point)
        if record is None or record["status"] == "running":
            return False
        counts = standing(self.directory / point.folder, point.fingerprint, environment.code()) is Standing.COMPLETE
        return self._written(point) != before or (counts and not self.force)

    def _record(self, point: Point) -> records.Record | None:
        try:
            return records.read(self.directory / point.folder / records.NAME)
        except RecordError:
            return None

    def _wait(self, points: Sequence[Point]) -> None:
        """Until none of the points is at work: a launcher that gives up may leave processes behind."""
        for point in points:
            while locks.busy(self.directory / point.folder):
                time.sleep(LOOK_EVERY)

    def _give_up(self, point: Point, broken: Exception | None, raised: Exception | None) -> None:
        """Writes down why there is no result."""
        folder = self.directory / point.folder
        with locks.held(folder):
            here = self._record(point)
            unfinished = here is not None and here["status"] == "running" and here["config_hash"] == point.fingerprint
            record: dict[str, Any] = dict(here) if here and unfinished else jobs.begun(self.config_of(point))
            if standing(folder, point.fingerprint, record["code"]) in {Standing.UNREADABLE, Standing.FOREIGN}:
                set_aside(folder)
            error = jobs.described(raised or _killed(broken))
            records.write(folder, record | {"status": "failed", "error": error})


def _killed(broken: Exception | None) -> Killed:
    text = "the process of this job ended before its result was there: it was killed, or there was no memory left"
    if broken is None:
        return Killed(text)
    first, *_ = [*str(broken).splitlines(), ""]
    killed = Killed(f"{text} ({type(broken).__name__}: {first})")
    killed.__cause__ = broken
    return killed


def _failure(job: JobReturn) -> Exception | None:
    try:
        with redirect_stderr(io.StringIO()):  # Hydra writes the overrides there; the record has them
            _ = job.return_value
    except Exception as error:  # noqa: BLE001  (whatever the job raised)
        return error
    return None
