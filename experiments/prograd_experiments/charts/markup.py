"""Pictures as HTML and inline SVG: pointer and keyboard reach every value, which describes itself in words.

Along x a chart is measured in per cent, so that it is as wide as its column and its letters keep their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from prograd_experiments.charts import NO_VALUES, Chart, Datum, Map, Picture, Series, Tile
from prograd_experiments.charts.palette import Colour, Marker, heat
from prograd_experiments.charts.scale import Frame, frame

HEIGHT, ROW = 250, 28  # of a frame, and of each name that a frame lists, in pixels
NARROWEST = 240  # the width of a frame on a phone, in pixels
LETTER = 9.3  # the width of a letter, in pixels
RIGHT, BESIDE = 22, 8  # of a frame: the space without labels, and that before a label, in pixels
MOST_POINTS = 40  # of a line that pointer and keyboard reach; the line itself goes through all
STRETCHED = 1000  # lines are drawn this wide, and stretched to the width of the frame


def draw(picture: Picture, companions: Sequence[Picture]) -> str:
    """The picture with its legend. Its scales have room for its companions, too."""
    drawn = _chart(picture, companions) if isinstance(picture, Chart) else _map(picture, companions)
    return drawn + (f"\n<p>{escape(picture.foot)}</p>" if picture.foot else "")


def _chart(chart: Chart, companions: Sequence[Picture]) -> str:
    scales = frame(chart, companions)
    height = ROW * len(chart.y.ticks or ()) if chart.across else HEIGHT
    left = LETTER * max((len(text) for _, text in scales.y.ticks), default=0) + 18
    series = (_series(one, scales, height, chart) for one in chart.series)
    inside = "\n".join((*_grid(chart, scales, height), *_guides(chart, scales, height), *series))
    return (
        f'<p class="axis">{escape(chart.y.label)}</p>\n'
        f'<div class="scroll"><div class="frame" style="--left:{left:.0f}px;--right:{_right(chart):.0f}px">'
        f'<svg class="plot" height="{height}" role="group" aria-label="{escape(chart.alt)}">\n{inside}\n</svg>'
        f'</div></div>\n<p class="axis x">{escape(chart.x.label)}</p>\n{_legend(chart)}'
    )


def _grid(chart: Chart, scales: Frame, height: int) -> Iterator[str]:
    for value, _ in scales.x.ticks:
        yield _line("grid", (scales.x(value), 0), (scales.x(value), 1), height)
    for value, text in scales.y.ticks:
        yield _line("grid", (0, scales.y(value)), (1, scales.y(value)), height)
        yield f'<text x="-12" y="{_down(scales.y(value), height) + 5:.1f}" text-anchor="end">{escape(text)}</text>'
    for value, text in scales.x.labels((NARROWEST + RIGHT - _right(chart)) / LETTER):
        yield f'<text x="{_along(scales.x(value))}" y="{height + 24}" text-anchor="middle">{escape(text)}</text>'
    if not chart.measured:
        yield f'<text class="nothing" x="50%" y="{height / 2 + 5:g}" text-anchor="middle">{NO_VALUES}</text>'
    elif chart.reference is not None:
        scale = scales.x if chart.across else scales.y
        at = scale(chart.reference)
        start, end = ((at, 0.0), (at, 1.0)) if chart.across else ((0.0, at), (1.0, at))
        yield _line("reference", start, end, height)


def _guides(chart: Chart, scales: Frame, height: int) -> Iterator[str]:
    for guide, place in zip(chart.guides, scales.heights(chart.guides), strict=True):
        (x1, y1), (x2, y2) = guide.start, guide.end
        line = _line("line", (scales.x(x1), scales.y(y1)), (scales.x(x2), scales.y(y2)), height)
        beside = f'x="100%" dx="{BESIDE}" y="{_down(place, height) + 5:.1f}"{_colours(guide.colour.of_text)}'
        yield f'<g class="guide"{_colours(guide.colour)}>{line}<text {beside}>{escape(guide.label)}</text></g>'


def _right(chart: Chart) -> float:
    return max((BESIDE + LETTER * len(guide.label) for guide in chart.guides), default=RIGHT)


def _series(series: Series, scales: Frame, height: int, chart: Chart) -> str:
    data = _some(series.data) if series.joined else series.data
    places = [scales.place(datum) for datum in series.data]
    kind = "series dashed" if series.dashed else "series"
    parts = [f'<g class="{kind}" role="group" aria-label="{escape(series.title)}"{_colours(series.colour)}>']
    if series.joined and len(places) > 1:
        path = "L".join(f"{x * STRETCHED:.1f} {_down(y, height):.1f}" for x, y in places)
        parts.append(
            f'<svg viewBox="0 0 {STRETCHED} {height}" preserveAspectRatio="none" height="{height}">'
            f'<path class="line" d="M{path}"/></svg>'
        )
    parts += [_spread(datum, datum.spread, scales, height, chart) for datum in data if datum.spread is not None]
    kind = "point dense" if series.dense else "point"
    for datum in data:
        x, y = scales.place(datum)
        parts.append(
            f'<g class="{kind}" role="img" tabindex="-1" aria-label="{escape(datum.tooltip)}" '
            f'style="transform:translate({_along(x)},{_down(y, height):.1f}px)">'
            f'<circle class="hit" r="11"/>{_mark(series.marker, hollow=datum.unsteady)}</g>'
        )
    return "\n".join((*parts, "</g>"))


def _spread(datum: Datum, ends: tuple[float, float], scales: Frame, height: int, chart: Chart) -> str:
    x, y = scales.place(datum)
    low, high = map(scales.x if chart.across else scales.y, ends)
    start, end = ((low, y), (high, y)) if chart.across else ((x, low), (x, high))
    return _line("bar", start, end, height)


def _legend(chart: Chart) -> str:
    blocks = []
    for group, members in chart.legend:
        heading = f"<b>{escape(group)}</b>" if group else ""
        blocks.append(f"<div>{heading}<ul>{''.join(map(_entry, members))}</ul></div>")
    return f'<div class="legend">{"".join(blocks)}</div>'


def _entry(series: Series) -> str:
    kind = ' class="dashed"' if series.dashed else ""
    line = '<path class="line" d="M-16 0H16"/>' if series.joined else ""
    mark = "" if series.dense else _mark(series.marker)
    return (
        f"<li{kind}{_colours(series.colour)}>"
        f'<svg viewBox="-16 -8 32 16" aria-hidden="true">{line}{mark}</svg><span>{escape(series.entry)}</span></li>'
    )


def _map(chart: Map, companions: Sequence[Picture]) -> str:
    values = [value for one in companions if isinstance(one, Map) for value in one.values]
    ends = (min(values), max(values)) if values else (1.0, 1.0)
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in chart.columns)
    rows = "\n".join(
        f'<tr class="series"><th scope="row">{escape(name)}</th>{"".join(_tile(tile, ends) for tile in tiles)}</tr>'
        for name, tiles in zip(chart.rows, chart.tiles, strict=True)
    )
    return (
        f'<div class="scroll"><table class="plot map" aria-label="{escape(chart.alt)}">\n'
        f'<thead><tr><th scope="col">{escape(chart.down)} ↓<br>{escape(chart.across)} →</th>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _tile(tile: Tile, ends: tuple[float, float]) -> str:
    look, inside = ' class="empty"', escape(tile.text)
    if tile.value is not None:
        look = f' style="background:{heat(tile.value, *ends)}"'
        inside = f"<b>{inside}</b>" + (f"<small>{'<br>'.join(map(escape, tile.small))}</small>" if tile.small else "")
    says = f'role="img" tabindex="-1" aria-label="{escape(tile.tooltip)}"'
    return f'<td{look}><span class="point" {says}>{inside}</span></td>'


def _some(data: Sequence[Datum]) -> Sequence[Datum]:
    if len(data) <= MOST_POINTS:
        return data
    step = (len(data) - 1) / (MOST_POINTS - 1)
    return [data[round(number * step)] for number in range(MOST_POINTS)]


def _line(kind: str, start: tuple[float, float], end: tuple[float, float], height: int) -> str:
    (x1, y1), (x2, y2) = start, end
    at = f'x1="{_along(x1)}" y1="{_down(y1, height):.1f}" x2="{_along(x2)}" y2="{_down(y2, height):.1f}"'
    return f'<line class="{kind}" {at}/>'


def _mark(marker: Marker, *, hollow: bool = False) -> str:
    kind = "mark hollow" if hollow else "mark"
    return f'<path class="{kind}" d="M{"L".join(f"{x:g} {y:g}" for x, y in marker.corners)}z"/>'


def _colours(colour: Colour) -> str:
    return f' style="--light:{colour.light};--dark:{colour.dark}"'


def _along(place: float) -> str:
    return f"{100 * place:.2f}%"


def _down(place: float, height: int) -> float:
    return (1 - place) * height
