"""The speed gap in pictures: which rows go together, and how the panels are laid out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from prograd_experiments.experiment import Picture, Row
from prograd_experiments.speed_gap import summary
from prograd_experiments.speed_gap.panels import GREY, INK, Group, draw_gap, draw_times

MOST_GROUPS = 6
SHEET = (13.2, 11.2)
PANEL = (5.6, 5.8)


def groups(rows: Sequence[Row]) -> list[Group]:
    """The rows by everything but depth, width and seed; groups without any time only where there are no others."""
    keys = [key for key in summary.varying(rows) if key != "seed"]
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(", ".join(f"{key} {row[key]}" for key in keys), []).append(row)
    every = [Group(members) for members in found.values()]
    return [group for group in every if group.measured] or every[:1]


def poster(rows: Sequence[Row]) -> Figure:
    """Four panels for each group of rows: time against depth, against width, the gap measured and predicted."""
    every, modes = groups(rows), summary.modes_of(rows)
    shown = every[:MOST_GROUPS]
    figure = Figure(figsize=(SHEET[0], SHEET[1] * len(shown)))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.14, hspace=0.03, wspace=0.03)
    for index, group in enumerate(shown):
        sheet = figure.add_subfigure(figure.add_gridspec(len(shown), 1)[index])
        more = len(every) - len(shown) if index == len(shown) - 1 else 0
        also = f" (and {more} more groups of points: see summary.csv)" if more else ""
        # The empty second line is room for the setting, which is not as loud as the title.
        sheet.suptitle("Forward mode against reverse mode\n", fontsize=19, fontweight="bold", color=INK)
        sheet.text(0.5, 0.951, setting(group) + also, fontsize=13, color=GREY, ha="center", va="center")
        (times_depth, times_width), (measured, predicted) = sheet.subplots(2, 2, height_ratios=(1.12, 1))
        draw_times(times_depth, group, modes, along="depth", lines="width")
        draw_times(times_width, group, modes, along="width", lines="depth")
        draw_gap(measured, group, "gap")
        draw_gap(predicted, group, "predicted_gap")
    return figure


def pictures(rows: Sequence[Row]) -> list[Picture]:
    """The panels one by one, each large enough to be read on a phone."""
    return [picture for group in groups(rows)[:MOST_GROUPS] for picture in _panels(group, summary.modes_of(rows))]


def setting(group: Group) -> str:
    """What the rows of a group have in common, in words."""
    row = group.rows[0]
    samples = "one sample" if row["batch"] == 1 else f"{row['batch']} samples"
    threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
    loss = str(row["loss"]).replace("_", " ")
    return f"{row['data']}, {samples}, {row['activation']}, {loss}, {row['dtype']}, {threads}"


def _panels(group: Group, modes: list[str]) -> Iterator[Picture]:
    heading = setting(group)
    for along, lines in (("depth", "width"), ("width", "depth")):
        figure = Figure(figsize=PANEL, layout="constrained")
        draw_times(figure.add_subplot(), group, modes, along=along, lines=lines)
        alt = f"Median time of one gradient against {along} on log axes, a line for each mode and {lines}; {heading}."
        yield Picture(figure, alt, heading)
    for key, kind in (("gap", "measured"), ("predicted_gap", "predicted")):
        figure = Figure(figsize=PANEL, layout="constrained")
        draw_gap(figure.add_subplot(), group, key, stacked=True)
        yield Picture(figure, f"The {kind} gap for each depth and width, as a heat map; {heading}.", heading)
