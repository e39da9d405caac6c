"""Pictures on one sheet, drawn by matplotlib. All lengths are in inches."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import count
from textwrap import wrap
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.path import Path

from prograd_experiments.charts import NO_VALUES, Chart, Guide, Map, Picture, Series, Tile
from prograd_experiments.charts.palette import INK, ON_HEAT, PAPER, RULE, SOFT, Marker, heat
from prograd_experiments.charts.scale import frame

WIDTH = 13.2
TITLE, HEADING = 0.6, 0.35  # the heights of a line of the title, and of a section's heading
HEAD, FRAME, NAME, TILE = 0.7, 3.3, 0.3, 0.75  # of a picture's title, a frame, a name in a list, a row of tiles
FOOT, LINE, ENTRY, GAP = 0.35, 0.2, 0.22, 0.25  # of the labels of ticks, a line of text or of the legend, and the rest
BESIDE = 0.08  # between a frame and a guide's label
LETTER, SMALL, BIG = 0.095, 0.078, 0.15  # the widths of a letter: of the labels, of the legend, of the title
DOTS_PER_INCH = 150
GUIDE = "_guide"  # which matplotlib leaves out of its legends
POINTS = 72 / 96  # in a pixel
OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 1}},
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}
"""How each format is written: without version and date, so that equal figures are equal files.

Flat colours hardly get smaller at a higher level of compression, only slower.
"""


def poster(title: str, pictures: Sequence[Picture]) -> Figure:
    """All pictures below their headings: two side by side, and one alone as wide as two."""
    sections: dict[str, list[Picture]] = {}
    for picture in pictures:
        sections.setdefault(picture.heading, []).append(picture)
    above = wrap(title, int(WIDTH / BIG))
    headings = {heading: wrap(heading, int(WIDTH / LETTER)) for heading in sections}
    rows = {heading: [of[at : at + 2] for at in range(0, len(of), 2)] for heading, of in sections.items()}
    high = TITLE * len(above) + sum(HEADING * len(lines) for lines in headings.values())
    high += sum(_height(row) for of in rows.values() for row in of) or FRAME
    figure = Figure(figsize=(WIDTH, high), facecolor=PAPER.light)
    top = _written(figure, above, 0, TITLE, fontsize=18, fontweight="bold", color=INK.light)
    if not pictures:
        _written(figure, [NO_VALUES], top, FRAME, fontsize=12, color=SOFT.light)
    for heading, lines in headings.items():
        top = _written(figure, lines, top, HEADING, fontsize=13, color=SOFT.light)
        for row in rows[heading]:
            width = WIDTH / len(row)
            for place, picture in enumerate(row):
                _picture(figure, picture, sections[heading], (width * place, top, width))
            top += _height(row)
    return figure


def encoded(figure: Figure, kind: str) -> bytes:
    """The figure as a file; `kind` is one of `OPTIONS`."""
    content = io.BytesIO()
    with rc_context({"svg.hashsalt": "prograd"}):
        figure.savefig(content, format=kind, dpi=DOTS_PER_INCH, **OPTIONS[kind])
    return content.getvalue()


def _written(figure: Figure, lines: Sequence[str], top: float, high: float, **look: Any) -> float:
    """Writes the lines; returns where they end."""
    for number, line in enumerate(lines):
        y = figure.get_figheight() - top - high * (number + 0.5)
        figure.text(WIDTH / 2, y, line, ha="center", va="center", transform=figure.dpi_scale_trans, **look)
    return top + high * len(lines)


def _height(row: Sequence[Picture]) -> float:
    """The height of pictures side by side, with their titles, labels and legends."""
    width = WIDTH / len(row)
    under = (FOOT + LINE * len(_foot(one, width)) + ENTRY * _entries(one, width) + GAP for one in row)
    return max(HEAD + _frame_height(one) + foot for one, foot in zip(row, under, strict=True))


def _frame_height(picture: Picture) -> float:
    if isinstance(picture, Map):
        return TILE * len(picture.rows)
    return NAME * len(picture.y.ticks or ()) if picture.across else FRAME


def _foot(picture: Picture, width: float) -> list[str]:
    """The lines below a frame: the label of the axis, and the note."""
    label = picture.x.label if isinstance(picture, Chart) else picture.across
    return [line for text in (label, picture.foot) for line in wrap(text, int(width / LETTER) - 12)]


def _entries(picture: Picture, width: float) -> int:
    return max(map(len, _columns(picture, width))) if isinstance(picture, Chart) and picture.series else 0


def _picture(figure: Figure, picture: Picture, companions: Sequence[Picture], at: tuple[float, float, float]) -> None:
    left, top, width = at
    names = picture.rows if isinstance(picture, Map) else [text for _, text in frame(picture, companions).y.ticks]
    margin = LETTER * max(map(len, names), default=0) + 0.35
    high, sheet = _frame_height(picture), figure.get_figheight()
    bottom = sheet - top - HEAD - high
    guides = picture.guides if isinstance(picture, Chart) else ()
    right = max((LETTER * len(guide.label) + BESIDE + 0.1 for guide in guides), default=0.3)
    axes = figure.add_axes(
        ((left + margin) / WIDTH, bottom / sheet, (width - margin - right) / WIDTH, high / sheet),
    )
    axes.set_title(picture.title, loc="left", pad=25, fontsize=13, fontweight="bold", color=INK.light)
    up = picture.y.label if isinstance(picture, Chart) else picture.down
    axes.annotate(
        up, (0, 1), (0, 9), xycoords="axes fraction", textcoords="offset points", fontsize=11, color=SOFT.light
    )
    axes.set_xlabel("\n".join(_foot(picture, width)), fontsize=11, color=SOFT.light)
    axes.tick_params(labelsize=11, colors=INK.light, length=0, pad=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SOFT.light)
    if isinstance(picture, Chart):
        _chart(axes, picture, companions)
        _legend(axes, picture, (left + 0.15, bottom - FOOT - LINE * len(_foot(picture, width)), width))
    else:
        _map(axes, picture, companions)


def _chart(axes: Axes, chart: Chart, companions: Sequence[Picture]) -> None:
    scales = frame(chart, companions)
    axes.set(xscale="log" if scales.x.log else "linear", yscale="log" if scales.y.log else "linear")
    axes.minorticks_off()
    axes.set(xlim=(scales.x.low, scales.x.high), ylim=(scales.y.low, scales.y.high))
    labels = dict(scales.x.labels(axes.bbox.width / axes.figure.dpi / LETTER))
    axes.set_xticks([value for value, _ in scales.x.ticks], [labels.get(value, "") for value, _ in scales.x.ticks])
    axes.set_yticks([value for value, _ in scales.y.ticks], [text for _, text in scales.y.ticks])
    axes.grid(visible=True, color=RULE.light, lw=0.9)
    axes.set_axisbelow(True)
    if not chart.measured:
        box = {"facecolor": PAPER.light, "edgecolor": "none", "pad": 1}
        axes.text(0.5, 0.5, NO_VALUES, ha="center", va="center", color=SOFT.light, transform=axes.transAxes, bbox=box)
    elif chart.reference is not None:
        (axes.axvline if chart.across else axes.axhline)(chart.reference, color=SOFT.light, lw=1.5, zorder=1)
    for guide, place in zip(chart.guides, scales.heights(chart.guides), strict=True):
        _guide(axes, guide, place)
    for series in chart.series:
        _series(axes, series, across=chart.across)


def _guide(axes: Axes, guide: Guide, place: float) -> None:
    xs, ys = zip(guide.start, guide.end, strict=True)
    axes.plot(xs, ys, ls=(0, (1, 2)), lw=1.2, zorder=1.5, label=GUIDE, color=guide.colour.light)
    axes.annotate(
        guide.label,
        (1, place),
        (72 * BESIDE, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        va="center",
        fontsize=11,
        color=guide.colour.of_text.light,
    )


def _series(axes: Axes, series: Series, *, across: bool) -> None:
    """One line with markers; failed jobs are drawn at the edge of the axes."""
    look = {"label": series.title, **_look(series)}
    places = [(datum.x, datum.y) for datum in series.data if datum.x is not None and datum.y is not None]
    axes.plot([x for x, _ in places], [y for _, y in places], zorder=3, **look)
    hollow = [(datum.x, datum.y) for datum in series.data if datum.unsteady]
    if hollow:
        xs, ys = zip(*hollow, strict=True)
        edge: dict[str, Any] = {"facecolors": PAPER.light, "edgecolors": series.colour.light, "linewidths": 1.5}
        axes.scatter(xs, ys, s=_size(series.marker) ** 2, marker=_path(series.marker), zorder=4, **edge)
    spreads = [(datum.y if across else datum.x, *datum.spread) for datum in series.data if datum.spread is not None]
    if spreads:
        bars = axes.hlines if across else axes.vlines
        bars(*zip(*spreads, strict=True), color=series.colour.light, lw=4, alpha=0.6, zorder=2)
    for datum in series.data:
        if datum.x is None or datum.y is None:
            side = axes.get_yaxis_transform() if datum.x is None else axes.get_xaxis_transform()
            axes.plot(datum.x or 0, datum.y or 0, transform=side, clip_on=False, zorder=4, **look)


def _look(series: Series) -> dict[str, Any]:
    return {
        "color": series.colour.light,
        "ls": "None" if not series.joined else (0, (3, 2)) if series.dashed else "-",
        "lw": 1.8,
        "marker": "None" if series.dense else _path(series.marker),
        "ms": _size(series.marker),
        "markeredgecolor": PAPER.light,
        "markeredgewidth": 0.7,
    }


def _path(marker: Marker) -> Path:
    corners = [(x, -y) for x, y in marker.corners]
    return Path([*corners, corners[0]], closed=True)


def _size(marker: Marker) -> float:
    """The size to which matplotlib scales a path, measured from its centre."""
    return 2 * POINTS * max(abs(part) for corner in marker.corners for part in corner)


def _legend(axes: Axes, chart: Chart, at: tuple[float, float, float]) -> None:
    left, top, width = at
    columns = _columns(chart, width)
    longest = max(map(len, columns))
    nothing = Line2D([], [], ls="None", label="")
    entries = [entry for column in columns for entry in [*column, *[nothing] * (longest - len(column))]]
    legend = axes.legend(
        handles=entries,
        ncols=len(columns),
        loc="upper left",
        bbox_to_anchor=(left, top),
        bbox_transform=axes.figure.dpi_scale_trans,
        frameon=False,
        fontsize=10.5,
        columnspacing=0.9,
        handlelength=1.8,
        borderpad=0,
        borderaxespad=0,
        labelcolor=INK.light,
    )
    for entry, text in zip(entries, legend.get_texts(), strict=True):
        text.set_fontweight("bold" if entry.get_color() == INK.light else "normal")


def _columns(chart: Chart, width: float) -> list[list[Line2D]]:
    """The entries of the legend in as many columns as there is room for, of similar length; no group is divided."""
    blocks = []
    for group, members in chart.legend:
        heading = [
            Line2D([], [], ls="None", color=INK.light, label=line) for line in wrap(group, int(width / LETTER) - 8)
        ]
        blocks.append(heading + [Line2D([], [], label=series.entry, **_look(series)) for series in members])
    widest = max((len(str(entry.get_label())) for block in blocks for entry in block), default=0)
    most = max(1, int((width - 0.15) / (SMALL * widest + 0.52)))
    for longest in count(max(map(len, blocks), default=0)):
        columns: list[list[Line2D]] = [[]]
        for block in blocks:
            if len(columns[-1]) + len(block) > longest:
                columns.append([])
            columns[-1].extend(block)
        if len(columns) <= most:
            break
    return columns


def _map(axes: Axes, chart: Map, companions: Sequence[Picture]) -> None:
    values = [value for one in companions if isinstance(one, Map) for value in one.values]
    ends = (min(values), max(values)) if values else (1.0, 1.0)
    size = min(14.0, 125 / max(len(chart.columns), 1))  # six letters fit into a tile
    for down, tiles in enumerate(chart.tiles):
        for along, tile in enumerate(tiles):
            _tile(axes, (along, down), tile, ends, size)
    axes.set(xlim=(-0.5, len(chart.columns) - 0.5), ylim=(len(chart.rows) - 0.5, -0.5))
    axes.set_xticks(range(len(chart.columns)), chart.columns)
    axes.set_yticks(range(len(chart.rows)), chart.rows)
    axes.spines[:].set_visible(False)


def _tile(axes: Axes, at: tuple[int, int], tile: Tile, ends: tuple[float, float], size: float) -> None:
    x, y = at
    filled = tile.value is not None
    ground = heat(tile.value, *ends) if tile.value is not None else PAPER.light
    edge: dict[str, Any] = {"edgecolor": PAPER.light} if filled else {"edgecolor": SOFT.light, "ls": ":"}
    axes.add_patch(Rectangle((x - 0.48, y - 0.47), 0.96, 0.94, facecolor=ground, lw=1, **edge))
    lines = " ".join(tile.small)
    axes.text(
        x,
        y - 0.02 if lines else y,
        tile.text,
        ha="center",
        va="bottom" if lines else "center",
        fontsize=size if filled else 0.75 * size,
        fontweight="bold" if filled else "normal",
        color=ON_HEAT.light if filled else SOFT.light,
    )
    axes.text(x, y + 0.08, lines, ha="center", va="top", fontsize=9.5, color=ON_HEAT.light)
