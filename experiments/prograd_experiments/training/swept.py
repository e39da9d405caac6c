"""The picture that answers a sweep: the test score against each number that was swept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from prograd_experiments.charts import Axis, Chart, Datum, Series
from prograd_experiments.charts.palette import hue, marker
from prograd_experiments.config import Config, shown
from prograd_experiments.rows import Row, varying
from prograd_experiments.training.scores import ACCURACY, score_text

MOST_CHARTS, MOST_LINES = 4, 6
FEW_VALUES = 8  # each of them is a tick
WIDE = 8.0  # the ratio of the largest to the smallest value from which an axis is logarithmic
REPEATED = ("seed", "checkpoint_seconds", "threads")
"""Keys whose values repeat a run instead of changing what is learned."""


def settings(config: Config, prefix: str = "") -> dict[str, Any]:
    """The dotted keys of a configuration with their values; of a file's path the name."""
    found: dict[str, Any] = {}
    for key, value in shown(config).items():
        if isinstance(value, Mapping):
            found |= settings(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            found[prefix + key] = json.dumps(value)
        else:
            found[prefix + key] = PurePath(value).name if key == "path" and isinstance(value, str) else value
    return found


def told_apart(row: Row, rows: Sequence[Row]) -> str:
    """The settings of a run that differ between the runs, such as `width 8, rate 0.1`; empty if none does."""
    return _label(row, _varying(rows))


def charts(rows: Sequence[Row]) -> list[Chart]:
    """A chart for each number that was swept, with a line for each setting of the rest; none for a single point."""
    scored = [row for row in rows if row["test_score"] is not None]
    swept = [key for key in _varying(scored) if key not in REPEATED]
    numbers = [key for key in swept if all(_is_number(row["settings"].get(key)) for row in scored)]
    return [_chart(key, [other for other in swept if other != key], scored) for key in numbers[:MOST_CHARTS]]


def _varying(rows: Sequence[Row]) -> list[str]:
    keys = sorted(dict.fromkeys(key for row in rows for key in row["settings"]), key=lambda key: key in REPEATED)
    return varying([dict.fromkeys(keys) | row["settings"] for row in rows], keys)


def _chart(key: str, others: Sequence[str], rows: Sequence[Row]) -> Chart:
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(_label(row, others), []).append(row)
    drawn = list(lines.items())[:MOST_LINES]
    values = sorted({row["settings"][key] for row in rows})
    kinds = sorted({row["score_is"] for row in rows})
    left = len(lines) - len(drawn)
    name = _short(key)
    return Chart(
        "What was swept",
        f"Test score against {name}",
        f"Score on the test part against {name}: the median of the runs that differ in their seed alone.",
        Axis(
            name,
            lambda value: f"{value:g}",
            log=values[0] > 0 and values[-1] / values[0] >= WIDE,
            ticks=[(value, f"{value:g}") for value in values] if len(values) <= FEW_VALUES else None,
        ),
        Axis("; ".join(kinds), lambda value: f"{100 * value:.4g} %" if kinds == [ACCURACY] else f"{value:g}"),
        [_line(label, number, its, key) for number, (label, its) in enumerate(drawn)],
        note=f"Not drawn: {left} of {len(lines)} lines. The table has all runs." if left else "",
    )


def _line(label: str, number: int, rows: Sequence[Row], key: str) -> Series:
    data = []
    for value in sorted({row["settings"][key] for row in rows}):
        its = [row for row in rows if row["settings"][key] == value]
        low, middle, high = np.quantile([row["test_score"] for row in its], (0.25, 0.5, 0.75))
        runs = f", the median of {len(its)} runs" if len(its) > 1 else ""
        where = ", ".join(filter(None, (label, f"{_short(key)} {value:g}")))
        text = f"{where}: {its[0]['score_is']} {score_text(float(middle), its[0])} on the test part{runs}"
        data.append(Datum(value, float(middle), text, (float(low), float(high)) if len(its) > 1 else None))
    return Series(label or "test part", data, hue(number), marker(number))


def _label(row: Row, keys: Sequence[str]) -> str:
    return ", ".join(f"{_short(key)} {row['settings'].get(key)}" for key in keys)


def _short(key: str) -> str:
    """`optimizer.rate` -> `rate`, and `optimizer.name` -> `optimizer`."""
    return key.removesuffix(".name").rpartition(".")[2]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
