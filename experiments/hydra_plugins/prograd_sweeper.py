"""Hydra's basic sweeper, extended: it checks every point before the first one runs, and collects at the end.

Hydra looks for sweepers only in this namespace package. Every Hydra application in the environment imports this module,
so heavy imports wait until a sweep of prograd-run begins.
"""

from __future__ import annotations

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

# `params` are the points if the command line names none. A mapping, since Hydra runs this file before the module is in
# sys.modules, where dataclasses would look for it.
CONFIG: dict[str, object] = {
    "_target_": "hydra_plugins.prograd_sweeper.ProgradSweeper",
    "max_batch_size": None,
    "params": {},
}
ConfigStore.instance().store(group="hydra/sweeper", name="prograd", node=CONFIG, provider="prograd")


class ProgradSweeper(BasicSweeper):
    """The product of all choices, as `prograd_experiments.sweep` runs it; or another sweeper, `inner`, under guard."""

    def __init__(self, max_batch_size: int | None, params: dict[str, str] | None, inner: Any = None) -> None:
        super().__init__(max_batch_size, params)
        self._inner = inner
        self._task: TaskFunction | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra brings."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._task = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Runs the points that the arguments name; `params` fills in the keys that they leave out."""
        from prograd_experiments import guarded, sweep  # noqa: PLC0415  (see the module's docstring)
        from prograd_experiments.arguments import jobs, keys  # noqa: PLC0415  (as above)

        if self.config is None or self.hydra_context is None or self.launcher is None or self._task is None:
            raise RuntimeError("setup() comes before sweep()")
        if self._inner is not None:
            inner = self.config.hydra.sweeper.inner
            return guarded.sweep_with(inner, self.config, self.hydra_context, self._task, arguments)
        loader = self.hydra_context.config_loader
        points = jobs(self.params, arguments, loader)
        sweep.sweep(self.config, loader, self.launcher, points, batch=self.max_batch_size, said=keys(arguments))
        return None
