"""What an engine is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from prograd_experiments.peers.given import Given, Numbers, Task

Ways = Mapping[str, Callable[[], Any]]


class Engine(ABC):
    """One way, or several, to compute each task. Meant to be subclassed; made once in its process."""

    distributions: ClassVar[tuple[str, ...]]
    compiles: ClassVar[bool] = False

    def __init__(self, threads: int) -> None:
        self.threads = threads

    @abstractmethod
    def ways(self, task: Task, given: Given) -> Ways:
        """The calls to time, ready to run; none where the engine has no such task.

        A call has no arguments, ends when its result is there, and gives new memory each time. One named "" is what
        the engine does by itself; others are choices that a user has.
        """

    @abstractmethod
    def numbers(self, task: Task, given: Given, result: Any) -> Numbers | None:
        """A call's result, to be compared; None for an engine that computes nothing of use."""
