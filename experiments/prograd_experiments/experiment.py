"""What an experiment is: it checks a configuration, measures one job, and shows the results of many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, final

from prograd_experiments import distinct, steady
from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.records import Record
from prograd_experiments.rows import (
    DEVIATIONS,
    FURTHER,
    MARK,
    UNSTEADY,
    Column,
    Row,
    at,
    further,
    reason,
    sort_key,
    told,
)

Results = dict[str, Any]
BUSY = (
    f" {MARK} unsteady: the middle half of the timings is wider than {100 * steady.WIDEST:g} % of the median, so the "
    "machine was busy; no other measurement within the job's time was steadier."
)
OVER_SEEDS = " A point of several seeds: mean over the seeds ± standard deviation."
Progress = Callable[[int, int, str], None]
"""Called as a job goes on: with how much is done, of how much, and how it stands in a few words."""


def silent(done: int, total: int, how: str) -> None:
    """Shows no progress."""


class Experiment(ABC):
    """One kind of job. Meant to be subclassed; `EXPERIMENTS` in `jobs.py` lists the subclasses."""

    name: ClassVar[str]
    question: ClassVar[str]
    how: ClassVar[str]

    timed: ClassVar[str] = ""
    """What is timed, such as "one gradient"; empty if the experiment times nothing."""

    data: ClassVar[str] = ""
    """The only data set that the experiment has a use for; empty if it takes any."""

    legend: ClassVar[str] = "Times are for {timed}: median ± half the interquartile range{timings}."
    """The caption of the table."""

    sorted_by: ClassVar[Sequence[str]]
    """The columns that the rows are sorted by."""

    unused: ClassVar[Config] = MappingProxyType({})
    """Keys of other experiments, with their defaults: they may not be set, and `--help` leaves them out."""

    @abstractmethod
    def check(self, config: Config) -> Config:
        """The configuration to measure, with its defaults settled; called before any job of a sweep runs.

        Raises `ConfigError` for a configuration that can't be measured.
        """

    @abstractmethod
    def measure(self, config: Config, directory: Path, *, force: bool, progress: Progress) -> Results:
        """The results of one job as JSON, for its record.

        An earlier run may have left files in the job's directory; `force` means not to use them. A job that takes long
        and times nothing may call `progress` on its way.
        """

    @abstractmethod
    def specification(self, records: Sequence[Record]) -> list[Column]:
        """The experiment's own columns for these records, in the order of `summary.csv` and of the table."""

    @abstractmethod
    def answer(self, rows: Sequence[Row]) -> str:
        """The answer to the question in a sentence or two."""

    @abstractmethod
    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        """The pictures of the poster and of the page."""

    def without_effect(self, config: Config) -> Sequence[str]:
        """The keys that change nothing in this configuration. `check` leaves them out, and no one may set them."""
        return ()

    def predicted_seconds(self, config: Config) -> float | None:
        """About how long a job with this checked configuration takes; None if nobody knows.

        Raises a `ProgradError` if the parts of the configuration do not fit.
        """
        return None

    def derived(self, record: Record) -> Mapping[str, Any]:
        """Facts that follow from a record, for columns to read like the record's own."""
        return {}

    def compared(self, record: Record) -> Mapping[str, Sequence[float]]:
        """The values, by heading, that a page compares with another sweep's of the same point."""
        timings: Mapping[str, Sequence[float]] = record.get("timings", {})
        return timings

    def order(self, row: Row) -> tuple[Any, ...]:
        """The key that sorts the rows."""
        keys = (*self.sorted_by, *further([row]), "config_hash", "directory")
        return tuple(sort_key(row[key]) for key in keys)

    @final
    def columns(self, records: Sequence[Record]) -> list[Column]:
        """All columns for these records: status, the experiment's own, which record, its error, what else varies."""
        first, last = Column("status", at("status")), [Column(key, at(key)) for key in ("config_hash", "directory")]
        own = [first, *self.specification(records), *last, Column("error", reason)]
        if self.timed:
            own.append(Column(UNSTEADY, steady.unsteady_names, merge=steady.joined))
        return [*own, *_further(own, records)]

    @final
    def row(self, columns: Sequence[Column], record: Record, directory: str) -> Row:
        """A record as one row. A failed job lacks some values; they are None."""
        facts = {**record, **self.derived(record), "directory": directory}
        return {column.key: column.read(facts) for column in columns}

    @final
    def caption(self, rows: Sequence[Row]) -> str:
        """The caption of the table, with the number of timings and of seeds."""
        counts = [row["timings"] for row in rows if row.get("timings")]
        timings = f" of {' to '.join(map(str, dict.fromkeys((min(counts), max(counts)))))} timings" if counts else ""
        several = any(row.get(DEVIATIONS) for row in rows)
        busy = any(row.get(UNSTEADY) for row in rows)
        return self.legend.format(timed=self.timed, timings=timings) + OVER_SEEDS * several + BUSY * busy


def _further(own: Sequence[Column], records: Sequence[Record]) -> list[Column]:
    """A column for each key that varies in the configurations and is in none of the experiment's own columns."""
    known = ["experiment.name", *(path for column in own for path in column.of)]
    used = {column.key for column in own}
    taken = used | {column.heading for column in own}
    names: tuple[tuple[str, str, Mapping[Any, str]], ...] = ()
    columns, seen = [], [[column.read(record) for record in records] for column in own if column.point]
    for key in distinct.keys([record["config"] for record in records], known, taken):
        if list(key.values) in seen:
            continue
        values = {record["config_hash"]: value for record, value in zip(records, key.values, strict=True)}
        name = key.path if key.path not in used else f"config.{key.path}"
        texts = key.texts
        written = partial(told, name, texts)
        columns.append(Column(name, partial(_looked_up, values), key.name, written, point="varying", csv="last"))
        names += ((name, key.name, texts),)
    return [*columns, Column(FURTHER, lambda _: names, csv="never")] if columns else []


def _looked_up(values: Mapping[str, Any], record: Record) -> Any:
    return values[record["config_hash"]]
