"""The bracketing experiment: what the best order of products gains, measured against predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prograd_experiments.bracketing import measure, pictures, summary
from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.experiment import Experiment, Row
from prograd_experiments.records import Record
from prograd_experiments.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Bracketing(Experiment):
    """Plans each network, then times the modes in turns, once it is certain that they compute the same."""

    name = "bracketing"
    question = "How much does the best order of products gain, and is it known beforehand?"
    timed = "one Jacobian or gradient"
    how = (
        "Each job plans a network before anything is computed: multiply-adds and bytes of every mode from the "
        "structure of its Jacobian blocks, and seconds from rates that are measured once on the machine. Then it "
        "checks that the modes compute the same to rounding, and times them in turns inside one process, with the "
        "number of BLAS threads fixed. Times are medians of the samples, the spread is the interquartile range. "
        "Reverse and forward are the pure modes, one bracketing from the left and one from the right; every other one "
        "is mixed. The gain is the time of the better pure mode over that of mode optimal (where that is not timed, of "
        "the mixed mode that was predicted to be the quickest); auto is the mode that would be chosen."
    )

    def check(self, config: Config) -> Config:
        """The configuration with its loss settled. Raises `ConfigError` for one that can't be measured."""
        return measure.check(config)

    def measure(self, config: Config) -> dict[str, Any]:
        """The plan, times and agreement of each mode, with the environment they were taken in."""
        return measure.measure(config)

    def columns(self, records: Sequence[Record]) -> list[str]:
        """Documented in `docs/planning.md`."""
        return summary.columns(records)

    def row(self, record: Record) -> dict[str, Any]:
        """A record as one row of the summary."""
        return summary.row(record)

    def order(self, row: Row) -> tuple[Any, ...]:
        """By what is measured, then by width and bottleneck."""
        return summary.order(row)

    def table(self, rows: Sequence[Row]) -> Table:
        """Times measured and predicted, the gain measured and predicted, and what auto chooses."""
        return summary.table(rows)

    def samples(self, record: Record) -> Mapping[str, Sequence[float]]:
        """Each mode's times."""
        return summary.samples(record)

    def answer(self, rows: Sequence[Row]) -> str:
        """The largest gain, and how well it was known."""
        return summary.answer(rows)

    def poster(self, rows: Sequence[Row]) -> Figure:
        """Times against the bottleneck for each width, and the gain."""
        from prograd_experiments.bracketing import figures  # noqa: PLC0415  (matplotlib: a job need not wait for it)

        return figures.poster(rows)

    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        """The same as lines."""
        return pictures.pictures(rows)
