"""Training on one sheet: loss and score against epochs."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prograd_experiments.colours import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, SKY, VERMILION
from prograd_experiments.rows import Row
from prograd_experiments.training.pictures import PANELS
from prograd_experiments.training.runs import label

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE)
SHEET = (13.2, 5.8)


def poster(rows: Sequence[Row]) -> Figure:
    """Loss and score side by side."""
    figure = Figure(figsize=SHEET, layout="constrained")
    for axes, (what, title) in zip(figure.subplots(1, 2), PANELS, strict=True):
        draw(axes, rows, what, title)
    return figure


def draw(axes: Axes, rows: Sequence[Row], what: str, title: str) -> None:
    """A line for each run: drawn through for the training part, dashed for the test part."""
    every = [row for row in rows if row["curves"] and row["curves"]["epochs"]]
    drawn = every[: len(COLOURS)]
    more = len(every) - len(drawn)
    left = f" (the first {len(drawn)} runs; {more} more in the records)" if more else ""
    axes.set_title(title + left, color=INK)
    axes.set_xlabel("epochs", color=GREY)
    kinds = sorted({row["score_is"] for row in drawn if row["score_is"]})
    axes.set_ylabel("mean over the samples" if what == "loss" else "; ".join(kinds), color=GREY)
    least = 1.0
    for row, colour in zip(drawn, COLOURS, strict=False):
        for part, style in (("train", "-"), ("test", "--")):
            pairs = zip(row["curves"]["epochs"], row["curves"][f"{part}_{what}"], strict=True)
            points = [(x, y) for x, y in pairs if y is not None]
            if points:
                x, y = zip(*points, strict=True)
                axes.plot(x, y, style, color=colour, lw=2, label=f"{part}: {label(row, rows)}")
                least = min(least, *y)
    if not axes.get_lines():
        axes.text(0.5, 0.5, "nothing to show: no run came this far", ha="center", color=GREY, transform=axes.transAxes)
        return
    if what == "loss" and least > 0:
        axes.set_yscale("log")
    axes.grid(visible=True, color=PALE, lw=0.9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
