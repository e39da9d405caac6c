"""The pictures of the speed gap: times against what varies, and the gaps, measured and predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import sqrt

from prograd.units import count, factor, seconds, short_factor, short_seconds
from prograd_experiments.charts import (
    Axis,
    Chart,
    Datum,
    Guide,
    Map,
    Picture,
    Series,
    Tile,
    categories,
    failed,
    guide,
    noted,
)
from prograd_experiments.charts.palette import CIRCLE, marker, of_mode, shade
from prograd_experiments.rows import (
    MARK,
    STATUS_WORDS,
    Row,
    bars,
    half_width,
    having,
    is_unsteady,
    marked,
    seeds_text,
    spread_name,
)
from prograd_experiments.speed_gap.gaps import GAPS, Gap
from prograd_experiments.speed_gap.groups import MODES, UNITS, Group, groups, modes_of, place, slope_text
from prograd_experiments.speed_gap.theory import SLOPES

MOST_GROUPS = 4
MOST_REASONS = 3
MOST_COLUMNS = 6  # of a map that has room for small print
TIME = "median time"
GAP = "gap: forward / reverse"
ABOVE = 1.5  # times the end of a line, where its guide ends
THEORY = "Dotted lines: slopes of multiply-adds in large networks."
UNSTEADY_TILES = f"{MARK} unsteady, since the machine was busy."


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """For each group the times and the gap: against depth and width, against the one that varies, or at one point."""
    modes, every = modes_of(rows) or list(MODES), groups(rows)
    drawn: list[Picture] = [picture for group in every[:MOST_GROUPS] for picture in _of(group, modes)]
    left = len(every) - MOST_GROUPS
    return noted(drawn, f"The table has {left} more groups of points.") if left > 0 else drawn


def _of(group: Group, modes: Sequence[str]) -> Iterator[Picture]:
    varying = group.varying
    yield from (_times(group, modes, along) for along in varying)
    if not varying:
        yield from _at_one_point(group, modes)
    elif not set(MODES) <= set(modes):
        return
    elif len(varying) == 1:
        yield _gaps(group, *varying)
    else:
        yield from (_map(group, gap) for gap in _shown(group) or GAPS[:1])


def _times(group: Group, modes: Sequence[str], along: str) -> Chart:
    against, lines = group.name(along), group.name(group.other(along))
    values, axis, series = group.values(group.other(along)), _axis(group, along), []
    for mode in modes:
        for number, value in enumerate(values):
            found = group.line(f"{mode}_s", along, value)
            if not found:
                continue
            data = [_measured(x, row, mode) for x, row in found]
            colour = shade(of_mode(mode), number, len(values))
            times, ends = ([row[f"{mode}_{what}"] for _, row in found] for what in ("s", "quartiles"))
            slope = slope_text([x for x, _ in found], times, ends) if axis.log else ""
            series.append(
                Series("" if value is None else f"{lines} {value}", data, colour, marker(number), mode, note=slope)
            )
    guides = list(_guides(group, modes, along)) if axis.log else []
    return Chart(
        group.setting,
        f"Time of one gradient against {against}",
        f"Median time of one gradient against {against}, a line for each mode and {lines}; {group.setting}.",
        axis,
        Axis(f"{TIME} {bars(group.rows)}", short_seconds, log=True),
        [*series, *_failed(group, along)],
        guides=guides,
        note=THEORY if guides else "",
    )


def _guides(group: Group, modes: Sequence[str], along: str) -> Iterator[Guide]:
    """The slopes of the theory, each a little above the end of its mode's highest line."""
    if along not in UNITS or not all(row["theory"] for row in group.rows):
        return
    for mode in modes:
        lines = [group.line(f"{mode}_s", along, value) for value in group.values(group.other(along))]
        lines = [line for line in lines if len(line) > 1]
        if lines and mode in SLOPES:
            (first, _), *_, (last, row) = max(lines, key=lambda line: float(line[-1][1][f"{mode}_s"]))
            end = (last, ABOVE * row[f"{mode}_s"])
            yield guide(SLOPES[mode][along], end, sqrt(first * last), of_mode(mode))


def _gaps(group: Group, along: str) -> Chart:
    against, (value,) = group.name(along), group.values(group.other(along))
    shown = _shown(group)
    series = [
        Series(
            gap.name,
            [_datum(x, row, gap) for x, row in group.line(gap.column, along, value)],
            gap.colour,
            gap.marker,
            dashed=gap.spread is None,
        )
        for gap in shown
    ]
    return Chart(
        group.setting,
        f"Gap against {against}",
        f"The gap ({_names(shown)}) against {against} on log axes; {group.setting}.",
        _axis(group, along),
        Axis(f"{GAP} {bars(group.rows)}", short_factor, log=True),
        [*series, *_failed(group, along)],
        reference=1.0,
    )


def _at_one_point(group: Group, modes: Sequence[str]) -> Iterator[Chart]:
    rows, where, times = group.rows, place(group.rows[0]), []
    left = _reasons([row for row in rows if row["status"] != "complete"])
    for at, mode in enumerate(modes):
        row = having(rows, f"{mode}_s")
        if row is not None:
            datum = _measured(at, row, mode)
            times.append(Series(mode, [replace(datum, x=datum.y, y=datum.x)], of_mode(mode), CIRCLE, joined=False))
    yield Chart(
        group.setting,
        "Time of one gradient" if rows[0]["depth"] is None else f"Time of one gradient at {where}",
        f"Median time of one gradient on a log axis, a line for each mode; {where}, {group.setting}.",
        Axis(f"{TIME} {bars(group.rows)}", short_seconds, log=True),
        categories("mode", modes),
        [*times, *failed([Datum(None, at, left) for at in range(len(modes)) if left])],
        across=True,
    )
    shown, dots = _shown(group), []
    for at, gap in enumerate(shown):
        row = having(rows, gap.column)
        if row is not None:
            datum = _datum(at, row, gap)
            dots.append(Series(gap.name, [replace(datum, x=datum.y, y=datum.x)], gap.colour, gap.marker, joined=False))
    if dots:
        yield Chart(
            group.setting,
            "Gap",
            f"The gap ({_names(shown)}) on a log axis; {where}, {group.setting}.",
            Axis(f"{GAP} {bars(group.rows)}", short_factor, log=True),
            categories("", [gap.name for gap in shown]),
            dots,
            across=True,
            reference=1.0,
        )


def _shown(group: Group) -> list[Gap]:
    """The gaps that some point has: records of an older schema have no predicted time."""
    return [gap for gap in GAPS if having(group.rows, gap.column)]


def _names(shown: Sequence[Gap]) -> str:
    return ", ".join(gap.name for gap in shown)


def _map(group: Group, gap: Gap) -> Map:
    down, across = map(group.name, group.axes)
    lines, columns = map(group.values, group.axes)
    small = len(columns) <= MOST_COLUMNS
    tiles = [[_tile(group.at(y, x), f"{down} {y}, {across} {x}", gap, small=small) for x in columns] for y in lines]
    alt = f"{gap.title}, for each {down} and {across}; {group.setting}."
    every = [tile for line in tiles for tile in line]
    small_print, busy = any(tile.small for tile in every), any(tile.text.endswith(MARK) for tile in every)
    return Map(
        group.setting,
        gap.title,
        alt,
        down,
        across,
        [str(value) for value in lines],
        [str(value) for value in columns],
        tiles,
        " ".join(filter(None, (gap.small * small_print, UNSTEADY_TILES * busy))),
    )


def _tile(rows: Sequence[Row], where: str, gap: Gap, *, small: bool) -> Tile:
    row = having(rows, gap.column)
    if row is None:
        words = {row["status"]: STATUS_WORDS.get(row["status"], "no gap") for row in rows}
        reasons = _reasons(rows) or f"{where}: no job"
        return Tile(None, ", ".join(words.values()) or "no job", [], reasons)
    value = row[gap.column]
    mark = marked(row, gap.column, gap.spread)
    return Tile(float(value), factor(value) + mark, _sides(row, gap) if small else [], _gap(row, gap))


def _measured(x: float, row: Row, mode: str) -> Datum:
    time = f"{mode}_s"
    unsteady = is_unsteady(row, time, f"{mode}_iqr_s")
    return Datum(x, row[time], _time(row, mode), row[f"{mode}_quartiles"], unsteady)


def _datum(x: float, row: Row, gap: Gap) -> Datum:
    quartiles = row[f"{gap.column}_quartiles"] if gap.spread is not None else None
    return Datum(x, row[gap.column], _gap(row, gap), quartiles, is_unsteady(row, gap.column, gap.spread))


def _failed(group: Group, along: str) -> list[Series]:
    marks = []
    for position in group.values(along):
        rows = [row for row in group.rows if row[along] == position and row["status"] != "complete"]
        if rows:
            marks.append(Datum(position, None, _reasons(rows)))
    return failed(marks)


def _axis(group: Group, along: str) -> Axis:
    ticks = [(value, str(value)) for value in group.values(along) if value is not None]
    label = f"{along} ({UNITS[along]})" if along in UNITS else group.name(along)
    return Axis(label, str, log=min(value for value, _ in ticks) > 0, ticks=ticks)


def _time(row: Row, mode: str) -> str:
    low, high = row[f"{mode}_quartiles"]
    half = f"{spread_name(row)} {seconds(low)} to {seconds(high)}"
    timings = f"{row['timings']} timings{seeds_text(row)}{_busy(row, f'{mode}_s', f'{mode}_iqr_s')}"
    return f"{place(row)}, {mode}: {seconds(row[f'{mode}_s'])}, {half}, {timings}"


def _gap(row: Row, gap: Gap) -> str:
    what, sides = factor(row[gap.column]), " ".join(_sides(row, gap))
    if gap.spread is None:
        return f"{place(row)}: forward / reverse in {gap.name} {what}; {sides}"
    width = half_width(row, gap.column, gap.spread)
    spread = "" if width is None else f" ± {width:.2g}"
    timings = f"{row['timings']} timings{seeds_text(row)}{_busy(row, gap.column, gap.spread)}"
    return f"{place(row)}: forward / reverse {what}{spread}; {sides}, {timings}"


def _sides(row: Row, gap: Gap) -> list[str]:
    write = count if gap.side == "multiply_adds" else seconds
    forward, reverse = (write(row[f"{mode}_{gap.side}"]) for mode in MODES)
    return [f"{forward} /", reverse]


def _busy(row: Row, key: str, spread: str) -> str:
    return ", unsteady" if is_unsteady(row, key, spread) else ""


def _reasons(rows: Sequence[Row]) -> str:
    more = f"; and {len(rows) - MOST_REASONS} more" if len(rows) > MOST_REASONS else ""
    return "; ".join(map(_reason, rows[:MOST_REASONS])) + more


def _reason(row: Row) -> str:
    words = STATUS_WORDS.get(row["status"], "no gap")
    return f"{place(row)}: {words}" + (f", {row['error']}" if row["error"] else "")
