"""Launches points until each has left a record, whatever happens to their processes."""

from __future__ import annotations

import errno
import io
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from prograd_experiments import environment, jobs, records, storage
from prograd_experiments.config import Config
from prograd_experiments.errors import LaunchError, NoResult
from prograd_experiments.records import Status

SUBDIR = "hydra.sweep.subdir"
LOOK_EVERY = 0.2  # seconds
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True, eq=False)
class Point:
    """One job of a sweep: its overrides, those of them that vary, and its checked configuration.

    `fingerprint` is the hash of the configuration, and `folder` a name in the sweep's directory, once it has one.
    """

    overrides: Sequence[str]
    varied: Sequence[str]
    config: Config
    fingerprint: str
    folder: str = ""

    @property
    def label(self) -> str:
        """What varies, as one would write it, without the escapes of Hydra's grammar."""
        return " ".join(self.varied).replace("\\", "") or "the only point"


@dataclass(frozen=True)
class Ramp:
    """Launches points into folders of the sweep's directory."""

    launcher: Launcher
    directory: Path
    force: bool

    def launch(self, points: Sequence[Point], number: int) -> list[str]:
        """Runs the points, the first with this job number; returns the status in each one's record.

        Raises `OSError` if there is no room for records, and `LaunchError` if the launcher began none of several jobs.
        """
        statuses: dict[Point, str] = {}
        while len(statuses) < len(points):
            self._attempt([point for point in points if point not in statuses], number, statuses)
        return [statuses[point] for point in points]

    def _attempt(self, points: Sequence[Point], number: int, statuses: dict[Point, str]) -> None:
        """Runs the points and adds the status of those that ended.

        If the launcher breaks down, the points that had begun run again one by one: that reveals which one is to blame.
        The points that had not begun are left without a status.
        """
        for point in points:
            folder = self.directory / point.folder
            if folder.is_file():
                storage.set_aside(folder)
            folder.mkdir(parents=True, exist_ok=True)
        before = {point: self._written(point) for point in points}
        broken, returned, raised = self._launched(points, number)
        for error in (broken, *raised.values()):
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise error
        statuses |= returned
        left = [point for point in points if point not in returned]
        self._wait(left)
        statuses |= {point: status for point in left if (status := self._ended(point, before[point])) is not None}
        left = [point for point in left if point not in statuses]
        begun = [point for point in left if self._written(point) != before[point]]
        if broken is None or len(points) == 1:
            statuses |= {point: self._give_up(point, raised.get(point), broken) for point in left}
            return
        if len(left) == len(points) and not begun:
            raise LaunchError(f"hydra.launcher: expected jobs to begin, got {_brief(broken)}") from broken
        for point in begun:
            self._attempt([point], number, statuses)

    def _launched(
        self, points: Sequence[Point], number: int
    ) -> tuple[Exception | None, Mapping[Point, str], Mapping[Point, Exception]]:
        """What broke the launcher, the status of jobs that returned one, and the errors of jobs that raised."""
        # Quoted, since the digits of a hash may read as a number.
        overrides = [[*point.overrides, f"{SUBDIR}='{point.folder}'"] for point in points]
        try:
            done = self.launcher.launch(overrides, initial_job_idx=number)
        except Exception as error:  # noqa: BLE001  (a launcher may raise anything when a worker dies)
            return error, {}, {}
        results = {point: _result(job) for point, job in zip(points, done, strict=False)}
        returned = {point: result for point, result in results.items() if isinstance(result, str)}
        return None, returned, {point: result for point, result in results.items() if isinstance(result, Exception)}

    def _written(self, point: Point) -> int | None:
        try:
            return (self.directory / point.folder / records.NAME).stat().st_mtime_ns
        except OSError:
            return None

    def _ended(self, point: Point, before: int | None) -> str | None:
        """The status that this launch recorded at the end of the point, or an earlier one that counts; else None."""
        status, record = records.found(self.directory / point.folder, point.fingerprint, environment.code())
        if record is None or record["status"] == "running":
            return None
        counts = self._written(point) != before or (status is Status.COMPLETE and not self.force)
        return str(record["status"]) if counts else None

    def _wait(self, points: Sequence[Point]) -> None:
        """Waits until no process works on the points: a launcher that gives up may leave some behind."""
        for point in points:
            while storage.busy(self.directory / point.folder):
                time.sleep(LOOK_EVERY)

    def _give_up(self, point: Point, raised: Exception | None, broken: Exception | None) -> str:
        """Records why the point has no result: its own error, or what is known of its end."""
        folder = self.directory / point.folder
        folder.mkdir(parents=True, exist_ok=True)  # the job may have removed it
        with storage.held(folder):
            status, here = records.found(folder, point.fingerprint, environment.code())
            record: dict[str, Any] = (
                dict(here) if here and status is Status.UNFINISHED else jobs.begun(point.config, folder)
            )
            if status in {Status.UNREADABLE, Status.FOREIGN}:
                storage.set_aside(folder / records.NAME)
            error = raised or _no_result(broken, begun=status is Status.UNFINISHED)
            records.write(folder, record | {"status": "failed", "error": jobs.described(error)})
        return "failed"


def _no_result(broken: Exception | None, *, begun: bool) -> NoResult:
    how = "the job began, and ended without one" if begun else "the job did not begin"
    why = _brief(broken) if broken else "the launcher gives no reason"
    error = NoResult(f"expected a result, got none: {how} ({why})")
    error.__cause__ = broken
    return error


def _brief(error: Exception) -> str:
    first, *_ = [*str(error).splitlines(), ""]
    return f"{type(error).__name__}: {first}".removesuffix(": ")


def _result(job: JobReturn) -> object:
    """The value that a job returned, or the exception that it raised."""
    try:
        with redirect_stderr(io.StringIO()):  # Hydra prints the overrides there; the record has them
            return job.return_value
    except Exception as error:  # noqa: BLE001  (a job may raise anything)
        return error
