"""Training on the page: loss and score against epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prograd_experiments.charts import Axis, Chart, Picture, Point, Series
from prograd_experiments.rows import Row
from prograd_experiments.training.runs import ACCURACY, label
from prograd_experiments.units import three

PANELS = (("loss", "Mean loss"), ("score", "Score"))
MOST_RUNS = 6


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """Loss and score, a line for each run and part of the data."""
    drawn = [row for row in rows if row["curves"] and row["curves"]["epochs"]]
    found: list[Picture] = []
    for what, title in PANELS:
        series = [one for number, row in enumerate(drawn[:MOST_RUNS]) for one in _curves(row, rows, what, number)]
        values = [point.y for one in series for point in one.points if point.y is not None]
        kinds = "; ".join(sorted({row["score_is"] for row in drawn if row["score_is"]}))
        left = (
            f" The first {MOST_RUNS} of {len(drawn)} runs; the rest is in the records."
            if len(drawn) > MOST_RUNS
            else ""
        )
        found.append(
            Chart(
                "Epoch by epoch",
                title,
                f"{title} against epochs, a line for each run; drawn through: training part, dashed: test part.{left}",
                Axis("epochs", lambda value: f"{value:g}"),
                Axis(
                    "mean over the samples" if what == "loss" else kinds or "score",
                    lambda value: f"{value:g}",
                    log=what == "loss" and bool(values) and min(values) > 0,
                ),
                series,
            )
        )
    return found


def _curves(row: Row, rows: Sequence[Row], what: str, number: int) -> Iterator[Series]:
    name = label(row, rows)
    for part, words in (("train", "training part"), ("test", "test part")):
        pairs = zip(row["curves"]["epochs"], row["curves"][f"{part}_{what}"], strict=True)
        points = [
            Point(x, y, f"{name}: {what} {_written(y, what, row)} on the {words} after {x} epochs")
            for x, y in pairs
            if y is not None
        ]
        if points:
            ended = "" if row["status"] == "complete" else "did not come to its end"
            yield Series(f"{part}: {name}", points, number, number, dashed=part == "test", note=ended)


def _written(value: float, what: str, row: Row) -> str:
    return f"{100 * value:.1f} %" if what == "score" and row["score_is"] == ACCURACY else three(value)
