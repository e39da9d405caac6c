"""A lesson: a network, its loss, and samples split into the parts for training, validation and testing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import prograd
from prograd_experiments import config as read
from prograd_experiments import data, networks
from prograd_experiments.config import Config
from prograd_experiments.errors import ConfigError
from prograd_experiments.samples import Array, Data, Scaling
from prograd_experiments.training.scores import ACCURACY, R_SQUARED

BALANCED = "balanced"
Score = Callable[[Array, Array], float]


class Part(NamedTuple):
    """Some of the samples."""

    x: Array
    y: Array


class Split(NamedTuple):
    """Three parts of the samples, scaled by the first alone; targets that are classes have no scaling."""

    train: Part
    validation: Part
    test: Part
    features: Scaling
    targets: Scaling | None


class Lesson(NamedTuple):
    """All that training needs to know; it begins at `w`. `layers` are the configurations of the network's layers.

    What is minimised is the mean loss, with weights by class and a penalty if there are any. `trained` are the layers
    whose parameters change; None is all that have any.
    """

    layers: list[dict[str, Any]]
    net: prograd.Network
    loss: prograd.Loss
    split: Split
    w: Array
    samples: Data
    score: Score
    score_is: str
    penalty: prograd.Penalty | None
    weights: Mapping[int, float] | None
    trained: list[int] | None

    def objective(self, part: Part) -> prograd.Objective:
        """What is minimised, of some of the samples."""
        return prograd.Objective(self.net, self.loss, part.x, part.y, self.weights, self.penalty)

    def in_place(self, gradient: Array) -> Array:
        """The gradient by the parameters of the trained layers, with zeros for all others."""
        if self.trained is None:
            return gradient
        whole = np.zeros(self.net.size, gradient.dtype)
        whole[self.net.entries(self.trained)] = gradient
        return whole

    def held(self, a: Array) -> Array:
        """What an optimizer remembers of `w`, without that of layers that don't change."""
        return a if self.trained is None else self.in_place(a[self.net.entries(self.trained)])

    @property
    def train(self) -> Part:
        """The part that is trained on."""
        return self.split.train

    def error(self, z: Array, y: Array) -> float | None:
        """`√ mean (z − y)²` in the target's units; None for classes."""
        if self.split.targets is None:
            return None
        return float(np.sqrt(np.mean((self.split.targets.deviation * (z - y)) ** 2)))


def prepare(config: Config) -> Lesson:
    """The lesson that a checked configuration describes. Raises a `ProgradError` if its parts don't fit."""
    samples = networks.fitted(data.load(config), config)
    seed, kind = read.integer(config, "seed", 0), networks.dtype(config)
    layers = networks.layers(config, samples)
    net = prograd.Network.from_config(layers, n_in=samples.features.shape[1])
    fractions = read.fraction(config, "test_fraction"), read.fraction(config, "validation_fraction")
    parts = split(samples, *fractions, np.random.default_rng([seed, len(samples.features)]), kind)
    _require_whole_batches(config, len(parts.train.x))
    w = net.init(np.random.default_rng(seed)).astype(kind)
    loss = networks.loss(config)
    networks.require_fit(net, loss, w, *parts.train)
    score, score_is = (accuracy, ACCURACY) if samples.task == "classification" else (r_squared, R_SQUARED)
    penalty, trained = networks.penalty(config), _trained(net, config["frozen"])
    weights = _class_weights(config.get("weights"), samples, parts.train.y)
    lesson = Lesson(layers, net, loss, parts, w, samples, score, score_is, penalty, weights, trained)
    if penalty is not None:
        with read.isolated(f"penalty={config['penalty']['name']}"):  # it may be for layers that there are not
            lesson.objective(parts.train)
        _require_trained(net, penalty, trained)
    return lesson


def _class_weights(given: str | list[float] | None, samples: Data, y: Array) -> dict[int, float] | None:
    """By class; `BALANCED` is `N/(K N_k)` of the training part, with which each of its K classes weighs as much."""
    if given is None:
        return None
    if samples.task != "classification":
        raise read.refused("weights", "no value, since the targets are no classes", given)
    counts = (np.c_[1 - y, y] if y.shape[1] == 1 else y).sum(axis=0)
    if given == BALANCED:
        each = len(y) / np.count_nonzero(counts) / np.maximum(counts, 1)
        return dict(enumerate(map(float, each)))
    if len(given) != len(counts):
        raise read.refused("weights", f"a number for each of {len(counts)} classes", given)
    return dict(enumerate(map(float, given)))


def _require_trained(net: prograd.Network, penalty: prograd.Penalty, trained: list[int] | None) -> None:
    if trained is not None and penalty.layers is not None:
        of = {k % len(net.layers) for k in penalty.layers}
        if not of & set(trained):
            raise read.refused("penalty.layers", f"a layer that is not frozen ({trained})", list(penalty.layers))


def _trained(net: prograd.Network, frozen: list[int]) -> list[int] | None:
    if not frozen:
        return None
    kept = {i for i, some in enumerate(net.names(frozen, "frozen")) if some}
    trained = [i for i, r_i in enumerate(net.r) if r_i and i not in kept]
    if not trained:
        raise ConfigError(f"frozen: expected to leave a layer with parameters, got {frozen}, which are all of them")
    return trained


def _require_whole_batches(config: Config, samples: int) -> None:
    batch = config["optimizer"].get("batch", 1)
    if batch > samples:
        hint = f"optimizer.batch={samples} takes all of them for each step"
        raise read.refused("optimizer.batch", f"at most the {samples} samples of the training part", batch, hint)


def split(
    samples: Data, test_fraction: float, validation_fraction: float, rng: np.random.Generator, kind: np.dtype[Any]
) -> Split:
    """The parts, shuffled by the generator: the test part is the same for any validation part."""
    count = len(samples.features)
    order = rng.permutation(count)
    testing, validating = round(test_fraction * count), round(validation_fraction * count)
    if count - testing - validating < 2:
        got = f"{test_fraction:g} and {validation_fraction:g}, which leave {max(count - testing - validating, 0)}"
        keys = "test_fraction, validation_fraction"
        raise ConfigError(f"{keys}: expected fractions that leave at least 2 of {count} samples to train on, got {got}")
    rows = {"test": order[:testing], "validation": order[testing:][:validating], "train": order[testing + validating :]}
    features = Scaling.of(samples.features[rows["train"]])
    targets = Scaling.of(samples.targets[rows["train"]]) if samples.task == "regression" else None

    def part(name: str) -> Part:
        y = samples.targets[rows[name]]
        x = features.apply(samples.features[rows[name]]).astype(kind)
        return Part(x, (y if targets is None else targets.apply(y)).astype(kind))

    return Split(part("train"), part("validation"), part("test"), features, targets)


def accuracy(z: Array, y: Array) -> float:
    """The fraction of samples with the right class; the sign of a single output tells two classes apart."""
    right = (z > 0) == (y > 0.5) if y.shape[1] == 1 else z.argmax(axis=1) == y.argmax(axis=1)
    return float(np.mean(right))


def r_squared(z: Array, y: Array) -> float:
    """`1 − Σ (z − y)² / Σ (y − ȳ)²`, the mean over the outputs: 1 is exact, 0 as good as predicting the mean `ȳ`."""
    return float(np.mean(1 - np.sum((z - y) ** 2, axis=0) / np.sum((y - y.mean(axis=0)) ** 2, axis=0)))
