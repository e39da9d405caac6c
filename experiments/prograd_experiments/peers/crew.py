"""The engines of a sweep: started when first needed, kept from point to point, and started anew after a loss."""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from functools import cache
from typing import Any, Self

from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.remote import Lost, Remote


class Crew:
    """A process for each engine that was asked for. `engines` maps names to `module:Class`."""

    def __init__(self, engines: Mapping[str, str], threads: int, max_bytes: int) -> None:
        self._engines, self._threads, self._max_bytes = engines, threads, max_bytes
        self._remotes: dict[str, Remote] = {}
        self._useless: dict[str, Lost] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def engine(self, name: str) -> Remote:
        """The engine's process, a new one where there is none. Raises `Lost` for one that can't be started.

        An engine that could not be started once is not started again: it would only take its time again.
        """
        if name in self._useless:
            raise Lost(self._useless[name].outcome, self._useless[name].note)
        if name not in self._remotes or not self._remotes[name].alive:
            try:
                self._remotes[name] = Remote(self._engines[name], self._threads, self._max_bytes)
            except Lost as lost:
                self._useless[name] = lost
                raise
        return self._remotes[name]

    def about(self) -> dict[str, Any]:
        """Versions and threads of the engines that run."""
        return {name: dict(remote.about) for name, remote in self._remotes.items()}

    def forget(self) -> None:
        """Lets every engine go of its arrays."""
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
def crew(threads: int, max_bytes: int) -> Crew:
    """The crew of this process: engines take seconds to start, and the jobs of a sweep come one after the other."""
    made = Crew(ENGINES, threads, max_bytes)
    atexit.register(made.close)
    return made
