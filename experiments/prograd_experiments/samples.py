"""Samples: features and targets as an objective takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import prograd
from prograd_experiments.errors import ConfigError

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
Task = Literal["classification", "regression"]
Image = tuple[int, int, int]


@dataclass(frozen=True)
class Data:
    """Features `x (N, n_1)` and targets `y (N, n_{L+1})`: one-hot for classes, numbers for a regression.

    Features of real data and files, and their targets in a regression, have mean 0 and variance 1 in each column;
    constant columns are 0. Synthetic ones are as they are drawn.
    `image` is `(channels, height, width)` where a sample is one.
    """

    name: str
    task: Task
    x: Array
    y: Array
    image: Image | None = None

    def take(self, batch: int | None, rng: np.random.Generator) -> tuple[Array, Array]:
        """`batch` samples, drawn without repetition; all of them in their order when `batch` is None."""
        if batch is None:
            return self.x, self.y
        if batch > len(self.x):
            raise ConfigError(f"batch={batch}: the data set {self.name} has {len(self.x)} samples")
        rows = rng.choice(len(self.x), size=batch, replace=False)
        return self.x[rows], self.y[rows]


def of_classes(name: str, x: Array, labels: np.ndarray[Any, Any], image: Image | None = None) -> Data:
    """Samples with a label each, of whatever kind; classes are in the order of the sorted labels."""
    _, number = np.unique(labels, return_inverse=True)
    return Data(name, "classification", standardised(x), prograd.one_hot(number, int(number.max()) + 1), image)


def of_numbers(name: str, x: Array, targets: Array) -> Data:
    """Samples with a number to predict, or a row of them."""
    return Data(name, "regression", standardised(x), standardised(targets.reshape(len(targets), -1)))


def standardised(a: Array, like: Array | None = None) -> Array:
    """The columns with mean 0 and variance 1, or with what gives them to `like`; a constant column is 0."""
    a = np.asarray(a, dtype=np.float64)
    seen = a if like is None else like
    varies = np.ptp(seen, axis=0) > 0  # the deviation of a constant column is rounding, not always 0
    return np.asarray(np.where(varies, (a - seen.mean(axis=0)) / np.where(varies, seen.std(axis=0), 1.0), 0.0))
