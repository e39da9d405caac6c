"""What every engine is given: the arrays of one point. Engines import this and, prograd's own apart, no prograd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
Task = Literal["reverse", "forward", "jacobian", "per_sample"]
Layers = Sequence[tuple[Any, Any]]

TASKS: tuple[Task, ...] = get_args(Task)


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
    """A result as numpy arrays, to be compared: the derivative's last axis is in the order of `w`, newest layer first.

    `value` is None where the call did not give it.
    """

    value: float | None
    derivative: Array


def in_order(parts: Layers, leading: tuple[int, ...] = ()) -> Array:
    """What belongs to each layer's `W` and `b`, in the order of application, as `(*leading, size)`."""
    pieces = [np.asarray(part).reshape(*leading, -1) for layer in reversed(parts) for part in layer]
    return np.concatenate(pieces, axis=-1)
