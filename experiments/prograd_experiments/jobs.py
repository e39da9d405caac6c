"""One job: checked, measured and recorded, whatever happens to it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from prograd.foreign import is_interrupt
from prograd_experiments import config as read
from prograd_experiments import data, environment, process, records, schema, storage
from prograd_experiments.auto.experiment import Auto
from prograd_experiments.bracketing.experiment import Bracketing
from prograd_experiments.config import Config, choice, config_hash, known_keys
from prograd_experiments.errors import PartialError, RecordError
from prograd_experiments.experiment import Experiment, Progress, Results, silent
from prograd_experiments.peers.experiment import Peers
from prograd_experiments.records import Record, Status
from prograd_experiments.speed_gap.experiment import SpeedGap
from prograd_experiments.training.experiment import Training

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {each.name: each for each in (SpeedGap(), Peers(), Training(), Bracketing(), Auto())}
)


def experiment_of(config: Config) -> Experiment:
    """The experiment that `experiment.name` names. Raises `ConfigError`."""
    name = choice(config, "experiment.name", tuple(EXPERIMENTS))
    known_keys(config["experiment"], ("name",), "experiment")
    return EXPERIMENTS[name]


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """As `config.resolved`. Raises `ConfigError` for data that the experiment has no use for, whatever they lack."""
    found, name = OmegaConf.select(cfg, "data.name"), OmegaConf.select(cfg, "experiment.name")
    own = EXPERIMENTS[name].data if isinstance(name, str) and name in EXPERIMENTS else ""
    if own and isinstance(found, str) and found != own:
        raise read.refused("data", f"{own}, since experiment={name} has no use for other data", found)
    return read.resolved(cfg)


@dataclass(frozen=True)
class Listener:
    """Hears of a job: that a complete record makes it `skipped`, how it goes on, and the error that ended it."""

    skipped: Callable[[], None] = lambda: None
    progress: Progress = silent
    failed: Callable[[BaseException], None] = lambda _: None


def told(config: Config) -> str:
    """What a user's file was taken for, in one line, from a checked configuration; empty without such a file."""
    return data.load(config).told if "data" in config else ""


def run(
    config: Config,
    directory: Path,
    *,
    force: bool = False,
    keep_other_code: bool = False,
    listener: Listener | None = None,
) -> Record:
    """Measures and writes `record.json` into `directory`; an exception goes into the record and to the listener.

    A complete record of the same configuration by the same code, or with `keep_other_code` by any, is returned as it
    is, unless `force` is set. Launchers stop a sweep at the first job that raises, so an error of a measurement does
    not raise. The record has status "running" during the measurement, which tells a killed job from one that never
    began. Raises `ConfigError`, `BusyError` if another process is at this job, `RecordError` if the directory holds the
    record of another configuration, and `OSError` if no record can be written.
    """
    experiment, hears = experiment_of(config), listener or Listener()
    record = begun(experiment.check(config), directory)
    with storage.held(directory) as lock:
        status, here = records.found(directory, record["config_hash"], record["code"])
        counts = status is Status.COMPLETE or (status is Status.OUTDATED and keep_other_code)
        if counts and here is not None and not force:
            hears.skipped()
            return here
        if status is Status.FOREIGN and not force:
            raise RecordError(
                f"{directory / records.NAME}: expected no record or this configuration's, got the record of another "
                "configuration; choose another directory, or set force=true to move it aside"
            )
        if status in {Status.FOREIGN, Status.UNREADABLE}:
            storage.set_aside(directory / records.NAME)
        measure = partial(experiment.measure, record["config"], directory, force=force, progress=hears.progress)
        error = _measured(measure, record, directory, lock)
    if error is not None:
        hears.failed(error)
    return record


def begun(config: Config, directory: Path) -> dict[str, Any]:
    """The record of a job that has just begun in a directory, from its checked configuration."""
    return {
        "schema": schema.SCHEMA,
        "experiment": config["experiment"]["name"],
        "status": "running",
        "started": _now(),
        "code": environment.code(),
        "config": dict(config),
        "config_hash": config_hash(config),
        "folder": directory.name,
        "error": None,
    }


def described(error: BaseException) -> dict[str, str]:
    """An exception as a record holds it."""
    about = traceback.TracebackException.from_exception(error)  # tells even an error whose own text can't be made
    # A file's name may hold bytes that are no text, which JSON and pages can't hold.
    texts = (text.encode("utf-8", "backslashreplace").decode() for text in (str(about), "".join(about.format())))
    return {"type": type(error).__name__, **records.shortened(*texts)}


def _measured(
    measure: Callable[[], Results], record: dict[str, Any], directory: Path, lock: int
) -> BaseException | None:
    """Writes the record of the job, and returns the error that ended it."""
    since = time.monotonic()
    records.write(directory, record)
    try:
        with process.as_found([lock]):
            record |= measure()
        record["status"] = "complete"
    except BaseException as error:
        if isinstance(error, PartialError):
            record |= error.results
        record |= {"status": "failed", "error": described(error)}
        if is_interrupt(error):  # the user wants the process to end
            raise
        return error
    else:
        return None
    finally:
        record |= {"finished": _now(), "seconds": time.monotonic() - since}
        records.write(directory, record)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
