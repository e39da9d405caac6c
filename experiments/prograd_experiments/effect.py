"""Keys that change nothing: refused if someone sets them, since equal points would pass for different ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from omegaconf import DictConfig, OmegaConf

from prograd_experiments import config as read
from prograd_experiments import jobs
from prograd_experiments.config import Config
from prograd_experiments.errors import ConfigError


def without(config: Config) -> Sequence[str]:
    """The keys that change nothing in a configuration. Raises `ConfigError` for one that can't be measured."""
    return jobs.experiment_of(config).without_effect(config)


def require(said: Iterable[str], points: Iterable[tuple[DictConfig, Sequence[str]]]) -> None:
    """Raises `ConfigError` for a key that was said, and that has a value on which none of the points depends.

    Each point has its keys without effect. A key that some of the points depend on may be said, and no more points are
    looked at than it takes to find that.
    """
    rest = iter(points)
    first, idle_there = next(rest, (None, ()))
    if first is None:
        return
    idle = [key for key in dict.fromkeys(said) if _is_below(key, idle_there)]
    for point, its in chain([(first, idle_there)], rest):
        idle = [key for key in idle if _is_below(key, its) and not _refers(point, key)]
        if not idle:
            return
    for key in idle:
        config = read.resolved(first)
        value = _value(config, key)
        if value is not None:
            given = _circumstances(config, idle_there)
            raise read.refused(key, f"no value, since nothing depends on it with {given}", value)


def sets(override: str, keys: Sequence[str]) -> bool:
    """Whether an override `key=value` sets one of the keys."""
    return _is_below(override.partition("=")[0].lstrip("+"), keys)


def _is_below(key: str, groups: Sequence[str]) -> bool:
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def _refers(point: DictConfig, key: str) -> bool:
    """Whether another key takes its value from this one."""
    own = OmegaConf.masked_copy(point, [str(each) for each in point if each not in read.HOW_TO_RUN])
    return f"${{{key}}}" in OmegaConf.to_yaml(own)


def _value(config: Config, key: str) -> Any:
    try:
        return read.get(config, key)
    except ConfigError:
        return None


def _circumstances(config: Config, idle: Sequence[str]) -> str:
    """What decides it, as one would write it: the point if there is one, else the network and its depth."""
    names = ("point",) if _value(config, "point") is not None else ("outputs", "network.name", "depth")
    told = [(name.removesuffix(".name"), _value(config, name)) for name in names if not _is_below(name, idle)]
    return " ".join(f"{name}={read.show(value)}" for name, value in told if value is not None)
