"""An engine's process: `python -m prograd_experiments.peers.worker module:Class threads descriptor`.

It answers each request on its connection with a pair `(kind, content)`, and ends when the other side is gone. Its
environment sets the libraries' threads before any of them is imported.
"""

from __future__ import annotations

import gc
import importlib
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from multiprocessing.connection import Connection
from typing import Any

from prograd_benchmarks import timing
from prograd_experiments.peers.engines.base import Engine, Given, Numbers, Task, Ways

QUICK_SECONDS = 0.25  # a longer call hardly depends on the state in which it starts
WARM_SECONDS = 0.06  # after a rest, the system takes some tens of milliseconds to put two threads on two cores
DONE, FAILED, MISSING, NO_MEMORY = "done", "failed", "missing", "no memory"


class Bench:
    """An engine with the task and the arrays of the present point."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._work: tuple[Task, Given] | None = None
        self._ways: Ways = {}
        self._slow: set[str] = set()

    def about(self) -> dict[str, Any]:
        """Versions, threads, whether a first call compiles, and how many calls do other work than timed ones."""
        engine = self._engine
        versions = {name: metadata.version(name) for name in engine.distributions}
        its = {"threads": engine.threads, "compiles": engine.compiles, "warm_up_calls": engine.warm_up_calls}
        return {"versions": versions, **its}

    def prepare(self, task: Task, given: Given) -> list[str]:
        """Takes a task and its arrays; returns the names of the ways to compute it."""
        self._work, self._ways, self._slow = (task, given), self._engine.ways(task, given), set()
        return list(self._ways)

    def compute(self, way: str) -> Numbers | None:
        """The result of one call, which is not timed."""
        if self._work is None:
            raise RuntimeError("prepare() comes before compute()")
        return self._engine.numbers(*self._work, self._ways[way]())

    def seconds(self, way: str, calls: int) -> float:
        """The seconds that `calls` calls take together, after some that are not counted."""
        gc.collect(1)  # young garbage only: going through all imported objects takes longer than a timing
        begun = time.perf_counter()
        while way not in self._slow and time.perf_counter() - begun < WARM_SECONDS:
            # The caches and threads of a process that waited for its turn are cold.
            first = timing.repeat(self._ways[way], 1)
            if first > QUICK_SECONDS:
                self._slow.add(way)
                if calls == 1:
                    return first
        seconds = timing.repeat(self._ways[way], calls)
        if seconds > QUICK_SECONDS * calls:
            self._slow.add(way)
        return seconds

    def forget(self) -> None:
        """Releases the arrays."""
        self._work, self._ways = None, {}
        gc.collect()


def serve(connection: Connection, target: str, threads: int) -> None:
    """Answers until the other side is gone. Garbage is collected between timings, never during one."""
    gc.disable()
    kind, made = attempt(start, target, threads)
    connection.send((kind, made.about() if kind == DONE else made))
    while kind == DONE:
        try:
            request, *arguments = connection.recv()
        except EOFError:
            return
        connection.send(attempt(getattr(made, request), *arguments))


def start(target: str, threads: int) -> Bench:
    """A bench with the engine that `module:Class` names."""
    module, _, name = target.partition(":")
    engine: Engine = getattr(importlib.import_module(module), name)(threads)
    return Bench(engine)


def attempt(action: Callable[..., Any], *arguments: Any) -> tuple[str, Any]:
    """The action's result, or its error in words."""
    try:
        return DONE, action(*arguments)
    except ModuleNotFoundError as error:
        return MISSING, str(error)
    except MemoryError as error:
        return NO_MEMORY, str(error)
    except Exception as error:  # noqa: BLE001  (an engine may raise anything; the driver reports it)
        return FAILED, "".join(traceback.format_exception(error))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[3])), sys.argv[1], int(sys.argv[2]))
