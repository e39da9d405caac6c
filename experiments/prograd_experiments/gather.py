"""The records below a directory, read once, as rows and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prograd_experiments import records
from prograd_experiments.errors import RecordError
from prograd_experiments.experiment import Experiment
from prograd_experiments.jobs import EXPERIMENTS
from prograd_experiments.records import Record, Unreadable
from prograd_experiments.rows import Column, Row, Table, table


@dataclass(frozen=True)
class Gathered:
    """The records below a directory: their columns, a row for each in the experiment's order, and the table."""

    directory: Path
    experiment: Experiment
    columns: Sequence[Column]
    rows: Sequence[Row]
    table: Table
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
    """Reads the records below a directory. Raises `RecordError` if none can be read."""
    found, unreadable = records.read_all(directory)
    if not found:
        broken = "; ".join(f"{file.path}: {file.reason}" for file in unreadable)
        raise RecordError(f"{directory}: expected a readable {records.NAME} here or below, got none: {broken}")
    experiment = _one_experiment(directory, found)
    columns = experiment.columns(list(found.values()))
    pairs = [
        (experiment.row(columns, record, folder.relative_to(directory).as_posix()), record)
        for folder, record in found.items()
    ]
    pairs.sort(key=lambda pair: experiment.order(pair[0]))
    rows, ordered = [row for row, _ in pairs], [record for _, record in pairs]
    return Gathered(directory, experiment, columns, rows, table(columns, rows), ordered, unreadable)


def _one_experiment(directory: Path, found: Mapping[Path, Record]) -> Experiment:
    names = sorted({str(record["experiment"]) for record in found.values()})
    if len(names) > 1:
        hint = "collect each on its own"
        raise RecordError(f"{directory}: expected records of one experiment, got several ({', '.join(names)}); {hint}")
    return EXPERIMENTS[names[0]]
