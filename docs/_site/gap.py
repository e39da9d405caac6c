"""Draws the picture of the first page from a sweep of `make gap`: `python docs/_site/gap.py DIRECTORY`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prograd_experiments.charts.palette import INK, RULE, SOFT, of_mode

PICTURES = Path(__file__).parents[1] / "_static"
MODES = ("forward", "reverse")
TICKS = {1e-5: "10 µs", 1e-4: "100 µs", 1e-3: "1 ms", 1e-2: "10 ms"}


def panel(axes: Axes, rows: Sequence[dict[str, str]], along: str, title: str, scheme: str) -> None:
    """Both times against depth or width, and the gap at the largest."""
    x = [int(row[along]) for row in rows]
    times = {mode: [float(row[f"{mode}_s"]) for row in rows] for mode in MODES}
    for mode, seconds in times.items():
        colour = getattr(of_mode(mode), scheme)
        axes.plot(x, seconds, "o-", color=colour, linewidth=2)
        text = getattr(of_mode(mode).of_text, scheme)
        above = 10 if mode == "forward" else -22
        axes.annotate(
            f"{mode} mode", (x[1], seconds[1]), (0, above), textcoords="offset points", ha="right", color=text
        )
    top, bottom = (times[mode][-1] for mode in MODES)
    ink, soft = getattr(INK, scheme), getattr(SOFT, scheme)
    axes.annotate(
        "", (x[-1], top), (x[-1], bottom), arrowprops={"arrowstyle": "<->", "color": soft, "shrinkA": 7, "shrinkB": 7}
    )
    middle = (top * bottom) ** 0.5
    axes.annotate(
        f"{float(rows[-1]['gap']):.0f}×",
        (x[-1], middle),
        (-8, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color=ink,
        size=20,
        weight="bold",
    )
    axes.set_title(title, loc="left", color=ink, size=13, weight="bold")
    axes.set_xlabel(along, color=soft)
    axes.set(xscale="log", yscale="log", xticks=x, xticklabels=x, yticks=[*TICKS], yticklabels=[*TICKS.values()])
    axes.minorticks_off()
    axes.tick_params(colors=ink, length=0)
    axes.grid(color=getattr(RULE, scheme))
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(soft)
    axes.margins(y=0.12)


def main(sweep: Path) -> None:
    """Draw it for light and for dark paper."""
    with (sweep / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    deepest, widest = (max((row[key] for row in rows), key=int) for key in ("depth", "width"))
    for scheme in ("light", "dark"):
        figure = Figure(figsize=(9, 3.8), layout="constrained", facecolor="none")
        left, right = figure.subplots(1, 2, sharey=True)
        panel(left, [row for row in rows if row["width"] == widest], "depth", f"One gradient, width {widest}", scheme)
        panel(
            right, [row for row in rows if row["depth"] == deepest], "width", f"One gradient, depth {deepest}", scheme
        )
        for axes in (left, right):
            axes.set_facecolor("none")
        figure.savefig(PICTURES / f"gap-{scheme}.svg", metadata={"Date": None})


if __name__ == "__main__":
    with mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "prograd", "font.family": "sans-serif", "font.size": 12}
    ):
        main(Path(sys.argv[1]))
