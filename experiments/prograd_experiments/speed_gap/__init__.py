"""The speed gap: how much slower forward mode is than reverse mode, as depth and width grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.experiment import Experiment, Row
from prograd_experiments.records import Record
from prograd_experiments.speed_gap import measure, pictures, summary
from prograd_experiments.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SpeedGap(Experiment):
    """Times the modes in turns inside one job, once it is certain that they compute the same gradient."""

    name = "speed_gap"
    question = "How much slower is forward mode than reverse mode, as depth and width grow?"
    timed = "one gradient"
    how = (
        "Each job builds one network, checks that the modes compute the same gradient to rounding, and then times them "
        "in turns inside one process, with the number of BLAS threads fixed. A sample repeats the gradient until it "
        "lasts long enough to be read off the clock well. Times are medians of the samples, the spread is the "
        "interquartile range (the width of the middle half of the samples), and the gap is the median of the ratios "
        "forward / reverse within each turn. The predicted gap is the ratio of the multiply-adds that each mode needs, "
        "counted from the structure of the Jacobian blocks: it knows nothing of memory, of call overhead, or of how "
        "well a product fills the processor."
    )

    def check(self, config: Config) -> Config:
        """The configuration with its loss settled. Raises `ConfigError` for one that can't be measured."""
        return measure.check(config)

    def measure(self, config: Config) -> dict[str, Any]:
        """Times, agreement and multiply-adds of each mode, with the environment they were taken in."""
        return measure.measure(config)

    def columns(self, records: Sequence[Record]) -> list[str]:
        """Documented in `docs/experiments.md`."""
        return summary.columns(records)

    def row(self, record: Record) -> dict[str, Any]:
        """A record as one row of the summary."""
        return summary.row(record)

    def order(self, row: Row) -> tuple[Any, ...]:
        """By what is measured, then by depth and width."""
        return summary.order(row)

    def table(self, rows: Sequence[Row]) -> Table:
        """Both times and the gap with their spread, the predicted gap, and the number of samples for each point."""
        return summary.table(rows)

    def samples(self, record: Record) -> Mapping[str, Sequence[float]]:
        """Each mode's times, and the gap in each turn."""
        return summary.samples(record)

    def answer(self, rows: Sequence[Row]) -> str:
        """The range of the gap with the raw times at its ends, and whether it grows."""
        return summary.answer(rows)

    def poster(self, rows: Sequence[Row]) -> Figure:
        """Times against depth and width with their slopes, and the gap as heat maps."""
        from prograd_experiments.speed_gap import figures  # noqa: PLC0415  (matplotlib: a job need not wait for it)

        return figures.poster(rows)

    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        """The same as lines and maps."""
        return pictures.pictures(rows)
