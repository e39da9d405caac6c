"""Reading a run's configuration: every value is checked, and every message names its key and the valid choices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig, OmegaConf

from prograd_experiments.errors import ConfigError

Config = Mapping[str, Any]

NOT_ITS_OWN = ("hydra", "force", "pictures")
"""Keys that say how to run and not what: equal results have equal configurations without them."""


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The run's own part of a configuration as plain data: interpolations resolved, without `NOT_ITS_OWN`."""
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in NOT_ITS_OWN])
    plain = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    if not isinstance(plain, dict):
        raise ConfigError("the configuration is a list; a mapping was expected")
    return {str(key): value for key, value in plain.items()}


def config_hash(config: Config) -> str:
    """SHA-256 of the configuration as canonical JSON: equal exactly for equal configurations."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def known_keys(config: Config, known: Collection[str], where: str = "") -> None:
    """Raises `ConfigError` for the first key that means nothing here."""
    for key in config:
        if key not in known:
            raise ConfigError(f"unknown key {where + key!r}{offer(key, known)}")


def integer(config: Config, key: str, least: int) -> int:
    """The integer at `key` (dotted for groups), at least `least`."""
    value = get(config, key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{key}={show(value)}: an integer of at least {least} was expected")
    return value


def positive(config: Config, key: str) -> float:
    """The number greater than 0 at `key`."""
    value = get(config, key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ConfigError(f"{key}={show(value)}: a number greater than 0 was expected")
    return float(value)


def boolean(config: Config, key: str) -> bool:
    """The truth value at `key`."""
    value = get(config, key)
    if not isinstance(value, bool):
        raise ConfigError(f"{key}={show(value)}: true or false was expected")
    return value


def choice(config: Config, key: str, choices: Collection[str]) -> str:
    """The name at `key`, one of `choices`."""
    return one_of(key, get(config, key), choices)


def several(config: Config, key: str, choices: Collection[str]) -> tuple[str, ...]:
    """The list of names at `key`: at least one, each once, each one of `choices`."""
    value = get(config, key)
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise ConfigError(f"{key}={show(value)}: a list of names was expected, each one of {', '.join(choices)}")
    chosen = tuple(one_of(key, name, choices) for name in names)
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"{key}={show(value)}: each name may stand there once")
    return chosen


def one_of(key: str, value: object, choices: Collection[str]) -> str:
    """`value`, if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{key}={show(value)} is not known{offer(value, choices)}")
    return value


def get(config: Config, key: str) -> Any:
    """The value at a dotted key. Raises `ConfigError` where there is none."""
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ConfigError(f"the key {key!r} is missing")
        value = value[part]
    return value


def show(value: object) -> str:
    """A value as one would write it on the command line."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def offer(value: object, choices: Collection[str]) -> str:
    """The end of a message about an unknown name: the closest choices, then all of them."""
    close = get_close_matches(str(value), list(choices), n=2, cutoff=0.6)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    return f"{hint} Choices: {', '.join(choices)}"
