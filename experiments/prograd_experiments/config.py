"""Reading a run's configuration: each value is checked, and each message names the key, the choices and the value."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from prograd.foreign import let_pass, reason
from prograd_experiments.errors import ConfigError

Config = Mapping[str, Any]


HASHED = MappingProxyType({"path": "sha256", "start": "start_sha256"})
"""The keys with paths of files, each with the key of the hash of the file's content."""

DIGITS = 8
"""Of a file's hash, where a person reads it."""

HOW_TO_RUN = (*("hydra", "force", "pictures", "points", "dry_run", "stop_on_failure", "keep_other_code", "objective"),)
"""Keys that say how to run, not what to measure: a configuration's hash leaves them out."""


class Watched(Mapping[str, Any]):
    """A configuration that remembers which of its dotted keys were read."""

    def __init__(self, config: Config, prefix: str = "", seen: set[str] | None = None) -> None:
        self._config, self._prefix = config, prefix
        self.seen = set() if seen is None else seen

    def __getitem__(self, key: str) -> Any:
        """The value, and a watched one for the network's own keys."""
        value = self._config[key]
        if key == "network" and isinstance(value, Mapping):
            return Watched(value, f"{key}.", self.seen)
        self.seen.add(self._prefix + key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._config)

    def __len__(self) -> int:
        return len(self._config)


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The configuration without `HOW_TO_RUN` as plain data that JSON can hold, with interpolations resolved."""
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in HOW_TO_RUN])
    plain = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    if not isinstance(plain, dict):
        raise refused("configuration", "a mapping", plain)
    _require_json("", plain)
    return {str(key): value for key, value in plain.items()}


def setting(cfg: DictConfig, key: str) -> Config:
    """One of `HOW_TO_RUN` as plain data."""
    value = cfg.get(key)
    return {key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value}


def in_place(chdir: object) -> None:
    """Raises `ConfigError` if Hydra is to change a job's working directory: paths would mean other files there."""
    if chdir not in {None, False}:
        expected = "false, since paths in a configuration are relative to the directory that prograd-run starts in"
        raise refused("hydra.job.chdir", expected, chdir)


def config_hash(config: Config) -> str:
    """SHA-256 of the configuration's identity as canonical JSON: equal exactly for equal ones."""
    return hashlib.sha256(json.dumps(identity(config), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def identity(config: Config) -> dict[str, Any]:
    """The configuration without the paths of files whose content it names by a hash: files may move."""
    return {
        key: identity(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if HASHED.get(key) not in config
    }


def shown(config: Config) -> dict[str, Any]:
    """The configuration with the first digits of files' hashes, for people."""
    return {
        key: shown(value) if isinstance(value, dict) else value[:DIGITS] if key in HASHED.values() else value
        for key, value in config.items()
    }


def refused(key: str, expected: str, value: object, hint: str = "") -> ConfigError:
    """The error for a value that can't be used."""
    return ConfigError(f"{key}: expected {expected}, got {show(value)}{f'; {hint}' if hint else ''}")


def known_keys(config: Config, known: Collection[str], where: str = "") -> None:
    """Raises `ConfigError` for the first key in the group `where` that has no meaning here."""
    for key in config:
        if key not in known:
            raise unknown_key(key, known, where)


def unknown_key(key: str, known: Collection[str], where: str = "") -> ConfigError:
    """The error for a key that the group `where` does not have."""
    return refused(where or "configuration", f"the keys {', '.join(known)}", key, _closest(key, known))


def unused(config: Config, experiment: str, defaults: Config, instead: Mapping[str, str]) -> None:
    """Raises `ConfigError` if a key that only other experiments use has been set; `instead` names this one's keys."""
    for key, default in defaults.items():
        if config.get(key, default) != default:
            expected = f"{show(default)}, since experiment={experiment} does not use this key"
            raise refused(key, expected, config[key], f"set {instead[key]} instead" if key in instead else "")


def integer(config: Config, key: str, least: int) -> int:
    """The integer at `key` (dotted for groups), at least `least`."""
    value = get(config, key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise refused(key, f"an integer of at least {least}", value)
    return value


def integers(config: Config, key: str) -> list[int]:
    """The list of integers at `key`, which may be empty."""
    value = get(config, key)
    if not isinstance(value, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in value):
        raise refused(key, "a list of integers", value)
    return value


def positive(config: Config, key: str) -> float:
    """The finite number greater than 0 at `key`."""
    return _number(config, key, "a finite number greater than 0", lambda value: 0 < value < float("inf"))


def not_negative(config: Config, key: str) -> float:
    """The finite number of at least 0 at `key`."""
    return _number(config, key, "a finite number of at least 0", lambda value: 0 <= value < float("inf"))


def fraction(config: Config, key: str) -> float:
    """The number from 0 up to, but not including, 1 at `key`."""
    return _number(config, key, "a number from 0 up to, but not including, 1", lambda value: 0 <= value < 1)


def boolean(config: Config, key: str) -> bool:
    """The truth value at `key`."""
    value = get(config, key)
    if not isinstance(value, bool):
        raise refused(key, "true or false", value)
    return value


def choice(config: Config, key: str, choices: Collection[str]) -> str:
    """The name at `key`, one of `choices`."""
    return one_of(key, get(config, key), choices)


def several(config: Config, key: str, choices: Collection[str]) -> tuple[str, ...]:
    """The list of names at `key`: at least one, none twice, each one of `choices`."""
    value = get(config, key)
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise refused(key, f"a list of names from {', '.join(choices)}", value)
    chosen = tuple(one_of(key, name, choices) for name in names)
    if len(set(chosen)) < len(chosen):
        raise refused(key, "each name at most once", value)
    return chosen


def one_of(key: str, value: object, choices: Collection[str]) -> str:
    """`value`, if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise unknown_choice(key, value, choices)
    return value


def unknown_choice(key: str, value: object, choices: Collection[str]) -> ConfigError:
    """The error for a value that is none of the choices."""
    return refused(key, f"one of {', '.join(choices)}", value, _closest(value, choices))


def get(config: Config, key: str) -> Any:
    """The value at a dotted key. Raises `ConfigError` if there is none."""
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ConfigError(f"{key}: expected a value, got no such key")
        value = value[part]
    return value


@contextmanager
def isolated(where: str, hint: str = "") -> Iterator[None]:
    """Turns what a plugin's code raises, even `SystemExit`, into a `ConfigError` that says where."""
    try:
        yield
    except BaseException as error:
        let_pass(error)
        raise ConfigError(f"{where}: {reason(error)}{f'; {hint}' if hint else ''}") from error


def without(config: Config, keys: Collection[str]) -> dict[str, Any]:
    """The configuration without these dotted keys."""
    left = {key: value for key, value in config.items() if key not in keys}
    inside = {key.partition(".")[0] for key in keys if "." in key} & left.keys()
    for group in inside:
        below = [key.removeprefix(f"{group}.") for key in keys if key.startswith(f"{group}.")]
        left[group] = without(left[group], below)
    return left


def show(value: object) -> str:
    """A value as one would write it on the command line, with quotes around text that would be something else."""
    return value if isinstance(value, str) and not _means_more(value) else json.dumps(value, default=str)


def _require_json(key: str, value: object) -> None:
    """Raises `ConfigError` for what a record can't hold."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise refused(key or "configuration", "keys that are text", name)
            _require_json(f"{key}.{name}" if key else name, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _require_json(f"{key}[{index}]", inner)
    elif isinstance(value, float) and not math.isfinite(value):
        raise refused(key, "a finite number", value)
    elif not isinstance(value, (str, int, float, type(None))):
        raise refused(key, "a number, text, true, false, null, or a list or keys with these", value)


def _means_more(text: str) -> bool:
    """Whether text without quotes would be a number, a list, a truth value, null or nothing."""
    try:
        json.loads(text.lower())
    except ValueError:
        return not text
    return True


def _number(config: Config, key: str, expected: str, valid: Callable[[float], bool]) -> float:
    value = get(config, key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not valid(value):
        raise refused(key, expected, value)
    return float(value)


def _closest(value: object, choices: Collection[str]) -> str:
    close = get_close_matches(str(value), list(choices), n=2, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else ""
