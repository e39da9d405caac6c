"""How jobs are to run: the keys that say nothing about what is measured, checked and read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from prograd_experiments import config as read
from prograd_experiments.charts import FORMATS
from prograd_experiments.records import Status


@dataclass(frozen=True)
class Wishes:
    """What becomes of points that have a record, of a failure and of the results.

    `objective` is the dotted path, in a record, of the number that a sweeper is to make small or large.
    """

    force: bool
    formats: Sequence[str]
    dry_run: bool
    stop_on_failure: bool
    keep_other_code: bool
    objective: str | None

    @classmethod
    def of(cls, config: DictConfig) -> Wishes:
        """The wishes in a configuration. Raises `ConfigError`."""
        force, dry_run, stop, keep = (
            read.boolean(read.setting(config, key), key)
            for key in ("force", "dry_run", "stop_on_failure", "keep_other_code")
        )
        objective = read.setting(config, "objective")["objective"]
        if objective is not None and not isinstance(objective, str):
            raise read.refused("objective", "the path of a number in a record, such as final.train_loss", objective)
        formats = read.several(read.setting(config, "pictures"), "pictures", FORMATS)
        return cls(force, formats, dry_run, stop, keep, objective)

    def counts(self, status: Status) -> bool:
        """Whether a record with this status stands for its point, which then does not run."""
        kept = status is Status.OUTDATED and self.keep_other_code
        return (status is Status.COMPLETE or kept) and not self.force
