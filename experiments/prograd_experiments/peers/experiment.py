"""The peers: how fast prograd is beside numpy, JAX, PyTorch and autograd, and beside the matrix products alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.experiment import Experiment, Row
from prograd_experiments.peers import measure, pictures, summary
from prograd_experiments.records import Record
from prograd_experiments.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Peers(Experiment):
    """Times engines in turns, each in a process of its own, once it is certain that they compute the same."""

    name = "peers"
    question = "How fast is prograd beside its peers, and beside the matrix products alone?"
    timed = "one call"
    how = (
        "Every engine lives in a process of its own, gets the same arrays, and has the same number of threads. At each "
        "point, a task on a square tanh network, each engine's result is first compared with a hand-written one in "
        "float64, and an engine whose result is wrong is not timed. Then the engines take turns, round by round, every "
        "second round in the opposite order: a sample repeats the call until it lasts long enough to be read off the "
        "clock well. Compiling is not timed, nor is any conversion: inputs and results are of the engine's own type, "
        "and a call has ended when its result is there. Times are medians, the spread is the interquartile range, and "
        "each ratio is the median of the ratios within the rounds. The floor is the matrix products that the task can "
        "not do without, alone, into memory that is kept: three for each layer and two for the first in a gradient. An "
        "engine that a point takes too long, or too much memory, is stopped and shown as such."
    )

    def check(self, config: Config) -> Config:
        """The configuration with its point written out. Raises `ConfigError` for one that can't be measured."""
        return measure.check(config)

    def measure(self, config: Config) -> dict[str, Any]:
        """What became of every engine, times and ratios."""
        return measure.measure(config)

    def columns(self, records: Sequence[Record]) -> list[str]:
        """Documented in `docs/performance.md`."""
        return summary.columns(records)

    def row(self, record: Record) -> dict[str, Any]:
        """A record as one row of the summary."""
        return summary.row(record)

    def order(self, row: Row) -> tuple[Any, ...]:
        """By task and type, then by size."""
        return summary.order(row)

    def table(self, rows: Sequence[Row]) -> Table:
        """Ratios of prograd to the floor and of the best peer to prograd, and each engine's time with its spread."""
        return summary.table(rows)

    def samples(self, record: Record) -> Mapping[str, Sequence[float]]:
        """Each engine's times, and prograd over the floor in each round."""
        return summary.samples(record)

    def answer(self, rows: Sequence[Row]) -> str:
        """For each task the ratios in the middle and at their worst."""
        return summary.answer(rows)

    def poster(self, rows: Sequence[Row]) -> Figure:
        """All panels on one sheet."""
        from prograd_experiments.peers import figures  # noqa: PLC0415  (matplotlib: a job need not wait for it)

        return figures.poster(rows)

    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        """For each task and type, every engine against the floor, or against prograd where there is none."""
        return pictures.pictures(rows)
