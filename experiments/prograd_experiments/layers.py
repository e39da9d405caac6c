"""Layers from a configuration: registered ones, by their names and options, checked before any job runs."""

from __future__ import annotations

from typing import Any

import prograd
from prograd.errors import ProgradError
from prograd_experiments import config as read
from prograd_experiments.errors import ConfigError

LayerConfig = dict[str, Any]


def described(key: str, value: object) -> LayerConfig:
    """A layer written as a name or as `{name: …, option: …}`, in the second form. Raises `ConfigError`."""
    layer = {"name": value} if isinstance(value, str) else value
    if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
        raise ConfigError(f"{key}={read.show(value)}: a layer's name or {{name: …, option: …}} was expected")
    return layer


def registered(key: str, value: object) -> LayerConfig:
    """The layer that `value` describes, once it is certain that it can be made. Raises `ConfigError`."""
    layer = described(key, value)
    name = read.one_of(f"{key}.name", layer["name"], tuple(prograd.registry().layers))
    try:
        prograd.layer(name, **{option: given for option, given in layer.items() if option != "name"})
    except ProgradError as error:
        raise ConfigError(f"{key}={name}: {error}") from error
    return layer


def activation(config: read.Config, key: str, n: int) -> LayerConfig:
    """The layer at `key`, a name or `{name: …, option: …}`: registered, without parameters, from `n` to `n`."""
    value = read.get(config, key)
    chosen = described(key, value)
    name = chosen["name"]
    if name not in prograd.registry().layers:
        raise ConfigError(f"{key}={name} is not known{read.offer(name, activations())}")
    try:
        layer = prograd.layer(name, **{option: given for option, given in chosen.items() if option != "name"})
        n_out, parameters = layer.shapes(n)
    except ProgradError as error:
        raise ConfigError(f"{key}={name}: {error}. Choices that need no options: {', '.join(activations())}") from error
    if parameters or n_out != n:
        what = f"has parameters ({', '.join(parameters)})" if parameters else f"maps {n} numbers to {n_out}"
        raise ConfigError(f"{key}={name}: this layer {what}. Choices: {', '.join(activations())}")
    return chosen


def activations() -> tuple[str, ...]:
    """The registered layers that can stand between affine layers without options: no parameters, size kept."""
    return tuple(name for name, cls in prograd.registry().layers.items() if _fits_anywhere(cls))


def _fits_anywhere(cls: type[prograd.Layer]) -> bool:
    try:
        return cls().shapes(3) == (3, {})
    except Exception:  # noqa: BLE001  (a layer that needs options, or refuses this size, is no choice by name alone)
        return False
