"""The pictures of training: loss and score, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prograd_experiments.charts import Axis, Chart, Datum, Picture, Series
from prograd_experiments.charts.palette import hue, marker
from prograd_experiments.rows import Row
from prograd_experiments.training import swept
from prograd_experiments.training.scores import score_text
from prograd_experiments.units import three

POINT = (
    *("data", "network", "depth", "width", "activation", "loss"),
    *("optimizer", "mode", "epochs", "dtype", "threads", "seed"),
)
"""The experiment's own columns that tell points apart."""

CHOICES = ("data", "network", "activation", "loss", "optimizer")
"""Those of them that are names."""

MOST_RUNS = 6
FEW_EPOCHS = 6  # each of them is a tick


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """Test score against what was swept, then loss and score by epoch, two lines for each run."""
    with_curves = [row for row in rows if row["curves"] and row["curves"]["epochs"]]
    drawn = with_curves[:MOST_RUNS]
    left = len(rows) - len(drawn)
    note = f"Not drawn: {left} of {len(rows)} runs. The table has them all." if left else ""
    curves = [_chart(title, what, rows, drawn, note) for what, title in (("loss", "Mean loss"), ("score", "Score"))]
    return [*swept.charts(rows), *curves]


def label(row: Row, rows: Sequence[Row]) -> str:
    """A run in words: what tells it apart, or data and network if nothing does."""
    return swept.told_apart(row, rows) or f"{row['data']}, {row['network']}"


def _chart(title: str, what: str, rows: Sequence[Row], drawn: Sequence[Row], note: str) -> Chart:
    series = [line for number, row in enumerate(drawn) for line in _curves(row, label(row, rows), what, number)]
    values = [datum.y for line in series for datum in line.data if datum.y is not None]
    kinds = "; ".join(sorted({row["score_is"] for row in drawn if row["score_is"]})) or "score"
    epochs = sorted({epoch for row in drawn for epoch in row["curves"]["epochs"]})
    ticks = [(epoch, str(epoch)) for epoch in epochs] if 0 < len(epochs) <= FEW_EPOCHS else None
    return Chart(
        "Epoch by epoch",
        title,
        f"{title} against epochs for each run: solid for the training part, dashed for the validation part.",
        Axis("epochs", lambda value: f"{value:g}", ticks=ticks),
        Axis(
            "mean over the samples" if what == "loss" else kinds,
            lambda value: f"{value:g}",
            log=what == "loss" and min(values, default=0.0) > 0,
        ),
        series,
        note=note,
    )


def _curves(row: Row, name: str, what: str, number: int) -> Iterator[Series]:
    for part, key in (("training part", "train"), ("validation part", "validation"), ("test part", "test")):
        data = [
            Datum(epoch, value, f"{name}: {what} {_written(value, what, row)} on the {part} after {epoch} epochs")
            for epoch, value in zip(row["curves"]["epochs"], row["curves"].get(f"{key}_{what}", ()), strict=False)
            if value is not None
        ]
        if data:
            ended = "" if row["status"] == "complete" else "did not finish"
            yield Series(part, data, hue(number), marker(number), name, dashed=key != "train", note=ended)


def _written(value: float, what: str, row: Row) -> str:
    return score_text(value, row) if what == "score" else three(value)
