"""A crew at one point: engines are given its arrays when they are first needed, and again after a loss."""

from __future__ import annotations

from collections.abc import Sequence

from prograd_experiments.peers.crew import Crew
from prograd_experiments.peers.given import Given, Numbers
from prograd_experiments.peers.remote import Remote


class Stage:
    """The same task and arrays for every engine, and how long a call may take. Requests raise `Lost`."""

    def __init__(self, crew: Crew, task: str, given: Given, limit_seconds: float, prepare_seconds: float) -> None:
        self._crew, self._task, self._given = crew, task, given
        self._limit, self._limit_of_first = limit_seconds, prepare_seconds
        self._ready: dict[str, tuple[Remote, Sequence[str]]] = {}

    def ways(self, engine: str) -> Sequence[str]:
        """How the engine can compute the task."""
        return self._at(engine)[1]

    def compute(self, engine: str, way: str) -> Numbers | None:
        """The result of a first call, which may compile."""
        remote, _ = self._at(engine)
        seconds = max(self._limit, self._limit_of_first) if remote.about["compiles"] else self._limit
        numbers: Numbers | None = remote.ask("compute", way, seconds=seconds)
        return numbers

    def sample(self, engine: str, way: str, calls: int) -> float:
        """The seconds that so many calls took."""
        return float(self._at(engine)[0].ask("sample", way, calls, seconds=self._limit))

    def _at(self, engine: str) -> tuple[Remote, Sequence[str]]:
        remote = self._crew.engine(engine)
        if engine not in self._ready or self._ready[engine][0] is not remote:
            ways = remote.ask("prepare", self._task, self._given, seconds=max(self._limit, self._limit_of_first))
            self._ready[engine] = remote, ways
        return self._ready[engine]
