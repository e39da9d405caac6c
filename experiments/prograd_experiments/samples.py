"""Samples: features and targets in the form that an objective takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import prograd
from prograd_experiments.config import refused

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
DataTask = Literal["classification", "regression"]
Image = tuple[int, int, int]


@dataclass(frozen=True)
class Data:
    """Features `x (N, n_1)` and targets `y (N, n_{L+1})`: one-hot for classes, numbers for a regression.

    In real data and files, each column of the features, and of a regression's targets, has mean 0 and variance 1, or is
    0 if it is constant. Synthetic data is left as drawn. If samples are images, `image` is `(channels, height, width)`.
    """

    name: str
    task: DataTask
    x: Array
    y: Array
    image: Image | None = None

    def take(self, batch: int | None, rng: np.random.Generator) -> tuple[Array, Array]:
        """`batch` samples, drawn without repetition; all of them in their order if `batch` is None."""
        if batch is None:
            return self.x, self.y
        if batch > len(self.x):
            raise refused("batch", f"at most the {len(self.x)} samples of the data set {self.name}", batch)
        rows = rng.choice(len(self.x), size=batch, replace=False)
        return self.x[rows], self.y[rows]


def of_classes(name: str, x: Array, labels: np.ndarray[Any, Any], image: Image | None = None) -> Data:
    """Samples with one label each, of any type; the classes are in the order of the sorted labels."""
    _, number = np.unique(labels, return_inverse=True)
    return Data(name, "classification", standardised(x), prograd.one_hot(number, int(number.max()) + 1), image)


def of_numbers(name: str, x: Array, targets: Array) -> Data:
    """Samples with one number to predict, or a row of numbers."""
    return Data(name, "regression", standardised(x), standardised(targets.reshape(len(targets), -1)))


def standardised(a: Array, like: Array | None = None) -> Array:
    """The columns shifted and scaled so that `like` (default `a`) has mean 0 and variance 1; a constant column is 0."""
    a = np.asarray(a, dtype=np.float64)
    seen = a if like is None else like
    varies = np.ptp(seen, axis=0) > 0  # rounding can make the deviation of a constant column positive
    return np.asarray(np.where(varies, (a - seen.mean(axis=0)) / np.where(varies, seen.std(axis=0), 1.0), 0.0))
