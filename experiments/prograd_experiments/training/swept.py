"""The picture that answers a sweep: the test score against each number that was swept."""

from __future__ import annotations

from collections.abc import Sequence

from prograd_experiments import distinct
from prograd_experiments.charts import Axis, Chart, Datum, Series
from prograd_experiments.charts.palette import hue, marker
from prograd_experiments.config import Config
from prograd_experiments.distinct import Key
from prograd_experiments.records import Record
from prograd_experiments.rows import Row, bars_of_seeds, half_width, seeds_text
from prograd_experiments.training.scores import ACCURACY, score_text

CONFIG = "config"
"""The key under which a row of this experiment has its configuration."""

MOST_CHARTS, MOST_LINES = 4, 6
FEW_VALUES = 8  # each of them is a tick
WIDE = 8.0  # the ratio of the largest to the smallest value from which an axis is logarithmic
REPEATED = ("seed", "checkpoint_seconds", "threads")
"""Keys whose values repeat a run instead of changing what is learned."""


def without_seed(record: Record) -> Config:
    """The configuration of a record, without what only repeats a run."""
    return {key: value for key, value in record["config"].items() if key not in REPEATED}


def charts(rows: Sequence[Row]) -> list[Chart]:
    """A chart for each number that was swept, with a line for each setting of the rest; none for a single point."""
    scored = [row for row in rows if row["test_score"] is not None]
    swept = distinct.keys([row[CONFIG] for row in scored])
    numbers = [key for key in swept if len(_numbers(key)) > 1]
    return [_chart(key, [other for other in swept if other != key], scored) for key in numbers[:MOST_CHARTS]]


def _numbers(key: Key) -> list[float]:
    """The distinct values of a key that is a number wherever it has a value."""
    given = {value for value in key.values if value is not None}
    numbers = [value for value in given if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return sorted(numbers) if len(numbers) == len(given) else []


def _chart(key: Key, others: Sequence[Key], rows: Sequence[Row]) -> Chart:
    lines: dict[str, list[tuple[float, Row]]] = {}
    for number, (row, value) in enumerate(zip(rows, key.values, strict=True)):
        if isinstance(value, (int, float)):
            lines.setdefault(_label(others, number), []).append((value, row))
    drawn = list(lines.items())[:MOST_LINES]
    values, kinds = _numbers(key), sorted({row["score_is"] for row in rows})
    left = len(lines) - len(drawn)
    return Chart(
        "What was swept",
        f"Test score against {key.name}",
        f"Score on the test part against {key.name}; of several seeds the mean and its deviation.",
        Axis(
            key.name,
            lambda value: f"{value:g}",
            log=values[0] > 0 and values[-1] / values[0] >= WIDE,
            ticks=[(value, f"{value:g}") for value in values] if len(values) <= FEW_VALUES else None,
        ),
        Axis(
            f"{'; '.join(kinds)} {bars_of_seeds(rows)}".rstrip(),
            lambda value: f"{100 * value:.4g} %" if kinds == [ACCURACY] else f"{value:g}",
        ),
        [_line(key.name, label, number, its) for number, (label, its) in enumerate(drawn)],
        note=f"Not drawn: {left} of {len(lines)} lines. The table has all points." if left else "",
    )


def _line(name: str, label: str, number: int, points: Sequence[tuple[float, Row]]) -> Series:
    data = []
    for value, row in sorted(points, key=lambda point: point[0]):
        score, width = row["test_score"], half_width(row, "test_score")
        where = ", ".join(filter(None, (label, f"{name} {value:g}")))
        text = f"{where}: {row['score_is']} {score_text(score, row)} on the test part{seeds_text(row)}"
        data.append(Datum(value, score, text, None if width is None else (score - width, score + width)))
    return Series(label or "test part", data, hue(number), marker(number))


def _label(keys: Sequence[Key], row: int) -> str:
    return ", ".join(f"{key.name} {key.values[row]}" for key in keys if key.values[row] is not None)
