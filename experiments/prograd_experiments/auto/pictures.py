"""The pictures of auto: the time of its choice over the quickest, and predicted against measured times."""

from __future__ import annotations

from collections.abc import Sequence

from prograd.units import factor, seconds, short_factor, short_seconds
from prograd_experiments.charts import Axis, Chart, Datum, Picture, Series, failed
from prograd_experiments.charts.palette import hue, marker, of_mode
from prograd_experiments.planned import modes_of
from prograd_experiments.rows import Row, ended, further_text

HEADING = "All points"


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """One dot for each point, and one dot for each mode of each point."""
    return [_choices(rows), _predictions(rows)]


def _choices(rows: Sequence[Row]) -> Chart:
    measured = [row for row in rows if row["over"] is not None]
    names = sorted({row["network"] for row in measured})
    series = [
        Series(
            name,
            [Datum(_quickest(row), row["over"], _choice(row)) for row in measured if row["network"] == name],
            hue(number + 4),  # the first hues are those of modes
            marker(number),
            joined=False,
        )
        for number, name in enumerate(names)
    ]
    no_time = [Datum(None, 1.0, f"{_where(row)}: {ended(row)}") for row in rows if row["status"] != "complete"]
    return Chart(
        HEADING,
        "Auto's choice over the quickest mode",
        "The time of the mode that auto takes over that of the quickest mode, against the latter, on log axes.",
        Axis("time of the quickest mode", short_seconds, log=True),
        Axis("auto / quickest", short_factor, log=True),
        [*series, *failed(no_time)],
        reference=1.0,
    )


def _predictions(rows: Sequence[Row]) -> Chart:
    series = []
    for number, mode in enumerate(modes_of(rows)):
        data = [
            Datum(row[f"{mode}_s"], row[f"{mode}_s"] / row[f"{mode}_predicted_s"], _prediction(row, mode))
            for row in rows
            if row[f"{mode}_s"] is not None
        ]
        series.append(Series(mode, data, of_mode(mode), marker(number), joined=False))
    return Chart(
        HEADING,
        "Measured over predicted time",
        "The measured time over the predicted one, against the measured time, for each mode, on log axes.",
        Axis("measured time", short_seconds, log=True),
        Axis("measured / predicted", short_factor, log=True),
        series,
        reference=1.0,
    )


def _quickest(row: Row) -> float:
    return float(row[f"{row['quickest']}_s"])


def _choice(row: Row) -> str:
    chosen = row["chosen"]
    times = f"{seconds(row[f'{chosen}_s'])} against {seconds(_quickest(row))}"
    return f"{_where(row)}: auto takes {chosen}, {factor(row['over'])} the time of {row['quickest']}; {times}"


def _prediction(row: Row, mode: str) -> str:
    measured, predicted = seconds(row[f"{mode}_s"]), seconds(row[f"{mode}_predicted_s"])
    return f"{_where(row)}, {mode}: {measured}, predicted {predicted}, {row['timings']} timings"


def _where(row: Row) -> str:
    return f"{row['point']}, batch {row['batch']}, {row['derivative']}{further_text(row)}"
