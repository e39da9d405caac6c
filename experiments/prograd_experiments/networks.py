"""From a configuration to the network, the loss and the objective that it describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import prograd
from prograd.errors import ProgradError
from prograd_experiments import config as read
from prograd_experiments.data import Data, load
from prograd_experiments.errors import ConfigError

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
LayerConfig = dict[str, Any]

DEFAULT_LOSSES = MappingProxyType({"classification": "softmax_cross_entropy", "regression": "squared_error"})
KEYS = ("depth", "width", "activation", "batch", "seed", "dtype", "network", "data", "loss")


class Problem(NamedTuple):
    """What a gradient is computed of, and the point `w` at which."""

    net: prograd.Network
    loss: prograd.Loss
    x: Array
    y: Array
    w: Array

    @property
    def objective(self) -> prograd.Objective:
        """The mean loss `f` over the samples."""
        return prograd.Objective(self.net, self.loss, self.x, self.y)


def check(config: read.Config) -> dict[str, Any]:
    """The configuration with the loss that `default` stands for, so that equal problems have equal configurations.

    Raises `ConfigError` for names and values that can't be used. Whether the parts fit each other (a batch larger than
    the data, a loss that wants probabilities) is for the job to find out: one misfit must not stop a whole sweep.
    """
    data = load(config)
    if read.get(config, "loss").get("name") == "default":
        read.known_keys(config["loss"], ("name",), "loss.")
        config = {**config, "loss": {"name": DEFAULT_LOSSES[data.task]}}
    _layers(config, data)
    _loss(config)
    _batch(config)
    _dtype(config)
    read.integer(config, "seed", 0)
    return dict(config)


def build(config: read.Config) -> Problem:
    """The problem that a checked configuration describes. Raises a `ProgradError` where its parts don't fit."""
    data = load(config)
    net = prograd.Network.from_config(_layers(config, data), n_in=data.x.shape[1])
    rng = np.random.default_rng(read.integer(config, "seed", 0))
    x, y = data.take(_batch(config), rng)
    dtype = _dtype(config)
    return Problem(net, _loss(config), x.astype(dtype), y.astype(dtype), net.init(rng).astype(dtype))


def _layers(config: read.Config, data: Data) -> list[LayerConfig]:
    return NETWORKS[read.choice(config, "network.name", tuple(NETWORKS))](config, data.y.shape[1])


def _loss(config: read.Config) -> prograd.Loss:
    options = dict(read.get(config, "loss"))
    name = read.one_of("loss", options.pop("name", None), tuple(prograd.registry().losses))
    try:
        return prograd.loss(name, **options)
    except ProgradError as error:
        raise ConfigError(f"loss={name}: {error}") from error


def _batch(config: read.Config) -> int | None:
    return None if read.get(config, "batch") is None else read.integer(config, "batch", 1)


def _dtype(config: read.Config) -> np.dtype[np.floating[Any]]:
    return np.dtype(read.choice(config, "dtype", ("float64", "float32")))


def mlp(config: read.Config, n_out: int) -> list[LayerConfig]:
    """`depth` affine layers with `activation` between them: all of `width` outputs but the last, which has `n_out`."""
    read.known_keys(config["network"], ("name", "final"), "network.")
    depth, width = read.integer(config, "depth", 1), read.integer(config, "width", 1)
    hidden = [{"name": "affine", "width": width}, activation(config, "activation", width)]
    final = read.get(config, "network.final")
    last = [] if final is None else [activation(config, "network.final", n_out)]
    return [*hidden * (depth - 1), {"name": "affine", "width": n_out}, *last]


NETWORKS: Mapping[str, Callable[[read.Config, int], list[LayerConfig]]] = MappingProxyType({"mlp": mlp})


def activation(config: read.Config, key: str, n: int) -> LayerConfig:
    """The layer at `key`, a name or `{name: …, option: …}`: registered, without parameters, from `n` to `n`."""
    value = read.get(config, key)
    described = {"name": value} if isinstance(value, str) else value
    if not isinstance(described, dict) or not isinstance(described.get("name"), str):
        raise ConfigError(f"{key}={read.show(value)}: a layer's name or {{name: …, option: …}} was expected")
    name = described["name"]
    if name not in prograd.registry().layers:
        raise ConfigError(f"{key}={name} is not known{read.offer(name, activations())}")
    try:
        layer = prograd.layer(name, **{option: given for option, given in described.items() if option != "name"})
        n_out, parameters = layer.shapes(n)
    except ProgradError as error:
        raise ConfigError(f"{key}={name}: {error}. Choices that need no options: {', '.join(activations())}") from error
    if parameters or n_out != n:
        what = f"has parameters ({', '.join(parameters)})" if parameters else f"maps {n} numbers to {n_out}"
        raise ConfigError(f"{key}={name}: this layer {what}. Choices: {', '.join(activations())}")
    return described


def activations() -> tuple[str, ...]:
    """The registered layers that can stand between affine layers without options: no parameters, size kept."""
    return tuple(name for name, cls in prograd.registry().layers.items() if _fits_anywhere(cls))


def _fits_anywhere(cls: type[prograd.Layer]) -> bool:
    try:
        return cls().shapes(3) == (3, {})
    except Exception:  # noqa: BLE001  (a layer that needs options, or refuses this size, is no choice by name alone)
        return False
