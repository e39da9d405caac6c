"""Configurations of small jobs, and records that no machine made, so that every number in them is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prograd_experiments import records
from prograd_experiments.peers import measure
from prograd_experiments.speed_gap.measure import gaps
from prograd_experiments.training import settings

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
"""A comparison of engines that are always there; the point is yet to come."""

GD = {"name": "gradient_descent", "rate": 0.2}
SGD = {"name": "sgd", "rate": 0.1, "momentum": 0.9, "batch": 7}
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
    "evaluate_every": 1,
    "checkpoint_seconds": 0,
    "start": None,
}
"""A training of a few milliseconds."""

ENVIRONMENT: dict[str, Any] = {
    "python": "3.12.0",
    "packages": {"prograd": "0.1.0", "numpy": "2.0.0"},
    "plugins": [{"name": "layers", "distribution": "prograd", "version": "0.1.0"}],
    "git": {"revision": "0" * 40, "dirty": True},
    "blas": [{"name": "openblas", "version": "0.3", "kernel": "Zen", "threads": 1}],
    "platform": "Linux",
    "cpu": "A <fast> processor",
    "cores": 4,
    "cores_available": 2,
}


def peers_config(point: str, **keys: Any) -> dict[str, Any]:
    return dict(measure.check(PEERS_CONFIG | {"point": point} | keys))


def train_config(**changes: Any) -> dict[str, Any]:
    return dict(settings.check(TRAIN_CONFIG | changes))


def record(depth: int, width: int, forward: float, reverse: float, **config: Any) -> dict[str, Any]:
    samples = {"forward": [forward * f for f in (0.9, 1.0, 1.2)], "reverse": [reverse * f for f in (0.9, 1.0, 1.2)]}
    counts = {"forward": depth * width**3, "reverse": depth * width}
    return {
        "schema": records.SCHEMA,
        "experiment": "speed_gap",
        "status": "complete",
        "config": {
            "experiment": {"name": "speed_gap"},
            "depth": depth,
            "width": width,
            "activation": "tanh",
            "data": {"name": "digits"},
            "network": {"name": "mlp", "final": None},
            "loss": {"name": "softmax_cross_entropy"},
            "batch": 1,
            "seed": 0,
            "dtype": "float64",
            "threads": 1,
            "modes": ["forward", "reverse"],
        }
        | config,
        "config_hash": f"{depth}-{width}-{config}",
        "error": None,
        "environment": ENVIRONMENT,
        "problem": {"samples": config.get("batch", 1), "parameters": 7},
        "agreement": {"relative_difference": 1e-16},
        "samples": samples,
        "median": {mode: float(np.median(values)) for mode, values in samples.items()},
        "spread": {"forward": 0.15 * forward, "reverse": 0.15 * reverse},
        "multiply_adds": counts,
        **gaps(samples, counts),
    }


def failed(depth: int, width: int) -> dict[str, Any]:
    whole = record(depth, width, 1, 1)
    error = {"type": "MemoryError", "message": "too <large>", "traceback": "Traceback …\nMemoryError: too <large>"}
    kept = {key: whole[key] for key in ("schema", "experiment", "config", "config_hash")}
    return kept | {"status": "failed", "error": error}


def lay_out(directory: Path, made: list[dict[str, Any]]) -> Path:
    for number, one in enumerate(made):
        folder = directory / f"job{number}"
        folder.mkdir()
        records.write(folder, one)
    return directory
