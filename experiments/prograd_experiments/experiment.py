"""What an experiment gives: a check of its configuration, a measurement, and how results of many jobs are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.records import Record
from prograd_experiments.tables import Table

Row = Mapping[str, Any]
Results = dict[str, Any]


class Measure(Protocol):
    """Takes a job's configuration, and its directory, where an earlier run may have kept more than its record."""

    def __call__(self, config: Config, directory: Path, *, force: bool) -> Results:
        """What was kept there is not used with `force`."""


@dataclass(frozen=True)
class Experiment:
    """One kind of job, as the functions that run it and show it; `EXPERIMENTS` in `catalogue.py` lists them."""

    name: str
    question: str
    how: str

    timed: str
    """What a time is the time of: "one gradient"; empty where nothing is timed."""

    check: Callable[[Config], Config]
    """The configuration as it will be measured, with defaults settled; called before any job of a sweep runs.

    Raises `ConfigError` for one that can't be measured.
    """

    measure: Measure
    """The results of one job, as JSON, to stand in its record."""

    columns: Callable[[Sequence[Record]], list[str]]
    """The columns of `summary.csv`: always the same, in one order; more at the end where records have more."""

    row: Callable[[Record], dict[str, Any]]
    """A record as one row of the summary; what a failed job lacks is None."""

    order: Callable[[Row], tuple[Any, ...]]
    """What the summary is sorted by."""

    table: Callable[[Sequence[Row]], Table]
    """The table that people read, a line for each row."""

    samples: Callable[[Record], Mapping[str, Sequence[float]]]
    """What can be set against another sweep's record of the same point: by name, every sample of it."""

    answer: Callable[[Sequence[Row]], str]
    """The answer to the question in a sentence or two."""

    pictures: Callable[[Sequence[Row]], list[Picture]]
    """The pictures of the poster and of the page."""

    legend: str = "Times are for {timed}: median ± half the interquartile range{samples}."
    """What the table's numbers are."""

    def caption(self, samples: str) -> str:
        """What the table's numbers are, with how many samples were taken of each."""
        return self.legend.format(timed=self.timed, samples=samples)


def from_configuration_alone(measure: Callable[[Config], Results]) -> Measure:
    """For an experiment that keeps nothing but its record in the job's directory."""

    def measured(config: Config, directory: Path, *, force: bool) -> Results:  # noqa: ARG001
        return measure(config)

    return measured
