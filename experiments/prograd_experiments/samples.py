"""Samples: features and targets as they were given, and in the form that an objective takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

import prograd
from prograd_experiments.config import refused

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
DataTask = Literal["classification", "regression"]
Image = tuple[int, int, int]


class Scaling(NamedTuple):
    """The map `(a − mean) / deviation` of each column; a constant column, and a missing value (NaN), become 0."""

    mean: Array
    deviation: Array

    @classmethod
    def of(cls, a: Array) -> Scaling:
        """The scaling that gives the columns of `a`, with at least one row, mean 0 and variance 1."""
        gaps = np.isnan(a)
        if not gaps.any():
            varies = np.ptp(a, axis=0) > 0  # rounding can make the deviation of a constant column positive
            return cls(a.mean(axis=0), np.where(varies, a.std(axis=0), 0.0))
        there = np.maximum((~gaps).sum(axis=0), 1)
        mean = np.where(gaps, 0.0, a).sum(axis=0) / there
        square = np.where(gaps, 0.0, (a - mean) ** 2).sum(axis=0) / there
        varies = np.max(a, axis=0, initial=-np.inf, where=~gaps) > np.min(a, axis=0, initial=np.inf, where=~gaps)
        return cls(mean, np.where(varies, np.sqrt(square), 0.0))

    def apply(self, a: Array) -> Array:
        """The columns of `a` (N, m), shifted and scaled."""
        scaled = np.asarray((a - self.mean) / np.where(self.deviation > 0, self.deviation, np.inf))
        scaled[np.isnan(scaled)] = 0.0
        return scaled

    def undo(self, a: Array) -> Array:
        """The columns `mean + deviation a`."""
        return np.asarray(self.mean + self.deviation * a)


@dataclass(frozen=True)
class Data:
    """Features (N, n_1) and targets (N, n_{L+1}) as given: one-hot for classes, numbers for a regression.

    A feature that is missing is NaN. `x` and `y` are what an objective takes. If samples are images, `image` is
    `(channels, height, width)`. `classes` names the columns of one-hot targets, `columns` the
    features, `target` what is predicted, and `told` says in a line what was read from a file.
    """

    name: str
    task: DataTask
    features: Array
    targets: Array
    image: Image | None = None
    classes: Sequence[str] = ()
    drawn: bool = False
    """Synthetic data is left as drawn. In other data, columns have mean 0 and variance 1, or are 0 if constant."""
    columns: Sequence[str] = ()
    target: str = "target"
    told: str = ""

    @cached_property
    def x(self) -> Array:
        """The features, standardised unless they were drawn."""
        return self.features if self.drawn else Scaling.of(self.features).apply(self.features)

    @cached_property
    def y(self) -> Array:
        """The targets, standardised if they are numbers, unless they were drawn."""
        if self.drawn or self.task == "classification":
            return self.targets
        return Scaling.of(self.targets).apply(self.targets)

    def take(self, batch: int | None, rng: np.random.Generator) -> tuple[Array, Array]:
        """`batch` samples, drawn without repetition; all of them in their order if `batch` is None."""
        if batch is None:
            return self.x, self.y
        if batch > len(self.features):
            raise refused("batch", f"at most the {len(self.features)} samples of the data set {self.name}", batch)
        rows = rng.choice(len(self.features), size=batch, replace=False)
        return self.x[rows], self.y[rows]


def of_classes(name: str, x: Array, labels: np.ndarray[Any, Any], image: Image | None = None) -> Data:
    """Samples with one label each, of any type; the classes are in the order of the sorted labels."""
    names, number = np.unique(labels, return_inverse=True)
    targets = prograd.one_hot(number, len(names))
    return Data(name, "classification", np.asarray(x, np.float64), targets, image, tuple(map(str, names)))


def of_numbers(name: str, x: Array, targets: Array) -> Data:
    """Samples with one number to predict, or a row of numbers."""
    return Data(
        name, "regression", np.asarray(x, np.float64), np.asarray(targets, np.float64).reshape(len(targets), -1)
    )
