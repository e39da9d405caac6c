"""What an experiment gives: a check of its configuration, a measurement, and how results of many jobs are shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.records import Record
from prograd_experiments.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # half a second to import, and only the end of a sweep draws

Row = Mapping[str, Any]


class Experiment(ABC):
    """One kind of job. Meant to be subclassed; `EXPERIMENTS` in `catalogue.py` names each."""

    name: ClassVar[str]
    question: ClassVar[str]
    how: ClassVar[str]
    timed: ClassVar[str]  # what a time is the time of: "one gradient"; empty where nothing is timed

    @abstractmethod
    def check(self, config: Config) -> Config:
        """The configuration as it will be measured, with defaults settled; called before any job of a sweep runs.

        Raises `ConfigError` for one that can't be measured.
        """

    @abstractmethod
    def measure(self, config: Config) -> dict[str, Any]:
        """The results of one job, as JSON, to stand in its record."""

    def measure_in(self, directory: Path, config: Config, *, force: bool = False) -> dict[str, Any]:
        """As `measure`, for an experiment that keeps more than its record in the job's directory.

        What it kept there before is not used with `force`.
        """
        return self.measure(config)

    def caption(self, samples: str) -> str:
        """What the table's numbers are, with how many samples were taken of each."""
        return f"Times are for {self.timed}: median ± half the interquartile range{samples}."

    @abstractmethod
    def columns(self, records: Sequence[Record]) -> list[str]:
        """The columns of `summary.csv`: always the same, in one order; more at the end where records have more."""

    @abstractmethod
    def row(self, record: Record) -> dict[str, Any]:
        """A record as one row of the summary; what a failed job lacks is None."""

    @abstractmethod
    def order(self, row: Row) -> tuple[Any, ...]:
        """What the summary is sorted by."""

    @abstractmethod
    def table(self, rows: Sequence[Row]) -> Table:
        """The table that people read, a line for each row."""

    @abstractmethod
    def samples(self, record: Record) -> Mapping[str, Sequence[float]]:
        """What can be set against another sweep's record of the same point: by name, every sample of it."""

    @abstractmethod
    def answer(self, rows: Sequence[Row]) -> str:
        """The answer to the question in a sentence or two."""

    @abstractmethod
    def poster(self, rows: Sequence[Row]) -> Figure:
        """All pictures on one sheet."""

    @abstractmethod
    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        """The pictures of the page."""
