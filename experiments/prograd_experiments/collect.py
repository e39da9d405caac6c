"""From the records below a directory to its summary, its picture and its page; from files alone, never from memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prograd_experiments import page, records
from prograd_experiments.catalogue import EXPERIMENTS
from prograd_experiments.errors import RecordError
from prograd_experiments.experiment import Experiment, Row
from prograd_experiments.records import Record, Unreadable

DOTS_PER_INCH = 150


@dataclass(frozen=True)
class Gathered:
    """What the records below a directory say: rows in the experiment's order, and the record of each."""

    experiment: Experiment
    rows: Sequence[Row]
    records: Sequence[Record]
    unreadable: Sequence[Unreadable]


@dataclass(frozen=True)
class Collected:
    """What was found and what was written."""

    experiment: Experiment
    rows: Sequence[Row]
    unreadable: Sequence[Unreadable]
    files: Sequence[Path]

    @property
    def unfinished(self) -> list[Row]:
        """The rows of jobs that failed or did not end."""
        return [row for row in self.rows if row["status"] != "complete"]

    @property
    def whole(self) -> bool:
        """Whether every job that left a trace is complete."""
        return not self.unfinished and not self.unreadable


def collect(directory: str | Path) -> Collected:
    """Writes `summary.csv`, the picture and `report.html` into `directory` from the records in it and below.

    Raises `RecordError` when there is no record to make them from; a file that holds none is listed and left out.
    """
    directory = Path(directory)
    gathered = gather(directory)
    experiment, rows = gathered.experiment, gathered.rows
    summary = directory / "summary.csv"
    records.write_atomically(summary, as_csv(experiment.columns(gathered.records), rows))
    picture = directory / f"{experiment.name}.png"
    records.write_atomically(picture, as_png(experiment.poster(rows)))
    report = directory / "report.html"
    figures = [(drawn.heading, drawn.alt, as_png(drawn.figure)) for drawn in experiment.pictures(rows)]
    text = page.render(experiment, rows, gathered.records, gathered.unreadable, figures)
    records.write_atomically(report, text)
    return Collected(experiment, rows, gathered.unreadable, [summary, picture, report])


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
    return Gathered(experiment, [row for row, _ in pairs], [record for _, record in pairs], unreadable)


def as_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """The rows as CSV: numbers to the last digit, nothing where there is no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def as_png(figure: Figure) -> bytes:
    """The figure drawn by Agg, which needs no display."""
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    # Without the version of matplotlib in it, equal figures are equal files.
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return content.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else value


def _one_experiment(directory: Path, found: dict[Path, Record]) -> Experiment:
    names = sorted({str(record["experiment"]) for record in found.values()})
    if len(names) > 1:
        raise RecordError(f"{directory}: records of several experiments ({', '.join(names)}); collect each on its own")
    if names[0] not in EXPERIMENTS:
        known = ", ".join(EXPERIMENTS)
        raise RecordError(f"{directory}: records of an unknown experiment {names[0]!r}; known: {known}")
    return EXPERIMENTS[names[0]]
