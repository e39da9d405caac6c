"""The peers on one sheet: a dot for each engine at each point, on a log axis of its time over the floor's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from prograd_experiments.colours import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, SKY, VERMILION
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.pictures import Panel, panels
from prograd_experiments.peers.workload import label
from prograd_experiments.rows import Row

STYLES: dict[str, dict[str, Any]] = {
    "floor": {"color": GREY, "marker": "X"},
    "prograd": {"color": BLUE, "marker": "D"},
    "numpy": {"color": GREEN, "marker": "s"},
    "jax": {"color": VERMILION, "marker": "o"},
    "torch": {"color": ORANGE, "marker": "^"},
    "torch_compile": {"color": PURPLE, "marker": "v"},
    "autograd": {"color": SKY, "marker": "P"},
}
WIDTH, ROW, FRAME = 7.6, 0.36, 2.2  # inches: of a panel, of a point in it, of all around the points
LEGEND = 4  # engines in a line of the legend


def poster(rows: Sequence[Row]) -> Figure:
    """All panels on one sheet, two beside each other."""
    every = panels(rows)
    pairs = [every[start : start + 2] for start in range(0, len(every), 2)]
    heights = [max(_height(panel) for panel in pair) for pair in pairs]
    figure = Figure(figsize=(2 * WIDTH, sum(heights) + 1.0))
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.15)
    figure.suptitle("prograd beside its peers", fontsize=19, fontweight="bold", color=INK)
    grid = figure.add_gridspec(len(pairs), 2, height_ratios=heights)
    for line, pair in enumerate(pairs):
        for column, panel in enumerate(pair):
            draw(figure.add_subplot(grid[line, column]), panel)
    return figure


def draw(axes: Axes, panel: Panel) -> None:
    """A line for each point, a dot for each engine, a bar for the middle half of its ratios."""
    base, rows = panel.base, panel.rows
    axes.set_title(panel.title, fontsize=14, fontweight="bold", color=INK, loc="left", pad=52)
    shown = [engine for engine in ENGINES if any(row[f"{engine}_to_{base}"] for row in rows)]
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [label(row).removesuffix(f" {panel.dtype}") for row in rows])
    axes.set_ylabel("depth:width:batch", fontsize=12, color=GREY)
    axes.tick_params(labelsize=12, colors=INK, length=0)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    if not shown:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "no times", ha="center", color=GREY, transform=axes.transAxes)
        return
    axes.set_xscale("log")
    axes.axvline(1, color=GREY, lw=1.5, zorder=1)
    for engine in shown:
        _dots(axes, rows, engine, base)
    over = "the bare products" if base == "floor" else "prograd"
    axes.set_xlabel(f"time / {over} (log scale)", fontsize=12, color=GREY)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.9), max(high, 2.2))
    axes.set_xticks(_ticks(*axes.get_xlim()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}×"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.grid(visible=True, color=PALE, lw=0.9)
    axes.set_axisbelow(True)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=LEGEND, frameon=False, fontsize=11,
        handletextpad=0.1, columnspacing=0.9, borderaxespad=0.1, labelcolor=INK,
    )  # fmt: skip


def _height(panel: Panel) -> float:
    return FRAME + ROW * len(panel.rows)


def _dots(axes: Axes, rows: Sequence[Row], engine: str, base: str) -> None:
    style = STYLES[engine]
    x, y = [], []
    for place, row in enumerate(rows):
        ratio, middle_half = row[f"{engine}_to_{base}"], row[f"{engine}_to_{base}_quartiles"]
        if ratio is None:
            continue
        x.append(ratio)
        y.append(place)
        axes.plot(middle_half, [place, place], color=style["color"], lw=2.5, alpha=0.45, zorder=2)
    front = engine == "prograd"
    axes.scatter(
        x,
        y,
        s=90 if front else 62,
        zorder=4 if front else 3,
        lw=0.8,
        edgecolor="white",
        label=engine.replace("_", " "),
        **style,
    )


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10 where there is room for that many, else powers of ten."""
    digits = (1, 2, 5) if high / low < 300 else (1,)
    every = (digit * 10.0**power for power in range(-9, 10) for digit in digits)
    return [tick for tick in every if low <= tick <= high]
