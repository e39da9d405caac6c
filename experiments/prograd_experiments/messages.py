"""Hydra's errors in the words of the command line: the key, what came, and the valid choices."""

from __future__ import annotations

from hydra.errors import MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from prograd_experiments.config import offer


def of(error: BaseException) -> str:
    """The message of an error that a user's configuration caused."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={name} is not known{offer(name, error.options)}"
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)) and isinstance(cause.parent_node, DictConfig):
        known = [str(key) for key in cause.parent_node if key != "hydra"]
        return f"unknown key {str(cause.full_key)!r}{offer(str(cause.key), known)}"
    return f"{error}\n{cause}" if isinstance(cause, OmegaConfBaseException) and cause is not error else str(error)
