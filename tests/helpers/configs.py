"""Configurations of jobs that take a few milliseconds."""

from __future__ import annotations

from typing import Any

from prograd_experiments.peers.experiment import Peers
from prograd_experiments.training.experiment import Training

CONFIG: dict[str, Any] = {
    "experiment": {"name": "speed_gap"},
    "network": {"name": "mlp", "final": None},
    "data": {"name": "synthetic", "task": "regression", "samples": 5, "features": 3, "outputs": 2},
    "loss": {"name": "default"},
    "depth": 2,
    "width": 3,
    "activation": "tanh",
    "batch": 2,
    "seed": 0,
    "dtype": "float64",
    "threads": 1,
    "modes": ["forward", "reverse"],
    "repeats": 3,
    "sample_seconds": 1e-4,
    "max_seconds": 1,
}
"""A job of the speed gap that takes a few milliseconds."""

PEERS_CONFIG: dict[str, Any] = {
    "experiment": {"name": "peers"},
    "point": None,
    "task": None,
    "depth": None,
    "width": None,
    "batch": None,
    "dtype": "float64",
    "seed": 0,
    "engines": ["floor", "prograd", "numpy"],
    "threads": 1,
    "repeats": 3,
    "sample_seconds": 1e-4,
    "rest_seconds": 1e-3,
    "engine_seconds": 1.0,
    "limit_seconds": 10.0,
    "prepare_seconds": 60.0,
    "memory_gib": 4.0,
}
"""A comparison of the engines that are always installed; a test adds the point."""

CSV: dict[str, Any] = {
    "name": "csv",
    "target": None,
    "task": None,
    "delimiter": None,
    "decimal": None,
    "heading": None,
    "missing": None,
    "categories": [],
    "leave_out": [],
}
"""A table; a test adds its path."""

GD = {"name": "gradient_descent", "rate": 0.2}
SGD = {"name": "sgd", "rate": 0.1, "momentum": 0.9, "batch": 7}
ADAM = {"name": "adam", "rate": 0.05, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "batch": 7}
LBFGS = {"name": "lbfgs", "iterations": 3, "memory": 5}

TRAIN_CONFIG: dict[str, Any] = {
    "experiment": {"name": "train"},
    "network": {"name": "mlp", "final": None},
    "data": {"name": "synthetic", "task": "classification", "samples": 40, "features": 3, "outputs": 3},
    "loss": {"name": "default"},
    "optimizer": GD,
    "depth": 2,
    "width": 4,
    "activation": "tanh",
    "seed": 0,
    "dtype": "float64",
    "threads": 1,
    "mode": "reverse",
    "epochs": 6,
    "test_fraction": 0.25,
    "validation_fraction": 0.2,
    "evaluate_every": 1,
    "checkpoint_seconds": 0,
    "frozen": [],
    "start": None,
}
"""A training run that takes a few milliseconds."""


def peers_config(point: str, **keys: Any) -> dict[str, Any]:
    return dict(Peers().check(PEERS_CONFIG | {"point": point} | keys))


def train_config(**changes: Any) -> dict[str, Any]:
    return dict(Training().check(TRAIN_CONFIG | changes))
