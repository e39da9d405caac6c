"""What can be set for training, and how it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import prograd
from prograd_experiments import config as read
from prograd_experiments import files, networks
from prograd_experiments.config import Config
from prograd_experiments.errors import ConfigError

OWN = (
    "optimizer",
    "mode",
    "epochs",
    "test_fraction",
    "evaluate_every",
    "checkpoint_seconds",
    "start",
    "start_sha256",
    "threads",
)
KEYS = ("experiment", *(key for key in networks.KEYS if key != "batch"), *OWN)
OTHERS: Mapping[str, Any] = MappingProxyType({"modes": ["forward", "reverse"], "batch": 1})
"""Keys of other experiments, and what they are when nobody has set them."""

INSTEAD = MappingProxyType({"modes": "mode", "batch": "optimizer.batch"})
OPTIMIZERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"gradient_descent": ("rate",), "sgd": ("rate", "momentum", "batch"), "lbfgs": ("iterations", "memory")}
)
MODES = (*prograd.MODES, "auto")


def check(config: Config) -> Config:
    """The configuration with its loss settled. Raises `ConfigError` for keys, names and values that can't be used."""
    for key, unset in OTHERS.items():
        if config.get(key, unset) != unset:
            value = read.show(config[key])
            raise ConfigError(f"{key}={value}: means nothing to experiment=train; {INSTEAD[key]}= sets that here")
    read.known_keys(config, (*KEYS, *OTHERS))
    read.known_keys(config["experiment"], ("name",), "experiment.")
    name = read.choice(config, "optimizer.name", tuple(OPTIMIZERS))
    read.known_keys(config["optimizer"], ("name", *OPTIMIZERS[name]), "optimizer.")
    for key in set(OPTIMIZERS[name]) & {"batch", "iterations", "memory"}:
        read.integer(config, f"optimizer.{key}", 1)
    if "rate" in OPTIMIZERS[name]:
        read.positive(config, "optimizer.rate")
    if "momentum" in OPTIMIZERS[name]:
        fraction(config, "optimizer.momentum")
    read.choice(config, "mode", MODES)
    read.integer(config, "epochs", 1)
    read.integer(config, "evaluate_every", 1)
    read.integer(config, "threads", 1)
    fraction(config, "test_fraction")
    seconds = read.get(config, "checkpoint_seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise ConfigError(f"checkpoint_seconds={read.show(seconds)}: a number of at least 0 was expected")
    if read.get(config, "start") is not None:  # another checkpoint at the same path is another configuration
        config = {**config, "start_sha256": files.sha256(config, "start")}
    whole = networks.check({**config, "batch": None})
    return {key: whole[key] for key in KEYS if key in whole}


def fraction(config: Config, key: str) -> float:
    """The number from 0 up to, but not including, 1 at `key`."""
    value = read.get(config, key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ConfigError(f"{key}={read.show(value)}: a number from 0 up to, but not including, 1 was expected")
    return float(value)
