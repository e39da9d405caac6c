"""The bracketing experiment on one sheet: for each width the times of every mode, and what the mixed one gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from prograd_experiments.bracketing.groups import MOST_GROUPS, MOST_WIDTHS, Group, groups
from prograd_experiments.colours import GREY, INK, PALE
from prograd_experiments.planned import modes_of
from prograd_experiments.rows import Row
from prograd_experiments.speed_gap.panels import COLOURS, FURTHER_COLOURS, MARKERS
from prograd_experiments.units import factor, short_seconds

PANEL = (4.6, 4.9)


def poster(rows: Sequence[Row]) -> Figure:
    """A row of panels for each group: a panel for each width, and one for the gain."""
    shown, modes = groups(rows)[:MOST_GROUPS], modes_of(rows)
    across = max(len(group.widths[-MOST_WIDTHS:]) for group in shown) + 1
    figure = Figure(figsize=(PANEL[0] * across, (PANEL[1] + 0.9) * len(shown)))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.14, wspace=0.03)
    for index, group in enumerate(shown):
        sheet = figure.add_subfigure(figure.add_gridspec(len(shown), 1)[index])
        sheet.suptitle(f"Measured and predicted: {group.setting}", fontsize=14, fontweight="bold", color=INK)
        panels = sheet.subplots(1, across, squeeze=False)[0]
        times = list(zip(panels, group.widths[-MOST_WIDTHS:], strict=False))
        for axes, width in times:
            _times(axes, group, width, modes)
        _gains(panels[len(times)], group)
        for axes in panels[len(times) + 1 :]:
            axes.set_axis_off()
    return figure


def _times(axes: Axes, group: Group, width: int, modes: Sequence[str]) -> None:
    _frame(axes, f"width {width}", "median time of one call")
    drawn = False
    for index, mode in enumerate(modes):
        found = group.line(width, f"{mode}_s")
        x = [bottleneck for bottleneck, _ in found]
        drawn = drawn or bool(x)
        style: dict[str, Any] = {"color": _colour(mode, modes), "lw": 2}
        y = [row[f"{mode}_s"] for _, row in found]
        axes.plot(x, y, label=mode, marker=MARKERS[index % len(MARKERS)], ms=7, markeredgecolor="white", **style)
        predicted = [row[f"{mode}_predicted_s"] for _, row in found]
        axes.plot(x, predicted, ls=(0, (2, 2)), **style | {"lw": 1.5})
    if not drawn:
        _nothing(axes)
        return
    _log(axes, group)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short_seconds(value)))
    axes.plot([], [], ls=(0, (2, 2)), color=GREY, label="predicted")
    axes.legend(frameon=False, fontsize=10, labelcolor=INK)


def _gains(axes: Axes, group: Group) -> None:
    _frame(axes, "What the mixed bracketing gains", "better pure mode / mixed mode")
    widths, drawn = group.widths[-MOST_WIDTHS:], False
    for index, width in enumerate(widths):
        found = group.line(width, "gain")
        x = [bottleneck for bottleneck, _ in found]
        drawn = drawn or bool(x)
        style: dict[str, Any] = {"color": FURTHER_COLOURS[index % len(FURTHER_COLOURS)], "lw": 2}
        marker = MARKERS[index % len(MARKERS)]
        gains = [row["gain"] for _, row in found]
        axes.plot(x, gains, label=f"width {width}", marker=marker, ms=7, markeredgecolor="white", **style)
        axes.plot(x, [row["predicted_gain"] for _, row in found], ls=(0, (2, 2)), **style | {"lw": 1.5})
    if not drawn:
        _nothing(axes)
        return
    axes.axhline(1, color=GREY, lw=1)
    _log(axes, group)
    axes.yaxis.set_major_locator(FixedLocator([0.5, 1, 2, 4, 8, 16, 32, 64, 128]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: factor(value)))
    axes.plot([], [], ls=(0, (2, 2)), color=GREY, label="predicted")
    axes.legend(frameon=False, fontsize=10, labelcolor=INK)


def _log(axes: Axes, group: Group) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(group.bottlenecks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, which="major", color=PALE, lw=0.9)


def _nothing(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, "no times: no job is complete", ha="center", color=GREY, transform=axes.transAxes)


def _frame(axes: Axes, title: str, y: str) -> None:
    axes.set_title(title, fontsize=13, fontweight="bold", color=INK, loc="left", pad=10)
    axes.set_xlabel("bottleneck (outputs in the middle)", fontsize=11, color=GREY)
    axes.set_ylabel(y, fontsize=11, color=GREY)
    axes.tick_params(labelsize=11, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)


def _colour(mode: str, modes: Sequence[str]) -> str:
    further = [name for name in modes if name not in COLOURS]
    return COLOURS.get(mode) or FURTHER_COLOURS[further.index(mode) % len(FURTHER_COLOURS)]
