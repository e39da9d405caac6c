"""The pictures of training: loss and score, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, stdev
from typing import Any

from prograd.units import three
from prograd_experiments.charts import Axis, Chart, Datum, Picture, Series
from prograd_experiments.charts.palette import hue, marker
from prograd_experiments.rows import Row, bars_of_seeds, further_text, seeds_text, varying
from prograd_experiments.training import swept
from prograd_experiments.training.scores import score_text

POINT = (
    *("data", "network", "depth", "width", "activation", "loss", "penalty"),
    *("optimizer", "mode", "epochs", "dtype", "threads", "seed"),
)
"""The experiment's own columns that tell points apart."""

CHOICES = ("data", "network", "activation", "loss", "optimizer")
"""Those of them that are names."""

MOST_RUNS = 6
FEW_EPOCHS = 6  # each of them is a tick


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """Test score against what was swept, then loss and score by epoch, two lines for each point."""
    with_curves = [row for row in rows if row["curves"] and row["curves"]["epochs"]]
    drawn = with_curves[:MOST_RUNS]
    left = len(rows) - len(drawn)
    note = f"Not drawn: {left} of {len(rows)} points. The table has them all." if left else ""
    curves = [_chart(title, what, rows, drawn, note) for what, title in (("loss", "Mean loss"), ("score", "Score"))]
    return [*swept.charts(rows), *curves]


def label(row: Row, rows: Sequence[Row]) -> str:
    """A point in words: what tells it apart, or data and network if nothing does."""
    own = [f"{key} {row[key]}" for key in varying(rows, [key for key in POINT if key != "seed"])]
    return ", ".join(own + [further_text(row).removeprefix(", ")] * bool(further_text(row))) or (
        f"{row['data']}, {row['network']}"
    )


def epoch_text(value: float) -> str:
    """The number of an epoch, or the mean of several with one decimal."""
    return f"{round(value, 1):g}"


def mean_curves(each: Sequence[Any]) -> Any:
    """The means of the curves of several seeds, with the ends of their deviations; the first if epochs differ."""
    curves = [curve for curve in each if curve]
    if not curves or any(curve["epochs"] != curves[0]["epochs"] for curve in curves):
        return curves[0] if curves else None
    found = {"epochs": curves[0]["epochs"], "ends": {}}
    for key in (key for key in curves[0] if key != "epochs"):
        at = [
            [value for value in values if value is not None] for values in zip(*(c[key] for c in curves), strict=True)
        ]
        found[key] = [fmean(values) if len(values) == len(curves) else None for values in at]
        found["ends"][key] = [_ends(values) if len(values) == len(curves) > 1 else None for values in at]
    return found


def _ends(values: Sequence[float]) -> tuple[float, float]:
    middle, width = fmean(values), stdev(values)
    return (middle - width if middle > width else min(values)), middle + width


def _chart(title: str, what: str, rows: Sequence[Row], drawn: Sequence[Row], note: str) -> Chart:
    series = [line for number, row in enumerate(drawn) for line in _curves(row, label(row, rows), what, number)]
    values = [datum.y for line in series for datum in line.data if datum.y is not None]
    kinds = "; ".join(sorted({row["score_is"] for row in drawn if row["score_is"]})) or "score"
    epochs = sorted({epoch for row in drawn for epoch in row["curves"]["epochs"]})
    ticks = [(epoch, str(epoch)) for epoch in epochs] if 0 < len(epochs) <= FEW_EPOCHS else None
    return Chart(
        "Epoch by epoch",
        title,
        f"{title} against epochs for each point: solid for the training part, dashed for the validation part.",
        Axis("epochs", lambda value: f"{value:g}", ticks=ticks),
        Axis(
            f"{'mean over the samples' if what == 'loss' else kinds} {bars_of_seeds(drawn)}".rstrip(),
            lambda value: f"{value:g}",
            log=what == "loss" and min(values, default=0.0) > 0,
        ),
        series,
        note=note,
    )


def _curves(row: Row, name: str, what: str, number: int) -> Iterator[Series]:
    for part, key in (("training part", "train"), ("validation part", "validation"), ("test part", "test")):
        curves = row["curves"]
        values = curves.get(f"{key}_{what}", [None] * len(curves["epochs"]))
        spreads = curves.get("ends", {}).get(f"{key}_{what}", [None] * len(values))
        words = f"{name}: {what} {{}} on the {part} after {{}} epochs{seeds_text(row)}"
        data = [
            Datum(epoch, value, words.format(_written(value, what, row), epoch), spread)
            for epoch, value, spread in zip(curves["epochs"], values, spreads, strict=True)
            if value is not None
        ]
        if data:
            note = _chosen(row) if key == "validation" else ""
            ended = note if row["status"] == "complete" else "did not finish"
            yield Series(part, data, hue(number), marker(number), name, dashed=key != "train", note=ended)


def _chosen(row: Row) -> str:
    """`chose epoch 12`; empty if that is the last, and of records from before the validation part chose it."""
    earlier = row["chosen_epoch"] not in {None, row["epochs_done"]}
    return f"chose epoch {epoch_text(row['chosen_epoch'])}" if earlier else ""


def _written(value: float, what: str, row: Row) -> str:
    return score_text(value, row) if what == "score" else three(value)
