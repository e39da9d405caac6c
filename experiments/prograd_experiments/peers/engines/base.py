"""What an engine is, what it is given, and what it returns. Of prograd, only prograd's own engine imports more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, get_args

import numpy as np

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
Task = Literal["reverse", "forward", "jacobian", "per_sample", "clipped", "last", "hessian"]
Layers = Sequence[tuple[Any, Any]]
Ways = Mapping[str, Callable[[], Any]]

TASKS: tuple[Task, ...] = get_args(Task)
MAX_NORM: Final = 1.0  # to which "clipped" clips the gradient of each sample; most are longer


@dataclass(frozen=True)
class Given:
    """A chain of affine layers `(W, b)` with tanh between them, samples `x (N, n)` and one-hot labels `y (N, n)`.

    The objective is the mean softmax cross-entropy.
    """

    layers: Sequence[tuple[Array, Array]]
    x: Array
    y: Array

    def astype(self, dtype: np.dtype[Any]) -> Given:
        """The same numbers in another type."""
        layers = [(W.astype(dtype), b.astype(dtype)) for W, b in self.layers]
        return Given(layers, self.x.astype(dtype), self.y.astype(dtype))

    @property
    def width(self) -> int:
        """Inputs and outputs of every layer."""
        return int(self.x.shape[1])


@dataclass(frozen=True)
class Numbers:
    """A result as numpy arrays, for comparison: the derivative's last axis is in the order of `w`, newest layer first.

    `value` is None if the call did not compute it.
    """

    value: float | None
    derivative: Array


class Engine(ABC):
    """One or several ways to compute each task. Meant to be subclassed; made once in its process.

    `compiles` says that first calls take long, `warm_up_calls` how many do other work than later ones.
    """

    distributions: ClassVar[tuple[str, ...]]
    compiles: ClassVar[bool] = False
    warm_up_calls: ClassVar[int] = 0

    def __init__(self, threads: int) -> None:
        self.threads = threads

    @abstractmethod
    def ways(self, task: Task, given: Given) -> Ways:
        """The calls to time, ready to run; none if the engine can't do the task.

        A call has no arguments, ends when its result is complete, and returns new memory each time. The way named ""
        is what the engine does by itself; the others are choices that a user has.
        """

    @abstractmethod
    def numbers(self, task: Task, given: Given, result: Any) -> Numbers | None:
        """A call's result, for comparison; None for an engine that computes no result."""


def in_order(parts: Layers, leading: tuple[int, ...] = ()) -> Array:
    """The arrays that belong to each layer's `W` and `b`, in the order of application, as `(*leading, size)`."""
    pieces = [np.asarray(part).reshape(*leading, -1) for layer in reversed(parts) for part in layer]
    return np.concatenate(pieces, axis=-1)
