"""Other sweepers than prograd's own, such as Optuna's: with the same checks, resumption and summary."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from rich.console import Console

from prograd_experiments import arguments, effect, environment, guard, jobs, records, storage, sweep
from prograd_experiments import config as read
from prograd_experiments.messages import is_refusal
from prograd_experiments.wishes import Wishes


def sweep_with(
    inner: DictConfig, config: DictConfig, context: HydraContext, task: TaskFunction, words: Sequence[str]
) -> Any:
    """Lets the sweeper `inner` sweep, and collects. Ends with exit code 1 if a point gave no result.

    Raises `ConfigError` if a point can't be measured, and `BusyError` if another sweep is at work in the directory.
    """
    guard.refuse(config)
    wishes = Wishes.of(config)
    sweep.require_own_folders(config)
    _require_effect(inner, config, context.config_loader, words)
    directory, console = sweep.made(Path(str(config.hydra.sweep.dir))), Console()
    sweeper = Plugins.instance().instantiate_sweeper(
        config=guard.guarded(config, inner), hydra_context=context, task_function=task
    )
    with storage.held(directory):
        try:
            found = sweeper.sweep(list(words))
        finally:
            whole = sweep.finish(console, directory, [], wishes.formats)
    if not whole:
        raise SystemExit(1)
    return found


MOST_CORNERS = 1000
"""Of a space with more, no key is said to have no effect."""


def _require_effect(inner: DictConfig, config: DictConfig, loader: ConfigLoader, words: Sequence[str]) -> None:
    """Raises `ConfigError` for a key of the command line on which nothing in the sweeper's space depends."""
    params = inner.get(guard.PARAMS) or {} if guard.takes_params(inner["_target_"]) else {}
    corners = list(islice(arguments.corners(params, words, loader), MOST_CORNERS + 1))
    if len(corners) <= MOST_CORNERS:
        effect.require(arguments.keys(words), _composed(config, loader, corners))


def _composed(
    config: DictConfig, loader: ConfigLoader, points: Iterable[Sequence[str]]
) -> Iterator[tuple[DictConfig, Sequence[str]]]:
    """The configurations with their keys without effect; those that can't be measured are refused at their launch."""
    for own in points:
        try:
            point = loader.load_sweep_config(config, list(own))
            yield point, effect.without(jobs.resolved(point))
        except Exception as error:
            if not is_refusal(error):
                raise


def launch(
    config: DictConfig, loader: ConfigLoader, launcher: Launcher, overrides: Sequence[Sequence[str]], number: int
) -> Sequence[JobReturn]:
    """Runs those of the jobs that have no record that counts; returns what each one's record says.

    The value of a job is the number at `objective` in its record, NaN if there is none, and its status if `objective`
    is null. Raises `ConfigError` before anything runs if a point can't be measured, and `SystemExit` at the first
    failure with `stop_on_failure`.
    """
    wishes = Wishes.of(config)
    directory = Path(str(config.hydra.sweep.dir))
    said = [str(word) for word in config.hydra.overrides.task]
    asked = sweep.each_point(config, loader, overrides, fixed=said)
    distinct = list({point.fingerprint: point for point in asked}.values())
    statuses = sweep.settle(distinct, directory, environment.code())
    folders = {point.fingerprint: directory / point.folder for point in statuses}
    good = sweep.run(statuses, launcher, directory, wishes, size=None, given=len(asked), number=number)
    if wishes.stop_on_failure and not good:
        raise SystemExit(1)
    found = [records.read(folders[point.fingerprint] / records.NAME) for point in asked]
    return [
        JobReturn(overrides=list(own), status=JobStatus.COMPLETED, _return_value=_value(record, wishes.objective))
        for own, record in zip(overrides, found, strict=True)
    ]


def _value(record: Mapping[str, Any], objective: str | None) -> Any:
    if objective is None:
        return record["status"]
    value: Any = record
    for key in objective.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None and record["status"] != "complete":
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise read.refused("objective", "the path of a number in each record", objective)
    return float(value)
