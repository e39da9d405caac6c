"""The bracketing experiment on the page: the same lines as on the sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prograd_experiments.bracketing.groups import MOST_GROUPS, MOST_WIDTHS, Group, groups
from prograd_experiments.charts import Axis, Chart, Picture, Point, Series
from prograd_experiments.planned import modes_of
from prograd_experiments.rows import Row, ended
from prograd_experiments.units import factor, seconds, short_seconds

COLOURS = {"forward": 0, "reverse": 1}


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """For each group one for each width, and one for the gain."""
    modes = modes_of(rows)
    return [picture for group in groups(rows)[:MOST_GROUPS] for picture in _of(group, modes)]


def _of(group: Group, modes: Sequence[str]) -> Iterator[Picture]:
    x = Axis("bottleneck (outputs in the middle)", str, log=True, ticks=[(float(v), str(v)) for v in group.bottlenecks])
    widths = group.widths[-MOST_WIDTHS:]
    for width in widths:
        yield Chart(
            group.setting,
            f"Time at width {width}",
            f"Median and predicted time of one call against the bottleneck, a line for each mode; {group.setting}.",
            x,
            Axis("median time (dashed: predicted)", short_seconds, log=True),
            [*_times(group, width, modes), *_failed(group, width)],
        )
    yield Chart(
        group.setting,
        "What the mixed bracketing gains",
        f"Time of the better pure mode over that of the mixed one against the bottleneck; {group.setting}.",
        x,
        Axis("better pure mode / mixed mode (dashed: predicted)", factor, log=True),
        [series for index, width in enumerate(widths) for series in _gains(group, width, index)],
    )


def _times(group: Group, width: int, modes: Sequence[str]) -> Iterator[Series]:
    for number, mode in enumerate(modes):
        found, colour = group.line(width, f"{mode}_s"), COLOURS.get(mode, 3 + number % 4)  # 2 is what failed
        measured = [Point(x, row[f"{mode}_s"], _says(row, mode), row[f"{mode}_quartiles"]) for x, row in found]
        yield Series(mode, measured, colour, number)
        predicted = [Point(x, row[f"{mode}_predicted_s"], _says(row, mode)) for x, row in found]
        yield Series(f"{mode}, predicted", predicted, colour, number, 0.3, dashed=True)


def _gains(group: Group, width: int, index: int) -> Iterator[Series]:
    found = group.line(width, "gain")
    for name, key, pale in (("", "gain", 0.0), (", predicted", "predicted_gain", 0.3)):
        points = [Point(x, row[key], _gained(row)) for x, row in found]
        yield Series(f"width {width}{name}", points, 3 + index % 4, index, pale, dashed=bool(name))


def _failed(group: Group, width: int) -> Iterator[Series]:
    marks = [
        Point(row["bottleneck"] or width, None, f"{_where(row)}: {ended(row)}")
        for row in group.rows
        if row["width"] == width and row["status"] != "complete"
    ]
    if marks:
        yield Series("no time", marks, 2, joined=False)


def _says(row: Row, mode: str) -> str:
    measured, predicted = seconds(row[f"{mode}_s"]), seconds(row[f"{mode}_predicted_s"])
    return f"{_where(row)}, {mode}: {measured}, predicted {predicted}, {row['timings']} timings"


def _gained(row: Row) -> str:
    return f"{_where(row)}, {row['mixed']}: {factor(row['gain'])}, predicted {factor(row['predicted_gain'])}"


def _where(row: Row) -> str:
    return f"width {row['width']}, bottleneck {row['bottleneck']}"
