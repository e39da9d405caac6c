"""The engines of a sweep: started when first needed, kept from point to point, and restarted after a loss."""

from __future__ import annotations

import atexit
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Self

from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.engines.base import Given, Numbers
from prograd_experiments.peers.remote import Lost, Remote


class Crew:
    """A process for each engine that was asked for. `engines` maps names to `module:Class`.

    `machine` runs prograd's tapes there; None is the best there is.
    """

    def __init__(self, engines: Mapping[str, str], threads: int, max_bytes: int, machine: str | None = None) -> None:
        self._engines, self._start = engines, (threads, max_bytes, machine)
        self._remotes: dict[str, Remote] = {}
        self._useless: dict[str, Lost] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def engine(self, name: str) -> Remote:
        """The engine's process, a new one if there is none. Raises `Lost` for an engine that can't be started.

        An engine that failed to start once is not tried again, which would take the same time again.
        """
        if name in self._useless:
            raise Lost(self._useless[name].outcome, self._useless[name].note)
        if name not in self._remotes or not self._remotes[name].alive:
            try:
                self._remotes[name] = Remote(self._engines[name], *self._start)
            except Lost as lost:
                self._useless[name] = lost
                raise
        return self._remotes[name]

    def about(self) -> dict[str, Any]:
        """Versions and threads of the running engines."""
        return {name: dict(remote.about) for name, remote in self._remotes.items()}

    def forget(self) -> None:
        """Makes every engine release its arrays."""
        for remote in self._remotes.values():
            if remote.alive:
                try:
                    remote.ask("forget", seconds=60)
                except Lost:
                    remote.close()

    def close(self) -> None:
        """Ends every process."""
        for remote in self._remotes.values():
            if remote.alive:
                remote.close()
        self._remotes.clear()


@cache
def crew(threads: int, max_bytes: int, machine: str) -> Crew:
    """The crew of this process, kept since engines take seconds to start and a sweep has many jobs."""
    made = Crew(ENGINES, threads, max_bytes, machine)
    atexit.register(made.close)
    return made


class Stage:
    """A crew at one point: gives each engine the arrays when it first needs them, and again after a loss.

    `limit_seconds` is how long a call may take, and `prepare_seconds` how long a call that compiles. Requests raise
    `Lost`.
    """

    def __init__(self, crew: Crew, task: str, given: Given, limit_seconds: float, prepare_seconds: float) -> None:
        self._crew, self._task, self._given = crew, task, given
        self._limit, self._limit_of_first = limit_seconds, max(limit_seconds, prepare_seconds)
        self._ready: dict[str, tuple[Remote, Sequence[str]]] = {}

    def ways(self, engine: str) -> Sequence[str]:
        """The names of the ways in which the engine can compute the task."""
        return self._at(engine)[1]

    def compute(self, engine: str, way: str) -> Numbers | None:
        """The result of the first call that does what timed ones do: earlier ones may compile or record."""
        remote, _ = self._at(engine)
        seconds = self._limit_of_first if remote.about["compiles"] else self._limit
        for _ in range(remote.about["warm_up_calls"]):
            remote.ask("compute", way, seconds=seconds)
        numbers: Numbers | None = remote.ask("compute", way, seconds=seconds)
        return numbers

    def seconds(self, engine: str, way: str, calls: int) -> float:
        """The seconds that `calls` calls take together."""
        return float(self._at(engine)[0].ask("seconds", way, calls, seconds=self._limit))

    def _at(self, engine: str) -> tuple[Remote, Sequence[str]]:
        remote = self._crew.engine(engine)
        if engine not in self._ready or self._ready[engine][0] is not remote:
            ways = remote.ask("prepare", self._task, self._given, seconds=self._limit_of_first)
            self._ready[engine] = remote, ways
        return self._ready[engine]
