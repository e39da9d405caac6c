"""Records in which every number is chosen by the test instead of measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from prograd_experiments import records
from prograd_experiments.config import config_hash
from prograd_experiments.speed_gap.experiment import gaps

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


def record(depth: int, width: int, forward: float, reverse: float, **config: Any) -> dict[str, Any]:
    timings = {"forward": [forward * f for f in (0.9, 1.0, 1.2)], "reverse": [reverse * f for f in (0.9, 1.0, 1.2)]}
    counts = {"forward": depth * width**3, "reverse": depth * width}
    predicted = {"forward": forward / 2, "reverse": reverse}
    whole = {
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
    } | config
    return {
        "schema": records.SCHEMA,
        "experiment": "speed_gap",
        "status": "complete",
        "config": whole,
        "config_hash": config_hash(whole),
        "error": None,
        "environment": ENVIRONMENT,
        "problem": {"samples": config.get("batch", 1), "parameters": 7},
        "agreement": {"relative_difference": 1e-16},
        "timings": timings,
        "median": {mode: float(np.median(values)) for mode, values in timings.items()},
        "spread": {"forward": 0.15 * forward, "reverse": 0.15 * reverse},
        "multiply_adds": counts,
        "predicted_seconds": predicted,
        **gaps(timings, counts, predicted),
    }


def of_schema_2(new: dict[str, Any]) -> dict[str, Any]:
    """The record as it was when only multiply-adds were predicted."""
    names = {"multiply_adds_gap": "predicted_gap"}
    left_out = {"predicted_seconds", "predicted_time_gap"}
    old = {names.get(key, key): value for key, value in new.items() if key not in left_out}
    old["gaps"] = {
        mode: {"median": gap["median"], "spread": gap["spread"], "predicted": gap["multiply_adds"]}
        for mode, gap in new["gaps"].items()
    }
    return old | {"schema": "prograd.record/2"}


def failed(depth: int, width: int, **config: Any) -> dict[str, Any]:
    whole = record(depth, width, 1, 1, **config)
    error = {"type": "MemoryError", "message": "too <large>", "traceback": "Traceback …\nMemoryError: too <large>"}
    kept = {key: whole[key] for key in ("schema", "experiment", "config", "config_hash")}
    return kept | {"status": "failed", "error": error}


def failed_training() -> dict[str, Any]:
    config = {"experiment": {"name": "train"}, "epochs": 3}
    its = {"experiment": "train", "config": config, "config_hash": config_hash(config)}
    return failed(2, 8) | its


def lay_out(directory: Path, made: list[dict[str, Any]]) -> Path:
    for number, one in enumerate(made):
        folder = directory / f"job{number}"
        folder.mkdir()
        records.write(folder, one)
    return directory
