"""What Hydra, OmegaConf and YAML raise, in the words of this project: one line that names what to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from traceback import walk_tb
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import MarkedYAMLError

from prograd.commands.refusals import of_memory, of_the_system
from prograd.errors import ProgradError
from prograd_experiments import config as read

AMBIGUOUS = "Ambiguous value for argument "
THERE_ALREADY = "Could not append to config. An item is already at "
HOUSE = ("prograd", "prograd_experiments", "hydra_plugins")

_EXTRAS = {"joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
"""Launchers that an extra of prograd brings."""


def is_refusal(error: BaseException) -> bool:
    """Whether the error is about what the user gave: ours, no memory, or raised while Hydra read the configuration.

    Hydra raises built-in errors for some of it. An error that passed through code of this project on its way out of
    Hydra is not Hydra's.
    """
    if isinstance(error, (ProgradError, HydraException, OmegaConfBaseException, MemoryError)):
        return True
    return isinstance(error, Exception) and next((name for name in _modules(error) if name), "") == "hydra"


def message_of(error: BaseException) -> str:
    """The message for the user. That of a `ProgradError` is its own, and may have several lines."""
    # Hydra wraps some errors of OmegaConf, which know the key.
    for one in (error, error.__cause__):
        for kind, words in _WORDS:
            if isinstance(one, kind):
                return words(one)
    if isinstance(error, HydraException):
        return _of_hydra(error)
    return str(read.refused("configuration", "one that Hydra can use", f"{type(error).__name__}: {_first_line(error)}"))


def _of_omegaconf(error: OmegaConfBaseException) -> str:
    key = str(error.full_key or "configuration")
    if isinstance(error, (ConfigAttributeError, ConfigKeyError)) and isinstance(error.parent_node, DictConfig):
        known = [str(name) for name in error.parent_node if name != "hydra"]
        where, _, key = key.rpartition(".")
        # A group's keys are those of its choice.
        choice = error.parent_node.get("name") if where and "name" in known else None
        return str(read.unknown_key(key, known, f"{where}={choice}" if choice else where))
    if isinstance(error, InterpolationKeyError):
        return str(read.refused(key, "an interpolation of keys that exist", _first_line(error)))
    if isinstance(error, MissingMandatoryValue):
        return str(read.refused(key, "a value", "none", f"set {key}=…"))
    return str(read.refused(key, "a value that fits", _first_line(error)))


def _of_a_missing_file(error: MissingConfigException) -> str:
    if error.missing_cfg_file and error.options is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and name in _EXTRAS:
            hint = f"pip install 'prograd[{_EXTRAS[name]}]' installs it"
            return str(read.refused(group, f"one of {', '.join(error.options)}", name, hint))
        return str(read.unknown_choice(group, name, error.options))
    if error.missing_cfg_file and " primary " in str(error):
        return str(read.refused("--config-name", "a configuration in the search path", error.missing_cfg_file))
    return str(read.refused("configuration", "one that Hydra can use", _first_line(error)))


def _of_the_grammar(error: OverrideParseException) -> str:
    why = next(line for line in error.message.splitlines() if not line.startswith("Error parsing override"))
    return str(read.refused(error.override, "KEY=VALUE in Hydra's grammar", why))


def _of_yaml(error: MarkedYAMLError) -> str:
    mark = error.problem_mark
    where = f"{mark.name}, line {mark.line + 1}" if mark else "a configuration file"
    return f"{where}: expected YAML, got a mistake: {error.problem}"


def _of_bytes(error: UnicodeDecodeError) -> str:
    return str(read.refused(_file_of(error), "text in UTF-8", f"the byte 0x{error.object[error.start]:02x}"))


def _of_hydra(error: HydraException) -> str:
    text = _first_line(error)
    if text.startswith(AMBIGUOUS):
        override = text.removeprefix(AMBIGUOUS).strip("'")
        hint = "-m sweeps over them, and key=[…] makes a list of them"
        return str(read.refused(override, "one value", "several", hint))
    if text.startswith(THERE_ALREADY):
        key = text.removeprefix(THERE_ALREADY).strip("'.")
        return str(read.refused(f"+{key}", "a key that is new", key, "without the + it is changed"))
    return str(read.refused("configuration", "one that Hydra can use", text))


def _modules(error: BaseException) -> Iterator[str]:
    """The packages, of Hydra and of this project, that the error passed through, the innermost first."""
    names = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    yield from (name for name in reversed(names) if name == "hydra" or name in HOUSE)


def _file_of(error: UnicodeDecodeError) -> str:
    """The configuration file that is not text: the error doesn't tell, but whoever read it knew."""
    for frame, _ in walk_tb(error.__traceback__):
        path = frame.f_locals.get("full_path")
        if isinstance(path, str) and Path(path).is_file():
            return path
    return "a configuration file"


def _first_line(error: BaseException) -> str:
    """The first line of the error's text, with the next if it announces that."""
    first, *more = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    return f"{first} {more[0]}" if first.endswith(":") and more else first


# The first that fits counts. Of Hydra's own errors only some say more than the error of OmegaConf in them.
_WORDS: Sequence[tuple[type[BaseException], Callable[[Any], str]]] = (
    (ProgradError, str),
    (MissingConfigException, _of_a_missing_file),
    (OverrideParseException, _of_the_grammar),
    (OmegaConfBaseException, _of_omegaconf),
    (MarkedYAMLError, _of_yaml),
    (UnicodeDecodeError, _of_bytes),
    (MemoryError, of_memory),
    (OSError, of_the_system),
)
