"""Training: the objective over a data set minimised, with gradients from any mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.experiment import Experiment, Row
from prograd_experiments.records import Record
from prograd_experiments.tables import Table
from prograd_experiments.training import loop, pictures, settings, summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Train(Experiment):
    """Splits the data, minimises the loss on one part, and says how well the other part is predicted."""

    name = "train"
    question = "How well does the network predict what it has not seen?"
    timed = ""
    how = (
        "The samples are shuffled and split by the seed. Features, and the targets of a regression, are standardised "
        "by the training part alone. The loss is the mean over the samples, and the gradients come from the mode that "
        "the configuration names. Accuracy is the part of the samples whose class is right; the error of a regression "
        "is the root of the mean square, in standard deviations of the training targets. Losses and scores are those "
        "of one run with one seed: their spread shows in a sweep over seeds."
    )

    def check(self, config: Config) -> Config:
        """The configuration with its loss settled. Raises `ConfigError` for one that can't be trained."""
        return settings.check(config)

    def measure(self, config: Config) -> dict[str, Any]:
        """Losses and scores, epoch by epoch."""
        return loop.train(config)

    def measure_in(self, directory: Path, config: Config, *, force: bool = False) -> dict[str, Any]:
        """As `measure`, with a checkpoint in `directory`, where there may be one to go on from."""
        return loop.train(config, directory, force=force)

    def caption(self, samples: str) -> str:
        """What the table's numbers are."""
        return (
            "Losses are means over the samples; those called test were not trained on. Each figure is of one run: it "
            "has no spread."
        )

    def columns(self, records: Sequence[Record]) -> list[str]:
        """Documented in `docs/training.md`."""
        return list(summary.COLUMNS)

    def row(self, record: Record) -> dict[str, Any]:
        """A record as one row of the summary."""
        return summary.row(record)

    def order(self, row: Row) -> tuple[Any, ...]:
        """By data, network and optimizer."""
        return summary.order(row)

    def table(self, rows: Sequence[Row]) -> Table:
        """What varies, epochs, losses and scores."""
        return summary.table(rows)

    def samples(self, record: Record) -> Mapping[str, Sequence[float]]:
        """The losses, scores and seconds of one run: one value of each."""
        return summary.samples(record)

    def answer(self, rows: Sequence[Row]) -> str:
        """The best score on unseen samples for each data set."""
        return summary.answer(rows)

    def poster(self, rows: Sequence[Row]) -> Figure:
        """Loss and score against epochs."""
        from prograd_experiments.training import figures  # noqa: PLC0415  (matplotlib: a job need not wait for it)

        return figures.poster(rows)

    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        """The same as lines."""
        return pictures.pictures(rows)
