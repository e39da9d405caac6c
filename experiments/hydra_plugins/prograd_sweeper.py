"""Hydra's basic sweeper, extended: it checks every point before the first one runs, and collects at the end.

Hydra looks for sweepers only in this namespace package. Every Hydra application in the environment imports this module,
so heavy imports wait until a sweep of prograd-run begins.
"""

from __future__ import annotations

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore

# `params` are the points if the command line names none. A mapping, since Hydra runs this file before the module is in
# sys.modules, where dataclasses would look for it.
CONFIG: dict[str, object] = {
    "_target_": "hydra_plugins.prograd_sweeper.ProgradSweeper",
    "max_batch_size": None,
    "params": {},
}
ConfigStore.instance().store(group="hydra/sweeper", name="prograd", node=CONFIG, provider="prograd")


class ProgradSweeper(BasicSweeper):
    """The product of all choices, as `prograd_experiments.sweep` runs it."""

    def sweep(self, arguments: list[str]) -> None:
        """Runs the points that the arguments name; `params` fills in the keys that they leave out."""
        from prograd_experiments.arguments import jobs, keys  # noqa: PLC0415  (see the module's docstring)
        from prograd_experiments.sweep import sweep  # noqa: PLC0415  (as above)

        if self.config is None or self.hydra_context is None or self.launcher is None:
            raise RuntimeError("setup() comes before sweep()")
        loader = self.hydra_context.config_loader
        points = jobs(self.params, arguments, loader)
        sweep(self.config, loader, self.launcher, points, batch=self.max_batch_size, said=keys(arguments))
