"""The peers on the page: a dot for each engine at each point, on a log axis of its time over the floor's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prograd_experiments.charts import Axis, Chart, Picture, Point, Series
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.workload import TASK_WORDS, label
from prograd_experiments.rows import Row, ended
from prograd_experiments.units import factor, seconds

ROW_HEIGHT = 26
COLOURS = {"prograd": 1, "numpy": 3, "jax": 0, "torch": 5, "torch_compile": 4, "autograd": 6, "floor": 2}


@dataclass(frozen=True)
class Panel:
    """The points of one task and type, and what their times are divided by."""

    task: str
    dtype: str
    rows: Sequence[Row]

    @property
    def base(self) -> str:
        """The floor, where the task has one that was timed."""
        return "floor" if any(row["floor_s"] for row in self.rows) else "prograd"

    @property
    def title(self) -> str:
        """What is computed, in which type."""
        return f"{TASK_WORDS.get(self.task, self.task).capitalize()}, {self.dtype}"


def panels(rows: Sequence[Row]) -> list[Panel]:
    """One for each task and type, in the order of the rows."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((str(row["task"]), str(row["dtype"])), []).append(row)
    return [Panel(task, dtype, members) for (task, dtype), members in found.items()]


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """A chart for each panel: a line for each point, a dot for each engine."""
    return [_chart(panel) for panel in panels(rows)]


def _chart(panel: Panel) -> Picture:
    over = "the bare matrix products" if panel.base == "floor" else "prograd"
    labels = [label(row).removesuffix(f" {panel.dtype}") for row in panel.rows]
    return Chart(
        TASK_WORDS.get(panel.task, panel.task).capitalize(),
        panel.title,
        f"{panel.title}: the time of each engine over that of {over} on a log axis, a line for each point.",
        Axis(f"time / {over}", lambda value: f"{value:g}×", log=True),
        Axis("depth:width:batch", str, ticks=list(enumerate(labels))),
        [*_dots(panel), *_failed(panel)],
        across=True,
        height=ROW_HEIGHT * len(panel.rows) + 10,
    )


def _dots(panel: Panel) -> Iterator[Series]:
    for mark, engine in enumerate(ENGINES):
        points = [
            Point(
                row[f"{engine}_to_{panel.base}"],
                place,
                _says(row, engine, panel.base),
                row[f"{engine}_to_{panel.base}_quartiles"],
            )
            for place, row in enumerate(panel.rows)
            if row[f"{engine}_to_{panel.base}"] is not None
        ]
        if points:
            yield Series(engine.replace("_", " "), points, COLOURS[engine], mark, joined=False)


def _failed(panel: Panel) -> Iterator[Series]:
    marks = [
        Point(
            None,
            place,
            f"{label(row)}: {ended(row)}",
        )
        for place, row in enumerate(panel.rows)
        if row["status"] != "complete"
    ]
    if marks:
        yield Series("no time", marks, 2, joined=False)


def _says(row: Row, engine: str, base: str) -> str:
    low, high = row[f"{engine}_to_{base}_quartiles"]
    way = f" ({row[f'{engine}_way']})" if row[f"{engine}_way"] else ""
    over = f"{factor(row[f'{engine}_to_{base}'])} the time of {base}, middle half {factor(low)} to {factor(high)}"
    alone = f"{seconds(row[f'{engine}_s'])}, {row[f'{engine}_timings']} timings"
    return f"{label(row)}, {engine.replace('_', ' ')}{way}: {over}; {alone}"
