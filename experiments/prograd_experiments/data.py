"""The data sets: real ones that scikit-learn ships, read offline, and a synthetic one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

import prograd
from prograd_experiments import config as read
from prograd_experiments.errors import ConfigError

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Data:
    """Features `x (N, n_1)` and targets `y (N, n_{L+1})`: one-hot for classes, numbers for a regression.

    Features, and the targets of a regression, have mean 0 and variance 1 in each column; constant columns are 0.
    """

    name: str
    task: Task
    x: Array
    y: Array

    def take(self, batch: int | None, rng: np.random.Generator) -> tuple[Array, Array]:
        """`batch` samples, drawn without repetition; all of them in their order when `batch` is None."""
        if batch is None:
            return self.x, self.y
        if batch > len(self.x):
            raise ConfigError(f"batch={batch}: the data set {self.name} has {len(self.x)} samples")
        rows = rng.choice(len(self.x), size=batch, replace=False)
        return self.x[rows], self.y[rows]


@cache
def _sklearn(name: str, task: Task) -> Data:
    # scikit-learn takes a second to import: whoever reads no data, as `prograd collect`, need not wait for it.
    from sklearn import datasets  # noqa: PLC0415

    x, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    y = prograd.one_hot(target, int(target.max()) + 1) if task == "classification" else _standardised(target[:, None])
    return Data(name, task, _standardised(x), y)


def _real(name: str, task: Task) -> Callable[[read.Config], Data]:
    def load(config: read.Config) -> Data:
        read.known_keys(config["data"], ("name",), "data.")
        return _sklearn(name, task)

    return load


def _synthetic(config: read.Config) -> Data:
    read.known_keys(config["data"], ("name", "task", "samples", "features", "outputs"), "data.")
    task = read.choice(config, "data.task", ("classification", "regression"))
    samples = read.integer(config, "data.samples", 1)
    features = read.integer(config, "data.features", 1)
    outputs = read.integer(config, "data.outputs", 1)
    rng = np.random.default_rng(read.integer(config, "seed", 0))
    x = rng.normal(size=(samples, features))
    scores = x @ rng.normal(size=(features, outputs)) / np.sqrt(features) + 0.1 * rng.normal(size=(samples, outputs))
    if task == "classification":
        return Data("synthetic", "classification", x, prograd.one_hot(scores.argmax(axis=1), outputs))
    return Data("synthetic", "regression", x, scores)


def _standardised(a: Array) -> Array:
    spread = a.std(axis=0)
    return np.asarray((a - a.mean(axis=0)) / np.where(spread > 0, spread, 1.0), dtype=np.float64)


DATA: Mapping[str, Callable[[read.Config], Data]] = MappingProxyType(
    {
        "digits": _real("digits", "classification"),
        "iris": _real("iris", "classification"),
        "wine": _real("wine", "classification"),
        "breast_cancer": _real("breast_cancer", "classification"),
        "diabetes": _real("diabetes", "regression"),
        "synthetic": _synthetic,
    }
)


def load(config: read.Config) -> Data:
    """The data set that `data.name` names."""
    return DATA[read.choice(config, "data.name", tuple(DATA))](config)
