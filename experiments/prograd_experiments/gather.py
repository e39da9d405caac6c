"""The records below a directory, read once, as rows and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prograd_experiments import records, seeds
from prograd_experiments.errors import RecordError
from prograd_experiments.experiment import Experiment
from prograd_experiments.jobs import EXPERIMENTS
from prograd_experiments.records import Record, Unreadable
from prograd_experiments.rows import Column, Row, Table, table


@dataclass(frozen=True)
class Gathered:
    """The records below a directory: their columns, a row for each point in the experiment's order, and the table.

    `runs` are the rows of the records one by one, and `members` the numbers of each point's runs.
    """

    directory: Path
    experiment: Experiment
    columns: Sequence[Column]
    rows: Sequence[Row]
    table: Table
    runs: Sequence[Row]
    records: Sequence[Record]
    members: Sequence[Sequence[int]]
    unreadable: Sequence[Unreadable]

    @property
    def unfinished(self) -> list[Row]:
        """The rows of jobs that failed or did not end."""
        return [row for row in self.runs if row["status"] != "complete"]

    @property
    def whole(self) -> bool:
        """Whether every job that left a trace is complete."""
        return not self.unfinished and not self.unreadable

    @property
    def by_point(self) -> list[list[Record]]:
        """The records of each point."""
        return [[self.records[number] for number in members] for members in self.members]

    def rows_in(self, columns: Sequence[Column]) -> list[Row]:
        """The rows of the points in other columns than the sweep's own."""
        pairs = zip(self.runs, self.records, strict=True)
        runs = [self.experiment.row(columns, record, row["directory"]) for row, record in pairs]
        return [_point(columns, [runs[number] for number in members]) for members in self.members]


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
    runs, ordered = [row for row, _ in pairs], [record for _, record in pairs]
    points = [
        (_point(columns, [runs[number] for number in members]), members)
        for members in seeds.members([record["config"] for record in ordered])
    ]
    points.sort(key=lambda point: experiment.order(point[0]))
    rows, members = [row for row, _ in points], [its for _, its in points]
    columns = [*columns, *seeds.further(columns, rows)]
    return Gathered(directory, experiment, columns, rows, table(columns, rows), runs, ordered, members, unreadable)


def _point(columns: Sequence[Column], runs: Sequence[Row]) -> Row:
    return seeds.completed(seeds.point(columns, runs))


def _one_experiment(directory: Path, found: Mapping[Path, Record]) -> Experiment:
    names = sorted({str(record["experiment"]) for record in found.values()})
    if len(names) > 1:
        hint = "collect each on its own"
        raise RecordError(f"{directory}: expected records of one experiment, got several ({', '.join(names)}); {hint}")
    return EXPERIMENTS[names[0]]
