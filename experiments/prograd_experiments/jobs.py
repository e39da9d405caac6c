"""One job: checked, measured and written down, whatever happens to it."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prograd_experiments import environment, locks, records
from prograd_experiments.catalogue import EXPERIMENTS
from prograd_experiments.config import Config, choice, config_hash
from prograd_experiments.errors import PartialError, RecordError
from prograd_experiments.experiment import Experiment
from prograd_experiments.records import Record
from prograd_experiments.standing import Standing, set_aside, standing


def experiment_of(config: Config) -> Experiment:
    """The experiment that `experiment.name` names."""
    return EXPERIMENTS[choice(config, "experiment.name", tuple(EXPERIMENTS))]


def kept(config: Config, directory: Path) -> Record | None:
    """The complete record of this configuration, by this code, that the directory holds already."""
    fingerprint = config_hash(experiment_of(config).check(config))
    if standing(directory, fingerprint, environment.code()) is not Standing.COMPLETE:
        return None
    return records.read(directory / records.NAME)


def run(config: Config, directory: Path, *, force: bool = False) -> Record:
    """Measures and writes `record.json` into `directory`; an exception goes into the record, with its traceback.

    A complete record of the same configuration by the same code is returned as it is, unless `force` is set. Launchers
    stop a sweep at the first job that raises, so none does. Before it measures, the job leaves a record with status
    "running": what is killed can be told from what never began. Raises `BusyError` when another process is at this job,
    `RecordError` when the record of another configuration is in the way, and `OSError` when no record can be written.
    """
    with locks.held(directory):
        if not force:
            done = kept(config, directory)
            if done is not None:
                return done
        return _run(config, directory, force=force)


def begun(config: Config) -> dict[str, Any]:
    """The record of a job that has just begun, with its checked configuration."""
    experiment = experiment_of(config)
    config = experiment.check(config)
    return {
        "schema": records.SCHEMA,
        "experiment": experiment.name,
        "status": "running",
        "started": _now(),
        "code": environment.code(),
        "config": dict(config),
        "config_hash": config_hash(config),
        "error": None,
    }


def described(error: BaseException) -> dict[str, str]:
    """An exception as it stands in a record."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


def _run(config: Config, directory: Path, *, force: bool) -> Record:
    experiment = experiment_of(config)
    since, record = time.monotonic(), begun(config)
    _make_room(directory, record, force=force)
    records.write(directory, record)
    try:
        record |= experiment.measure(record["config"], directory, force=force)
        record["status"] = "complete"
    except BaseException as error:
        if isinstance(error, PartialError):
            record |= error.results
        record |= {"status": "failed", "error": described(error)}
        if isinstance(error, KeyboardInterrupt):  # the user ends the process: it is not ours to go on
            raise
    finally:
        record |= {"finished": _now(), "seconds": time.monotonic() - since}
        records.write(directory, record)
    return record


def _make_room(directory: Path, record: Record, *, force: bool) -> None:
    found = standing(directory, record["config_hash"], record["code"])
    if found is Standing.FOREIGN and not force:
        raise RecordError(
            f"{directory / records.NAME}: the record of another configuration, which is kept; choose another "
            "directory, or set force=true, which moves it aside"
        )
    if found in {Standing.FOREIGN, Standing.UNREADABLE}:
        set_aside(directory)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
