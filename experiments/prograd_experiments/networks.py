"""From a configuration to the network, the loss and the objective that it describes."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np

import prograd
from prograd.errors import LabelError
from prograd_experiments import config as read
from prograd_experiments.architectures import NETWORKS
from prograd_experiments.data import load, settled
from prograd_experiments.errors import ConfigError
from prograd_experiments.repeated import LayerConfig, described
from prograd_experiments.samples import Array, Data

DEFAULT_LOSSES = MappingProxyType({"classification": "softmax_cross_entropy", "regression": "squared_error"})
BY_CLASSES = "by_classes"
SHAPE = ("depth", "width", "activation")
SOME = 16  # samples, which show whether a loss fits
KEYS = ("depth", "width", "activation", "batch", "seed", "dtype", "network", "data", "loss")


class Problem(NamedTuple):
    """A network, a loss, samples, and the parameters `w` at which the gradient is computed."""

    net: prograd.Network
    loss: prograd.Loss
    x: Array
    y: Array
    w: Array

    @property
    def objective(self) -> prograd.Objective:
        """The mean loss `f` over the samples."""
        return prograd.Objective(self.net, self.loss, self.x, self.y)

    def described(self) -> dict[str, Any]:
        """The problem as a record holds it: layers, sizes, parameters, samples, loss and type."""
        return {
            "layers": [layer.name for layer in self.net.layers],
            "n": [int(n) for n in self.net.n],
            "r": [int(r) for r in self.net.r],
            "parameters": int(self.net.size),
            "samples": len(self.x),
            "loss": self.loss.name,
            "dtype": str(self.w.dtype),
        }


def check(config: read.Config) -> dict[str, Any]:
    """The configuration with the loss that `default` stands for, so that equal problems have equal configurations.

    Raises `ConfigError` for names and values that can't be used. Whether the parts fit together (a batch larger than
    the data, a loss that expects probabilities) is left to the job: one misfit must not stop a whole sweep.
    """
    _batch(config)  # first: an experiment may draw as many samples
    data = load(config)
    config = _with_layer(settled(config))
    name = read.get(config, "loss").get("name")
    if name in {"default", BY_CLASSES}:
        read.known_keys(config["loss"], ("name",), "loss")
        config |= {"loss": {"name": DEFAULT_LOSSES[data.task] if name == "default" else _by_classes(data)}}
    config = read.without(config, _unread(config, fitted(data, config)))
    loss(config)
    dtype(config)
    read.integer(config, "seed", 0)
    return config


def without_effect(config: read.Config) -> tuple[str, ...]:
    """The keys that the network does not depend on, such as the width at depth 1; `check` leaves them out.

    Raises `ConfigError` for a network that can't be.
    """
    return tuple(_unread(config, load(config)))


def build(config: read.Config) -> Problem:
    """The problem that a checked configuration describes. Raises a `ProgradError` if its parts don't fit."""
    data = fitted(load(config), config)
    net = prograd.Network.from_config(layers(config, data), n_in=data.features.shape[1])
    rng = np.random.default_rng(read.integer(config, "seed", 0))
    x, y = data.take(_batch(config), rng)
    kind = dtype(config)
    problem = Problem(net, loss(config), x.astype(kind), y.astype(kind), net.init(rng).astype(kind))
    require_fit(problem.net, problem.loss, problem.w, problem.x, problem.y)
    return problem


def require_fit(net: prograd.Network, its: prograd.Loss, w: Array, x: Array, y: Array) -> None:
    """Raises `ConfigError` if the network's outputs at `w`, or the targets, are not what the loss is defined for."""
    if net.n[-1] != y.shape[1]:
        hint = "{name: affine, width: outputs} as the last layer makes them"
        raise read.refused("network", f"{y.shape[1]} outputs, as many as the targets have", int(net.n[-1]), hint)
    x, y = x[:SOME], y[:SOME]
    z = net(w, x)
    try:
        its.check(z, y)
    except LabelError as error:
        scaled = "targets are one-hot classes, or numbers, which all data but synthetic scale to mean 0 and variance 1"
        raise ConfigError(f"{error}; {scaled}; loss=default takes one that fits the targets") from error
    undefined = _undefined(its, z, y)
    if undefined.any() and np.isfinite(z).all():
        got = np.array2string(z[np.argmax(undefined)], precision=3, threshold=6)
        softmax = prograd.Network.from_config([{"name": "softmax"}], n_in=z.shape[1])(np.empty(0, z.dtype), z)
        hint = "" if _undefined(its, softmax, y).any() else "; network.final=softmax makes probabilities of them"
        raise ConfigError(f"loss={its.name}: expected outputs that it is defined for, got {got}{hint}")


def _undefined(its: prograd.Loss, z: Array, y: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    with np.errstate(all="ignore"):
        return np.isnan(its.value(z, y))


def layers(config: read.Config, data: Data) -> list[LayerConfig]:
    """The layers' configurations. Raises `ConfigError`."""
    return NETWORKS[read.choice(config, "network.name", tuple(NETWORKS))](config, data)


def loss(config: read.Config) -> prograd.Loss:
    """The loss. Raises `ConfigError`."""
    name, options = _registered(config, "loss")
    with read.isolated(f"loss={name}"):
        return prograd.loss(name, **options)


def penalty(config: read.Config) -> prograd.Penalty | None:
    """The penalty, if the configuration has one. Raises `ConfigError`."""
    if "penalty" not in config:
        return None
    name, options = _registered(config, "penalty")
    with read.isolated(f"penalty={name}"):
        return prograd.penalty(name, **options)


def _registered(config: read.Config, group: Literal["loss", "penalty"]) -> tuple[str, dict[str, Any]]:
    """The name of a registered class, and its options."""
    options = dict(read.get(config, group))
    return read.one_of(group, options.pop("name", None), tuple(prograd.registry().kinds[group])), options


def fitted(data: Data, config: read.Config) -> Data:
    """The data with the targets that the loss expects: the logistic loss takes two classes as one number, 0 or 1."""
    two = data.task == "classification" and data.targets.shape[1] == 2
    return replace(data, targets=data.targets[:, 1:]) if two and read.get(config, "loss.name") == "logistic" else data


def dtype(config: read.Config) -> np.dtype[np.floating[Any]]:
    """The type of all numbers. Raises `ConfigError`."""
    return np.dtype(read.choice(config, "dtype", ("float64", "float32")))


def _unread(config: read.Config, data: Data) -> list[str]:
    """The keys of the network that the list of its layers does not read."""
    watched = read.Watched(config)
    layers(watched, data)
    options = [f"network.{key}" for key in config["network"]]
    return [key for key in (*SHAPE, *options) if key not in watched.seen and key.partition(".")[0] in config]


def _with_layer(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without `network.layer` if it is null, as before there was such a key; else as a mapping."""
    network = read.get(config, "network")
    if not isinstance(network, dict) or "layer" not in network:
        return config
    layer = {} if network["layer"] is None else {"layer": described("network.layer", network["layer"])}
    return config | {"network": {key: value for key, value in network.items() if key != "layer"} | layer}


def _by_classes(data: Data) -> str:
    if data.task != "classification":
        raise read.refused(
            "loss", "a loss for a regression, such as default", BY_CLASSES, f"{data.name} has no classes"
        )
    return "logistic" if data.targets.shape[1] == 2 else "softmax_cross_entropy"


def _batch(config: read.Config) -> int | None:
    return None if read.get(config, "batch") is None else read.integer(config, "batch", 1)
