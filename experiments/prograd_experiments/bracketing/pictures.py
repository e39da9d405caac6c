"""The pictures of the bracketing experiment: times and gains against the bottleneck, measured and predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from prograd.units import factor, seconds, short_factor, short_seconds
from prograd_experiments.charts import (
    Axis,
    Chart,
    Datum,
    Picture,
    Series,
    categories,
    failed,
    measured_and_predicted,
    noted,
)
from prograd_experiments.charts.palette import marker, of_mode, shade
from prograd_experiments.planned import PURE, modes_of
from prograd_experiments.rows import (
    Row,
    apart,
    bars,
    ended,
    further,
    further_text,
    having,
    is_unsteady,
    seeds_text,
    varying,
)
from prograd_experiments.timed import machine_text

POINT = (
    *("width", "bottleneck", "depth", "outputs", "wrt", "batch", "activation", "network"),
    *("dtype", "threads", "machine", "seed"),
)
"""The experiment's own columns that tell points apart."""

MOST_GROUPS = 4
MOST_WIDTHS = 4
LABELS = {"width": "width (outputs of a layer)", "bottleneck": "bottleneck (outputs in the middle)"}
TIME = "median and predicted time"
GAIN = "better pure / mixed mode"


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """For each group of rows the times and the gain: against the bottleneck, else the width, else at one point."""
    modes = modes_of(rows) or list(PURE)
    every = apart(rows, [key for key in varying(rows, [*POINT[2:], *further(rows)]) if key != "seed"])
    every = [group for group in every if any(row["chosen"] for row in group)] or every[:1]
    drawn: list[Picture] = [chart for group in every[:MOST_GROUPS] for chart in _of(group, modes)]
    left = len(every) - MOST_GROUPS
    return noted(drawn, f"The table has {left} more groups of points.") if left > 0 else drawn


def _of(rows: Sequence[Row], modes: Sequence[str]) -> Iterator[Chart]:
    widths = _values(rows, "width")[-MOST_WIDTHS:]
    at_width = {f"width {width}": [row for row in rows if row["width"] == width] for width in widths}
    if len(_values(rows, "bottleneck")) > 1:
        for name, some in at_width.items():
            yield _times(some, modes, "bottleneck", f"Time at {name}", _axis(rows, "bottleneck"))
        yield _gains(rows, at_width, "bottleneck")
    elif len(_values(rows, "width")) > 1:
        yield _times(rows, modes, "width", "Time against width", _axis(rows, "width"))
        yield _gains(rows, {"": rows}, "width")
    else:
        yield from _at_one_point(rows, modes)


def _times(rows: Sequence[Row], modes: Sequence[str], along: str, title: str, axis: Axis) -> Chart:
    series = []
    for number, mode in enumerate(modes):
        found = _line(rows, along, f"{mode}_s")
        measured = [_measured(x, row, mode) for x, row in found]
        predicted = [Datum(x, row[f"{mode}_predicted_s"], _time(row, mode)) for x, row in found]
        series += measured_and_predicted(measured, predicted, of_mode(mode), marker(number), mode)
    alt = f"Median and predicted time of one call against the {along}, a line for each mode; {_setting(rows)}."
    return Chart(_setting(rows), title, alt, axis, _time_axis(rows), [*series, *_failed(rows, along)])


def _gains(rows: Sequence[Row], lines: Mapping[str, Sequence[Row]], along: str) -> Chart:
    series = []
    for number, (name, some) in enumerate(lines.items()):
        found = _line(some, along, "gain")
        measured = [_measured_gain(x, row) for x, row in found]
        predicted = [Datum(x, row["predicted_gain"], _gain(row)) for x, row in found]
        colour = shade(of_mode(found[0][1]["mixed"] if found else "optimal"), number, len(lines))
        series += measured_and_predicted(measured, predicted, colour, marker(number), name)
    alt = f"Time of the better pure mode over that of the mixed one against the {along}; {_setting(rows)}."
    every = [*series, *_failed(rows, along)]
    return Chart(
        _setting(rows), "Gain of the mixed bracketing", alt, _axis(rows, along), _gain_axis(rows), every, reference=1.0
    )


def _at_one_point(rows: Sequence[Row], modes: Sequence[str]) -> Iterator[Chart]:
    where, setting, series = _where(rows[0]), _setting(rows), []
    for place, mode in enumerate(modes):
        row = having(rows, f"{mode}_s")
        if row is not None:
            upright = _measured(place, row, mode)
            measured = replace(upright, x=upright.y, y=upright.x)
            predicted = Datum(row[f"{mode}_predicted_s"], place, _time(row, mode))
            series += measured_and_predicted([measured], [predicted], of_mode(mode), group=mode)
    left = "; ".join(_reason(row) for row in rows if row["status"] != "complete")
    series += failed([Datum(None, place, left) for place in range(len(modes)) if left])
    alt = f"Median and predicted time of one call, a line for each mode; {where}, {setting}."
    yield Chart(setting, f"Time at {where}", alt, _time_axis(rows), categories("mode", modes), series, across=True)
    row = having(rows, "gain")
    if row is not None:
        upright = _measured_gain(0, row)
        measured, predicted = replace(upright, x=upright.y, y=0), Datum(row["predicted_gain"], 1, _gain(row))
        series = measured_and_predicted([measured], [predicted], of_mode(row["mixed"]))
        alt = f"Time of the better pure mode over that of the mixed one, measured and predicted; {where}, {setting}."
        names = categories("", ("measured", "predicted"))
        yield Chart(
            setting, "Gain of the mixed bracketing", alt, _gain_axis(rows), names, series, across=True, reference=1.0
        )


def _measured(x: float, row: Row, mode: str) -> Datum:
    time = f"{mode}_s"
    unsteady = is_unsteady(row, time, f"{mode}_iqr_s")
    return Datum(x, row[time], _time(row, mode), row[f"{mode}_quartiles"], unsteady)


def _measured_gain(x: float, row: Row) -> Datum:
    return Datum(x, row["gain"], _gain(row), row["gain_quartiles"], is_unsteady(row, "gain", "gain_iqr"))


def _failed(rows: Sequence[Row], along: str) -> list[Series]:
    return failed([Datum(row[along], None, _reason(row)) for row in rows if row["status"] != "complete"])


def _line(rows: Sequence[Row], along: str, column: str) -> list[tuple[int, Row]]:
    """Each position that has the column, with its row."""
    found = [(x, having([row for row in rows if row[along] == x], column)) for x in _values(rows, along)]
    return [(x, row) for x, row in found if row is not None]


def _values(rows: Sequence[Row], key: str) -> list[int]:
    return sorted({row[key] for row in rows} - {None})


def _time_axis(rows: Sequence[Row]) -> Axis:
    return Axis(f"{TIME} {bars(rows)}", short_seconds, log=True)


def _gain_axis(rows: Sequence[Row]) -> Axis:
    return Axis(f"{GAIN} {bars(rows)}", short_factor, log=True)


def _axis(rows: Sequence[Row], key: str) -> Axis:
    return Axis(LABELS[key], str, log=True, ticks=[(value, str(value)) for value in _values(rows, key)])


def _setting(rows: Sequence[Row]) -> str:
    row = rows[0]
    what = "gradient" if row["outputs"] == "gradient" else f"Jacobian by the {row['wrt']}"
    samples = "one sample" if row["batch"] == 1 else f"{row['batch']} samples"
    threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
    network = f"{row['network']} of {row['depth']} layers, {row['activation']}"
    return f"{what}, {network}, {samples}, {row['dtype']}, {threads}{machine_text(row)}{further_text(row)}"


def _time(row: Row, mode: str) -> str:
    measured, predicted = seconds(row[f"{mode}_s"]), seconds(row[f"{mode}_predicted_s"])
    return f"{_where(row)}, {mode}: {measured}, predicted {predicted}, {row['timings']} timings{seeds_text(row)}"


def _gain(row: Row) -> str:
    predicted = factor(row["predicted_gain"])
    return f"{_where(row)}, {row['mixed']}: {factor(row['gain'])}, predicted {predicted}{seeds_text(row)}"


def _where(row: Row) -> str:
    return f"width {row['width']}" + ("" if row["bottleneck"] is None else f", bottleneck {row['bottleneck']}")


def _reason(row: Row) -> str:
    return f"{_where(row)}: {ended(row)}"
