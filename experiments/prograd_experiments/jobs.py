"""One job: checked, measured and written down, whatever happens to it."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prograd_experiments import records
from prograd_experiments.catalogue import EXPERIMENTS
from prograd_experiments.config import Config, choice, config_hash
from prograd_experiments.experiment import Experiment
from prograd_experiments.records import Record


def experiment_of(config: Config) -> Experiment:
    """The experiment that `experiment.name` names."""
    return EXPERIMENTS[choice(config, "experiment.name", tuple(EXPERIMENTS))]


def run(config: Config, directory: Path) -> Record:
    """Measures and writes `record.json` into `directory`; an exception goes into the record, with its traceback.

    Launchers stop a sweep at the first job that raises, so none does. Before it measures, the job leaves a record with
    status "running": what is killed can be told from what never began.
    """
    experiment = experiment_of(config)
    config = experiment.check(config)
    begun = time.monotonic()
    record: dict[str, Any] = {
        "schema": records.SCHEMA,
        "experiment": experiment.name,
        "status": "running",
        "started": _now(),
        "config": dict(config),
        "config_hash": config_hash(config),
        "error": None,
    }
    records.write(directory, record)
    try:
        record |= experiment.measure(config)
        record["status"] = "complete"
    except BaseException as error:
        record |= {"status": "failed", "error": _described(error)}
        if not isinstance(error, Exception):  # the user or the system ends the process: it is not ours to go on
            raise
    finally:
        record |= {"finished": _now(), "seconds": time.monotonic() - begun}
        records.write(directory, record)
    return record


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _described(error: BaseException) -> dict[str, str]:
    return {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
