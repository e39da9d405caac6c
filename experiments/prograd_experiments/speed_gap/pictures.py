"""The speed gap on the page: times against depth and width, and maps of the gap, measured and predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prograd_experiments.charts import Axis, Chart, Map, Picture, Point, Series, Square
from prograd_experiments.rows import STATUS_WORDS, Row, in_the_middle
from prograd_experiments.speed_gap.groups import UNITS, Group, groups, modes_of, slope_text
from prograd_experiments.units import count, factor, seconds, short_seconds

MOST_GROUPS = 6
COLOURS = {"forward": 0, "reverse": 1}
MAPS = {
    "gap": ("Measured gap: time forward / reverse", "In small: both times."),
    "predicted_gap": ("Predicted gap: multiply-adds forward / reverse", "In small: both counts."),
}


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """Four for each group of rows."""
    modes = modes_of(rows)
    return [picture for group in groups(rows)[:MOST_GROUPS] for picture in _of(group, modes)]


def _of(group: Group, modes: Sequence[str]) -> Iterator[Picture]:
    heading = group.setting
    for along, lines in (("depth", "width"), ("width", "depth")):
        yield Chart(
            heading,
            f"Time of one gradient against {along}",
            f"Median time of one gradient against {along} on log axes, a line for each mode and {lines}; {heading}.",
            Axis(f"{along} ({UNITS[along]})", str, log=True, ticks=[(v, str(v)) for v in group.values(along)]),
            Axis("median time (bars: middle half)", short_seconds, log=True),
            [*_times(group, modes, along, lines), *_failed(group, along)],
        )
    for key, kind in (("gap", "measured"), ("predicted_gap", "predicted")):
        title, note = MAPS[key]
        depths, widths = group.values("depth"), group.values("width")
        yield Map(
            heading,
            title,
            f"The {kind} gap for each depth and width; {heading}.",
            "depth",
            "width",
            [str(depth) for depth in depths],
            [str(width) for width in widths],
            [[_square(group.at(depth, width), depth, width, key) for width in widths] for depth in depths],
            note,
        )


def _times(group: Group, modes: Sequence[str], along: str, lines: str) -> Iterator[Series]:
    values = group.values(lines)
    for number, mode in enumerate(modes):
        for index, value in enumerate(values):
            found = group.line(mode, along, lines, value)
            yield Series(
                f"{mode}, {lines} {value}",
                [Point(x, row[f"{mode}_s"], _time(row, mode), row[f"{mode}_quartiles"]) for x, row in found],
                COLOURS.get(mode, 3 + number % 4),  # 2 is what failed
                index,
                0.3 * (1 - (index + 1) / len(values)),
                note=slope_text([x for x, _ in found], [row[f"{mode}_s"] for _, row in found]),
            )


def _failed(group: Group, along: str) -> Iterator[Series]:
    marks = []
    for position in group.values(along):
        rows = [row for row in group.rows if row[along] == position and row["status"] != "complete"]
        if rows:
            marks.append(Point(position, None, "; ".join(map(_reason, rows[:3])) + _more(len(rows) - 3)))
    if marks:
        yield Series("no time", marks, 2, joined=False)


def _square(rows: Sequence[Row], depth: int, width: int, key: str) -> Square:
    where = f"depth {depth}, width {width}"
    row = in_the_middle(rows, key)
    if row is None:
        words = {row["status"]: STATUS_WORDS.get(row["status"], "no gap") for row in rows}
        text = ", ".join(words.values()) or "no job"
        return Square(None, text, [], "; ".join(map(_reason, rows[:3])) or f"{where}: no job")
    name, write = ("s", seconds) if key == "gap" else ("multiply_adds", count)
    forward, reverse = (write(row[f"{mode}_{name}"]) for mode in ("forward", "reverse"))
    value = float(row[key])
    seeds = f", the run in the middle of {len(rows)} that differ in the seed" if len(rows) > 1 else ""
    if key == "gap":
        spread = "" if row["gap_iqr"] is None else f" ± {row['gap_iqr'] / 2:.2g}"
        says = f"{where}: forward / reverse {factor(value)}{spread}{seeds}; {forward} / {reverse}{_timings(row)}"
    else:
        says = f"{where}: {factor(value)} the multiply-adds{seeds}; {forward} / {reverse}, counted"
    return Square(value, factor(value), [f"{forward} /", reverse], says)


def _time(row: Row, mode: str) -> str:
    low, high = row[f"{mode}_quartiles"]
    half = f"middle half {seconds(low)} to {seconds(high)}"
    return f"{_where(row)}, {mode}: {seconds(row[f'{mode}_s'])}, {half}{_timings(row)}"


def _timings(row: Row) -> str:
    return f", {row['timings']} timings"


def _where(row: Row) -> str:
    return f"depth {row['depth']}, width {row['width']}"


def _reason(row: Row) -> str:
    words = STATUS_WORDS.get(row["status"], "no gap")
    return f"{_where(row)}: {words}" + (f", {row['error']}" if row["error"] else "")


def _more(number: int) -> str:
    return f"; and {number} more" if number > 0 else ""
