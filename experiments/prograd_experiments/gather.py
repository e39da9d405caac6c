"""The records below a directory, read and put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prograd_experiments import records
from prograd_experiments.catalogue import EXPERIMENTS
from prograd_experiments.errors import RecordError
from prograd_experiments.experiment import Experiment, Row
from prograd_experiments.records import Record, Unreadable


@dataclass(frozen=True)
class Gathered:
    """What the records below a directory say: rows in the experiment's order, and the record of each."""

    directory: Path
    experiment: Experiment
    rows: Sequence[Row]
    records: Sequence[Record]
    unreadable: Sequence[Unreadable]

    @property
    def unfinished(self) -> list[Row]:
        """The rows of jobs that failed or did not end."""
        return [row for row in self.rows if row["status"] != "complete"]

    @property
    def whole(self) -> bool:
        """Whether every job that left a trace is complete."""
        return not self.unfinished and not self.unreadable


def gather(directory: Path) -> Gathered:
    """The records below a directory as rows. Raises `RecordError` when there is none that can be read."""
    found, unreadable = records.read_all(directory)
    if not found:
        broken = "; ".join(f"{file.path}: {file.reason}" for file in unreadable)
        raise RecordError(f"{directory}: no {records.NAME} below it can be read: {broken}")
    experiment = _one_experiment(directory, found)
    pairs: list[tuple[Row, Record]] = [
        (experiment.row(record) | {"directory": folder.relative_to(directory).as_posix()}, record)
        for folder, record in found.items()
    ]
    pairs.sort(key=lambda pair: experiment.order(pair[0]))
    return Gathered(directory, experiment, [row for row, _ in pairs], [record for _, record in pairs], unreadable)


def _one_experiment(directory: Path, found: dict[Path, Record]) -> Experiment:
    names = sorted({str(record["experiment"]) for record in found.values()})
    if len(names) > 1:
        raise RecordError(f"{directory}: records of several experiments ({', '.join(names)}); collect each on its own")
    if names[0] not in EXPERIMENTS:
        known = ", ".join(EXPERIMENTS)
        raise RecordError(f"{directory}: records of an unknown experiment {names[0]!r}; known: {known}")
    return EXPERIMENTS[names[0]]
