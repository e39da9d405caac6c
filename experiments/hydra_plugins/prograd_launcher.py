"""Hydra's basic launcher, extended: the jobs run one by one in a process of their own.

Hydra looks for launchers only in this namespace package; see `prograd_sweeper`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, flag_override

CONFIG = {"_target_": "hydra_plugins.prograd_launcher.ProgradLauncher"}
ConfigStore.instance().store(group="hydra/launcher", name="prograd", node=CONFIG, provider="prograd")


class ProgradLauncher(BasicLauncher):
    """Launches jobs as `BasicLauncher` does, and lets a `Worker` run them."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra brings; the worker's process begins with the first job."""
        from prograd_experiments.worker import Worker  # noqa: PLC0415  (every Hydra application imports this module)

        super().setup(hydra_context=hydra_context, task_function=Worker(task_function).run, config=config)


class GuardedLauncher(Launcher):
    """Lets another launcher, `inner`, run those jobs of any sweeper that pass prograd's checks and have no record."""

    def __init__(self, inner: DictConfig) -> None:
        self._inner_config = inner

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Sets up the other launcher."""
        self._config, self._loader = copy.deepcopy(config), hydra_context.config_loader
        with flag_override(self._config, ["readonly", "struct"], [False, False]):
            self._config.hydra.launcher = config.hydra.launcher.inner
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=self._config
        )

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs the jobs as `prograd_experiments.guarded` says."""
        from prograd_experiments.guarded import launch  # noqa: PLC0415  (as above)

        return launch(self._config, self._loader, self._launcher, job_overrides, initial_job_idx)
