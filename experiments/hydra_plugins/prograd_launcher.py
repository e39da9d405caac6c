"""Hydra's basic launcher, extended: the jobs run one by one in a process of their own.

Hydra looks for launchers only in this namespace package; see `prograd_sweeper`.
"""

from __future__ import annotations

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

CONFIG = {"_target_": "hydra_plugins.prograd_launcher.ProgradLauncher"}
ConfigStore.instance().store(group="hydra/launcher", name="prograd", node=CONFIG, provider="prograd")


class ProgradLauncher(BasicLauncher):
    """Launches jobs as `BasicLauncher` does, and lets a `Worker` run them."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra brings; the worker's process begins with the first job."""
        from prograd_experiments.worker import Worker  # noqa: PLC0415  (every Hydra application imports this module)

        super().setup(hydra_context=hydra_context, task_function=Worker(task_function).run, config=config)
