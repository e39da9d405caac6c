"""The pictures of the peers: for each task and type, each engine's time over that of the floor, or over prograd's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prograd.units import factor, seconds, short_factor
from prograd_experiments.charts import Axis, Chart, Datum, Picture, Series, categories, failed
from prograd_experiments.charts.palette import HUES, MARKERS
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.measure import PEERS
from prograd_experiments.peers.workload import TASK_WORDS, label
from prograd_experiments.rows import Row, bars, ended, further_text, is_unsteady, seeds_text, spread_name

LOOKS = dict(zip(("prograd", *PEERS, "floor"), zip(HUES, MARKERS, strict=True), strict=True))
"""The colour and the marker of each engine that is drawn, the same in every picture; the other floor is in tables."""


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """A chart for each task and type: a line for each point, a dot for each engine."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((str(row["task"]), str(row["dtype"])), []).append(row)
    return [_chart(task, dtype, members) for (task, dtype), members in found.items()]


def _chart(task: str, dtype: str, rows: Sequence[Row]) -> Chart:
    base = "floor" if any(row["floor_s"] for row in rows) else "prograd"
    over = "the bare matrix products" if base == "floor" else "prograd"
    heading = TASK_WORDS.get(task, task).capitalize()
    return Chart(
        heading,
        dtype,
        f"{heading}, {dtype}: the time of each engine over that of {over} on a log axis, a line for each point.",
        Axis(f"time / {over} {bars(rows)}", short_factor, log=True),
        categories("depth:width:batch", [label(row).removesuffix(f" {dtype}") + further_text(row) for row in rows]),
        [*_dots(rows, base), *_failed(rows)],
        across=True,
        reference=1.0,
    )


def _dots(rows: Sequence[Row], base: str) -> Iterator[Series]:
    for engine in (name for name in ENGINES if name in LOOKS):
        ratio = f"{engine}_to_{base}"
        data = [
            Datum(
                row[ratio],
                place,
                _ratio(row, engine, base),
                row[f"{ratio}_quartiles"],
                unsteady=is_unsteady(row, f"{engine}_s", f"{engine}_iqr_s"),
            )
            for place, row in enumerate(rows)
            if row[ratio] is not None
        ]
        if data:
            yield Series(engine.replace("_", " "), data, *LOOKS[engine], joined=False)


def _failed(rows: Sequence[Row]) -> list[Series]:
    reasons = {place: f"{label(row)}: {ended(row)}" for place, row in enumerate(rows) if row["status"] != "complete"}
    return failed([Datum(None, place, reason) for place, reason in reasons.items()])


def _ratio(row: Row, engine: str, base: str) -> str:
    low, high = row[f"{engine}_to_{base}_quartiles"]
    way = f" ({row[f'{engine}_way']})" if row[f"{engine}_way"] else ""
    over = (
        f"{factor(row[f'{engine}_to_{base}'])} the time of {base}, {spread_name(row)} {factor(low)} to {factor(high)}"
    )
    alone = f"{seconds(row[f'{engine}_s'])}, {row[f'{engine}_timings']} timings{seeds_text(row)}"
    return f"{label(row)}, {engine.replace('_', ' ')}{way}: {over}; {alone}"
