"""Makes the summary, the poster and the page of a directory from the records in it, and from nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prograd.foreign import printable
from prograd_benchmarks.timing import collector_off
from prograd_experiments import storage
from prograd_experiments.charts import FORMATS
from prograd_experiments.charts.poster import encoded, poster
from prograd_experiments.gather import Gathered, gather
from prograd_experiments.report import page
from prograd_experiments.rows import csv_keys


@dataclass(frozen=True)
class Collected(Gathered):
    """The records and the files made from them."""

    files: Sequence[Path]


@collector_off()
def collect(directory: str | Path, formats: Sequence[str] = FORMATS[:1]) -> Collected:
    """Writes `summary.csv`, the poster and `report.html` into `directory` from the records in it and below.

    The poster is written in each of `formats`: "png", "svg", "pdf". Raises `RecordError` if there is no record; a file
    that holds none is listed and left out.
    """
    found = gather(Path(directory))
    storage.tidy(found.directory)
    experiment = found.experiment
    figure = poster(experiment.question, experiment.pictures(found.rows))
    contents: dict[str, str | bytes] = {
        "summary.csv": as_csv(found),
        **{f"{experiment.name}.{kind}": encoded(figure, kind) for kind in formats},
        page.NAME: page.render([found]),
    }
    for name, content in contents.items():
        storage.replace(found.directory / name, content)
    return Collected(**vars(found), files=[found.directory / name for name in contents])


FORMULA: Final = ("=", "+", "-", "@", "\t")
"""What a cell begins with that a spreadsheet takes for a formula."""


def as_csv(found: Gathered) -> str:
    """The rows as CSV: numbers to the last digit, nothing where there is no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, csv_keys(found.columns), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in found.rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """A value as a cell, empty for None. A text that a spreadsheet would compute gets a quote before it."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(FORMULA) else text
