"""A callback of Hydra's, which puts any other sweeper, such as Optuna's, under prograd's own.

`ProgradSweeper` gives that sweeper a launcher under `GuardedLauncher`. So whatever it asks for passes through
`guarded.py`, whoever wrote it.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any

from hydra.experimental.callback import Callback
from hydra.utils import get_class
from omegaconf import DictConfig, flag_override

from prograd_experiments import config as read

OWN = "hydra_plugins.prograd_sweeper.ProgradSweeper"
PARAMS = "params"
GUARDED = "hydra_plugins.prograd_launcher.GuardedLauncher"


class Guard(Callback):
    """Puts a sweeper that is not prograd's own under prograd's own."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Hydra makes the sweeper right after this."""
        if config.hydra.sweeper["_target_"] != OWN:
            under = {
                "_target_": OWN,
                "_recursive_": False,
                "max_batch_size": None,
                "params": {},
                "inner": config.hydra.sweeper,
            }
            with flag_override(config, ["readonly", "struct"], [False, False]):
                config.hydra.sweeper = under


def guarded(config: DictConfig, inner: DictConfig) -> DictConfig:
    """The configuration with the sweeper `inner`, and its launcher under `GuardedLauncher`."""
    found = copy.deepcopy(config)
    with flag_override(found, ["readonly", "struct"], [False, False]):
        found.hydra.sweeper = inner
        # The experiment's own sweep, which not every sweeper has a place for.
        if PARAMS in inner and not takes_params(inner["_target_"]):
            del found.hydra.sweeper[PARAMS]
        found.hydra.launcher = {"_target_": GUARDED, "_recursive_": False, "inner": config.hydra.launcher}
    return found


def takes_params(target: str) -> bool:
    """Whether a sweeper's class has a place for the experiment's own sweep."""
    return bool({PARAMS, "kwargs"} & inspect.signature(get_class(target)).parameters.keys())


def refuse(config: DictConfig) -> None:
    """Raises `ConfigError` for keys that only prograd's own sweeper can follow."""
    for key in ("points", "dry_run"):
        if value := read.setting(config, key)[key]:
            raise read.refused(key, "hydra/sweeper=prograd with it", value)
