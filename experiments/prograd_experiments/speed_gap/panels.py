"""The panels of the speed gap: times on log axes with their slopes, and the gap as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from prograd_experiments.colours import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, SKY, VERMILION
from prograd_experiments.rows import Row, in_the_middle
from prograd_experiments.speed_gap.groups import UNITS, Group, slope_text
from prograd_experiments.units import count, factor, seconds, short_seconds

COLOURS = {"forward": VERMILION, "reverse": BLUE}
FURTHER_COLOURS = (GREEN, PURPLE, SKY, ORANGE)
MARKERS = "osD^vPX*"
GAP_COLOURS = colormaps["YlGnBu"]
LEGIBLE_COLUMNS = 6
TITLES = {
    "gap": ("Measured gap: time forward / reverse", "in small: both times"),
    "predicted_gap": ("Predicted gap: multiply-adds forward / reverse", "in small: both counts"),
}


def draw_times(axes: Axes, group: Group, modes: Sequence[str], *, along: str, lines: str) -> None:
    """Median times against `along`, a line for each mode and value of `lines`, with slopes in the legend."""
    _frame(
        axes, f"Time of one gradient against {along}", f"{along} ({UNITS[along]})", "median time (bars: middle half)"
    )
    if not any(row.get(f"{mode}_s") for row in group.measured for mode in modes):
        axes.set(xticks=[], yticks=[])  # log axes need something to be about
        axes.text(0.5, 0.5, "no times: no job is complete", ha="center", color=GREY, transform=axes.transAxes)
        return
    values = group.values(lines)
    handles: list[Line2D] = []
    for mode in modes:
        handles.append(Line2D([], [], ls="none", label=mode))
        for index, value in enumerate(values):
            found = group.line(mode, along, lines, value)
            x, y = [position for position, _ in found], [row[f"{mode}_s"] for _, row in found]
            ends = [row[f"{mode}_quartiles"] for _, row in found]
            below = [max(time - low, 0.0) for time, (low, _) in zip(y, ends, strict=True)]
            above = [max(high - time, 0.0) for time, (_, high) in zip(y, ends, strict=True)]
            style: dict[str, Any] = {
                "color": _shade(mode, modes, (index + 1) / len(values)),
                "marker": MARKERS[index % len(MARKERS)],
                "markeredgecolor": "white",
                "markeredgewidth": 0.8,
                "lw": 2,
                "ms": 7,
            }
            axes.errorbar(x, y, yerr=(below, above), capsize=3, **style)
            handles.append(
                Line2D([], [], label=": ".join(filter(None, (f"{lines} {value}", slope_text(x, y)))), **style)
            )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(group.values(along)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick_seconds))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, which="major", color=PALE, lw=0.9)
    axes.minorticks_off()
    _legend(axes, handles, len(modes))


def draw_gap(axes: Axes, group: Group, key: str) -> None:
    """The measured or the predicted gap as a heat map, depth down and width across, with values in the cells.

    Under each ratio stand its two sides, unless cells are too many to write in.
    """
    depths, widths = group.values("depth"), group.values("width")
    both = [row[name] for row in group.measured for name in TITLES if row[name] is not None]
    low, high = (min(both), max(both)) if both else (1.0, 1.0)
    # One scale for the measured and the predicted map, so that equal colours are equal gaps.
    norm = LogNorm(low, max(high, low * 1.01))
    legible = len(widths) <= LEGIBLE_COLUMNS
    for i, depth in enumerate(depths):
        for j, width in enumerate(widths):
            rows = group.at(depth, width)
            row = in_the_middle(rows, key)
            if row is not None:
                _cell(axes, (j, i), row[key], norm, _sides(row, key) if legible else "")
            else:
                _empty_cell(axes, (j, i), rows)
    axes.set(xlim=(-0.5, len(widths) - 0.5), ylim=(len(depths) - 0.5, -0.5))
    axes.set_xticks(range(len(widths)), [str(width) for width in widths])
    axes.set_yticks(range(len(depths)), [str(depth) for depth in depths])
    title, small = TITLES[key]
    _frame(axes, title, f"width ({UNITS['width']}); {small}", f"depth ({UNITS['depth']})")
    for side in axes.spines.values():
        side.set_visible(False)


def _cell(axes: Axes, at: tuple[int, int], value: float, norm: LogNorm, sides: str) -> None:
    x, y = at
    background = GAP_COLOURS(norm(value))
    red, green, blue = background[:3]
    colour = INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"  # luma: dark ink on light cells
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=background, edgecolor="white", lw=2.5))
    style: dict[str, Any] = {"ha": "center", "color": colour}
    if not sides:
        axes.text(x, y, factor(value), va="center", fontsize=13, fontweight="bold", **style)
        return
    axes.text(x, y - 0.02, factor(value), va="bottom", fontsize=15, fontweight="bold", **style)
    axes.text(x, y + 0.08, sides, va="top", fontsize=9.5, **style)


def _empty_cell(axes: Axes, at: tuple[int, int], rows: list[Row]) -> None:
    x, y = at
    ground = "#f3f4f6"
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=ground, edgecolor="#c9ced4", hatch="///", lw=0))
    failed = any(row["status"] == "failed" for row in rows)
    text = "failed" if failed else "no time" if rows else "no job"
    box = {"facecolor": ground, "edgecolor": "none", "pad": 2}
    axes.text(x, y, text, ha="center", va="center", color=GREY, fontsize=11, bbox=box)


def _sides(row: Row, key: str) -> str:
    name, write = ("s", seconds) if key == "gap" else ("multiply_adds", count)
    return f"{write(row[f'forward_{name}'])} / {write(row[f'reverse_{name}'])}"


def _shade(mode: str, modes: Sequence[str], strength: float) -> tuple[float, float, float]:
    """The mode's colour, mixed with white where `strength` is below 1."""
    further = [name for name in modes if name not in COLOURS]
    colour = COLOURS.get(mode) or FURTHER_COLOURS[further.index(mode) % len(FURTHER_COLOURS)]
    white = 0.55 * (1 - strength)
    red, green, blue = ((1 - white) * part + white for part in to_rgb(colour))
    return red, green, blue


def _legend(axes: Axes, handles: Sequence[Line2D], columns: int) -> None:
    narrow = columns > 2  # three modes beside each other: what they say is the same, in less room
    legend = axes.legend(
        handles=handles,
        ncols=columns,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
        frameon=False,
        fontsize=10 if narrow else 11,
        columnspacing=1.0 if narrow else 2.5,
        handlelength=1.6 if narrow else 2.2,
        labelcolor=INK,
    )
    for handle, text in zip(handles, legend.get_texts(), strict=True):
        if handle.get_linestyle() == "None":
            text.set_fontweight("bold")


def _frame(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=13.5, fontweight="bold", color=INK, loc="left", pad=10)
    axes.set_xlabel(x, fontsize=12, color=GREY)
    axes.set_ylabel(y, fontsize=12, color=GREY)
    axes.tick_params(labelsize=12, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)


def _tick_seconds(value: float, _: int) -> str:
    return short_seconds(value)
