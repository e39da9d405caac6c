"""A map as an HTML table: each field has its value as number and as colour, and says in words what it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from prograd_experiments.charts import Map, Square

# The light half of ColorBrewer's YlGnBu, which readers with any colour vision can order; dark ink is legible on all.
COLOURS = ((255, 255, 217), (237, 248, 177), (199, 233, 180), (127, 205, 187), (65, 182, 196))


def draw(chart: Map, values: Sequence[float]) -> str:
    """The table; colours are spread, on a log scale, over all `values`, so that equal colours are equal values."""
    low, high = (min(values), max(values)) if values else (1.0, 1.0)
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in chart.columns)
    lines = "\n".join(
        f'<tr class="series"><th scope="row">{escape(name)}</th>{"".join(_fields(squares, low, high))}</tr>'
        for name, squares in zip(chart.rows, chart.squares, strict=True)
    )
    return (
        f'<div class="scroll"><table class="plot map" aria-label="{escape(chart.alt)}">\n'
        f'<thead><tr><th scope="col">{escape(chart.down)} ↓<br>{escape(chart.across)} →</th>{heads}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody>\n</table></div>\n<p>{escape(chart.note)}</p>"
    )


def values(charts: Sequence[Map]) -> list[float]:
    """All values of several maps."""
    return [square.value for chart in charts for line in chart.squares for square in line if square.value is not None]


def colour(part: float) -> str:
    """The colour at a place of the scale, from 0 to 1."""
    place = min(max(part, 0.0), 1.0) * (len(COLOURS) - 1)
    index = min(int(place), len(COLOURS) - 2)
    mixed = (a + (place - index) * (b - a) for a, b in zip(COLOURS[index], COLOURS[index + 1], strict=True))
    return "#" + "".join(f"{round(channel):02x}" for channel in mixed)


def _fields(squares: Sequence[Square], low: float, high: float) -> Iterator[str]:
    for square in squares:
        if square.value is None:
            style, text = ' class="empty"', escape(square.text)
        else:
            part = math.log(square.value / low) / math.log(high / low) if high > low else 0.0
            style = f' style="background:{colour(part)}"'
            small = "<br>".join(map(escape, square.small))
            text = f"<b>{escape(square.text)}</b>{f'<small>{small}</small>' if small else ''}"
        says = f'role="img" tabindex="-1" aria-label="{escape(square.says)}"'
        yield f'<td{style}><span class="point" {says}>{text}</span></td>'
