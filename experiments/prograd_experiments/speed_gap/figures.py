"""The speed gap on one sheet: how the panels are laid out."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from prograd_experiments.colours import GREY, INK
from prograd_experiments.rows import Row
from prograd_experiments.speed_gap.groups import groups, modes_of
from prograd_experiments.speed_gap.panels import draw_gap, draw_times

SHEET = (13.2, 11.2)
MOST_SHEETS = 2  # a picture that is still looked at as one; the page has more


def poster(rows: Sequence[Row]) -> Figure:
    """Four panels for each group of rows: time against depth, against width, the gap measured and predicted."""
    every, modes = groups(rows), modes_of(rows)
    shown = every[:MOST_SHEETS]
    figure = Figure(figsize=(SHEET[0], SHEET[1] * len(shown)))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.14, hspace=0.03, wspace=0.03)
    for index, group in enumerate(shown):
        sheet = figure.add_subfigure(figure.add_gridspec(len(shown), 1)[index])
        more = len(every) - len(shown) if index == len(shown) - 1 else 0
        also = f" (and {more} more groups of points: see report.html)" if more else ""
        # The empty second line is room for the setting, which is not as loud as the title.
        sheet.suptitle("Forward mode against reverse mode\n", fontsize=19, fontweight="bold", color=INK)
        sheet.text(0.5, 0.951, group.setting + also, fontsize=13, color=GREY, ha="center", va="center")
        (times_depth, times_width), (measured, predicted) = sheet.subplots(2, 2, height_ratios=(1.12, 1))
        draw_times(times_depth, group, modes, along="depth", lines="width")
        draw_times(times_width, group, modes, along="width", lines="depth")
        draw_gap(measured, group, "gap")
        draw_gap(predicted, group, "predicted_gap")
    return figure
