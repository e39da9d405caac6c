"""A lesson: a network, its loss, and samples split into a training part and a test part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import prograd
from prograd_experiments import config as read
from prograd_experiments import data, networks
from prograd_experiments.config import Config
from prograd_experiments.samples import Array, Data, Scaling

ACCURACY = "accuracy"
ERROR = "root mean square error in standard deviations"

Score = Callable[[Array, Array], float]


class Part(NamedTuple):
    """Some of the samples."""

    x: Array
    y: Array


class Lesson(NamedTuple):
    """All that training needs to know; it begins at `w`."""

    net: prograd.Network
    loss: prograd.Loss
    train: Part
    test: Part
    w: Array
    score: Score
    score_is: str


def prepare(config: Config) -> Lesson:
    """The lesson that a checked configuration describes. Raises a `ProgradError` if its parts don't fit."""
    samples = networks.fitted(data.load(config), config)
    seed, kind = read.integer(config, "seed", 0), networks.dtype(config)
    net = prograd.Network.from_config(networks.layers(config, samples), n_in=samples.features.shape[1])
    train, test = split(samples, read.fraction(config, "test_fraction"), seed, kind)
    w = net.init(np.random.default_rng(seed)).astype(kind)
    loss = networks.loss(config)
    networks.require_fit(net, loss, w, train.x, train.y)
    score, score_is = (accuracy, ACCURACY) if samples.task == "classification" else (error, ERROR)
    return Lesson(net, loss, train, test, w, score, score_is)


def split(samples: Data, test_fraction: float, seed: int, kind: np.dtype[Any]) -> tuple[Part, Part]:
    """The training part and the test part, shuffled by the seed and standardised by the training part alone."""
    order = np.random.default_rng([seed, len(samples.features)]).permutation(len(samples.features))
    cut = round(test_fraction * len(order))
    if len(order) - cut < 2:
        got = f"{test_fraction:g}, which leaves {len(order) - cut}"
        raise read.refused("test_fraction", "a fraction that leaves at least 2 samples to train on", got)
    test, train = order[:cut], order[cut:]
    x = Scaling.of(samples.features[train]).apply(samples.features)
    y = samples.targets
    if samples.task == "regression":
        y = Scaling.of(y[train]).apply(y)
    return Part(x[train].astype(kind), y[train].astype(kind)), Part(x[test].astype(kind), y[test].astype(kind))


def accuracy(z: Array, y: Array) -> float:
    """The fraction of samples with the right class; the sign of a single output tells two classes apart."""
    right = (z > 0) == (y > 0.5) if y.shape[1] == 1 else z.argmax(axis=1) == y.argmax(axis=1)
    return float(np.mean(right))


def error(z: Array, y: Array) -> float:
    """`√ mean (z − y)²`."""
    return float(np.sqrt(np.mean((z - y) ** 2)))
