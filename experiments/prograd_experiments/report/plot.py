"""A chart as inline SVG: every point can be pointed at and reached by keyboard, and says in words what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from prograd_experiments.charts import Axis, Chart, Point, Series
from prograd_experiments.report.scale import Scale, scale

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 340, 62, 22, 30, 52  # in SVG's units, which are pixels on a narrow screen
LETTER = 8.8  # how wide a letter of a label is at most
MOST_POINTS = 40  # that a line offers to pointer and keyboard; the line itself goes through all
# Circle, square, diamond, two triangles, cross, star: around (0, 0).
MARKS = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "M-4.5-4.5h9v9h-9z",
    "M0-6.5L6 0L0 6.5L-6 0z",
    "M0-6L5.8 4.5H-5.8z",
    "M0 6L5.8-4.5H-5.8z",
    "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
    "M-4-6L0-2L4-6L6-4L2 0L6 4L4 6L0 2L-4 6L-6 4L-2 0L-6-4z",
)
FAILED = MARKS[6]


@dataclass(frozen=True)
class Frame:
    """Where a chart's values lie, and the edges on its left and below."""

    x: Scale
    y: Scale
    left: float
    bottom: float
    across: bool

    def at(self, point: Point) -> tuple[float, float]:
        """The place of a point; one without a value stands at the axis that it has no value on."""
        return (
            self.left if point.x is None else self.x(point.x),
            self.bottom if point.y is None else self.y(point.y),
        )

    def bar(self, point: Point, low: float, high: float) -> str:
        """A path from one end of a point's middle half to the other."""
        x, y = self.at(point)
        if self.across:
            return f"M{self.x(low):.1f} {y:.1f}H{self.x(high):.1f}"
        return f"M{x:.1f} {self.y(low):.1f}V{self.y(high):.1f}"


def draw(chart: Chart, beside: Sequence[Chart]) -> str:
    """The chart in a frame that has room for all `beside` it, so that equal heights are equal values."""
    frame = _frame(chart, beside)
    middle = (frame.left + WIDTH) / 2
    lines = [
        *_grid(frame),
        _text(0, 14, chart.y.label, "start", "label"),
        _text(WIDTH - 2, frame.bottom + 44, chart.x.label, "end", "label"),
        *(part for series in chart.series for part in _series(series, frame)),
    ]
    if not any(series.points for series in chart.series):
        lines.append(_text(middle, frame.bottom / 2, "nothing to show: no job came this far", "middle"))
    inside = "\n".join(lines)
    size = f"0 0 {WIDTH} {frame.bottom + BOTTOM:.0f}"
    return f'<svg class="plot" viewBox="{size}" role="group" aria-label="{escape(chart.alt)}">\n{inside}\n</svg>'


def legend(chart: Chart) -> str:
    """What each line is, with its mark; a note such as the slope."""
    line = '<path class="line" d="M-16 0H16"/>'
    items = "".join(
        f'<li><svg class="{_classes(series)}" viewBox="-16 -8 32 16" aria-hidden="true"{_pale(series)}>'
        f'{line if series.joined else ""}<path class="mark" d="{_mark(series)}"/></svg>'
        f"<span>{escape(series.name)}{f': <span>{escape(series.note)}</span>' if series.note else ''}</span></li>"
        for series in chart.series
    )
    return f'<ul class="legend">{items}</ul>'


def _frame(chart: Chart, beside: Sequence[Chart]) -> Frame:
    left: float = LEFT
    if chart.across:  # down the page where y counts the lines of a list
        y = scale(chart.y, [], TOP, TOP + chart.height)
        left = LETTER * max(len(text) for one in beside for _, text in one.y.ticks or ((0, ""),)) + 14
    else:
        y = scale(chart.y, _values(beside, "y"), TOP + max(one.height for one in beside), TOP)
    x = scale(_merged(chart.x, [one.x for one in beside]), _values(beside, "x"), left, WIDTH - RIGHT)
    return Frame(x, y, left, max(y.start, y.end), chart.across)


def _merged(axis: Axis, others: Sequence[Axis]) -> Axis:
    if axis.ticks is None:
        return axis
    ticks = sorted({tick for other in others for tick in other.ticks or ()})
    return Axis(axis.label, axis.write, axis.log, ticks)


def _values(charts: Sequence[Chart], side: str) -> list[float]:
    found = []
    for chart in charts:
        measured = "x" if chart.across else "y"
        for point in (point for series in chart.series for point in series.points):
            value = point.x if side == "x" else point.y
            if value is not None:
                found += [value, *(point.spread if point.spread and side == measured else ())]
    return found


def _grid(frame: Frame) -> Iterator[str]:
    room = float("-inf")
    for value, text in frame.x.ticks():
        place, half = frame.x(value), LETTER * len(text) / 2
        yield f'<path class="grid" d="M{place:.1f} {TOP}V{frame.bottom:.1f}"/>'
        if place - half > room:
            yield _text(place, frame.bottom + 20, text, "middle")
            room = place + half + 6
    for value, text in frame.y.ticks():
        place = frame.y(value)
        yield f'<path class="grid" d="M{frame.left:.1f} {place:.1f}H{WIDTH - RIGHT}"/>'
        yield _text(frame.left - 8, place + 5, text, "end")


def _series(series: Series, frame: Frame) -> Iterator[str]:
    yield f'<g class="series {_classes(series)}"{_pale(series)}>'
    if series.joined and len(series.points) > 1:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in map(frame.at, series.points))
        yield f'<path class="line" d="M{path}"/>'
    shown = _some(series.points)
    for point in shown:
        if point.spread is not None:
            yield f'<path class="bar" d="{frame.bar(point, *point.spread)}"/>'
    dense = " dense" if len(shown) < len(series.points) else ""
    for point in shown:
        x, y = frame.at(point)
        yield (
            f'<g class="point{dense}" role="img" tabindex="-1" aria-label="{escape(point.says)}" '
            f'transform="translate({x:.1f} {y:.1f})">'
            f'<circle class="hit" r="11"/><path class="mark" d="{_mark(series)}"/></g>'
        )
    yield "</g>"


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _some(points: Sequence[Point]) -> Sequence[Point]:
    if len(points) <= MOST_POINTS:
        return points
    step = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(number * step)] for number in range(MOST_POINTS)]


def _mark(series: Series) -> str:
    failed = any(point.x is None or point.y is None for point in series.points)
    return FAILED if failed else MARKS[series.mark % len(MARKS)]


def _classes(series: Series) -> str:
    return f"c{series.colour}{' dashed' if series.dashed else ''}"


def _pale(series: Series) -> str:
    return f' style="--pale:{100 * series.pale:.0f}%"' if series.pale else ""
