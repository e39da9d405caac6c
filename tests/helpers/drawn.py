"""What matplotlib and the page draw of the same pictures, read back from the figure and from the HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from xml.etree import ElementTree as ET

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation, Text

from prograd_experiments.charts import Chart, Picture, markup
from prograd_experiments.charts.poster import GUIDE, poster

Places = list[tuple[float, float]]
"""In the frame, from 0 to 1."""


@dataclass
class Drawn:
    """A series as it is drawn."""

    name: str
    colour: str
    dashed: bool
    corners: int
    """Of its marker; 0 where it has none."""

    places: Places


def same(pictures: Sequence[Picture]) -> None:
    """Asserts that the poster and the page draw the same: series, places, colours, labels of ticks and the legend."""
    figure = poster("A question that is long enough to fill the line above all pictures of the sheet?", pictures)
    clear(figure)
    assert len(figure.axes) == len(pictures)
    for axes, picture in zip(figure.axes, pictures, strict=True):
        companions = [one for one in pictures if one.heading == picture.heading]
        drawn = markup.draw(picture, companions).replace("<br>", " ")
        page = ET.fromstring(f"<div>{drawn}</div>")  # noqa: S314  (nobody else wrote it)
        assert axes.get_title(loc="left") == picture.title
        if isinstance(picture, Chart):
            _same_series(on_the_poster(axes), on_the_page(page))
            _same_series(guides_on_the_poster(axes), guides_on_the_page(page))
            entries = [text.text for text in page.findall(".//*[@class='legend']//*") if text.text]
            assert legend_of(axes) == " ".join(entries)  # long ones are several lines on the poster
            labels = [
                text.text for text in page.findall(".//text[@text-anchor='middle']") if "class" not in text.attrib
            ]
            assert set(labels) <= {label.get_text() for label in axes.get_xticklabels()}
            across = [text.text for text in page.findall(".//text[@text-anchor='end']")]
            assert across == [label.get_text() for label in axes.get_yticklabels()]
        else:
            assert tiles_of(axes) == [
                ("".join(cell.find("span").itertext()), re.findall(r"#\w+", cell.get("style", "")))
                for cell in page.iter("td")
            ]


def clear(figure: Figure) -> None:
    """Asserts that all text of the figure is inside it, and that no two texts overlap."""
    FigureCanvasAgg(figure).draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_window_extent().width]
    for name, box in boxes:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, name
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, name
    for (one, a), (other, b) in combinations(boxes, 2):
        assert min(a.x1, b.x1) <= max(a.x0, b.x0) + 1 or min(a.y1, b.y1) <= max(a.y0, b.y0) + 1, (one, other)


def on_the_poster(axes: Axes) -> list[Drawn]:
    found: dict[str, Drawn] = {}
    for line in axes.get_lines():
        if line.get_label().startswith("_"):
            continue
        ends = axes.transAxes.inverted().transform(line.get_transform().transform(np.column_stack(line.get_data())))
        marker = line.get_marker()
        corners = 0 if marker == "None" else len(marker.vertices) - 1
        name, dashed = line.get_label(), line.is_dashed()
        drawn = found.setdefault(name, Drawn(name, to_hex(line.get_color()), dashed, corners, []))
        drawn.places += [(float(x), float(y)) for x, y in ends]
    return list(found.values())


def on_the_page(page: ET.Element) -> list[Drawn]:
    height = float(page.find(".//svg[@class='plot']").get("height"))
    found = []
    for series in page.iter("g"):
        if "series" not in series.get("class").split():
            continue
        (colour,) = re.findall(r"--light:(#\w+)", series.get("style"))
        points = [point for point in series if point.get("class") == "point"]
        places = [re.search(r"([-\d.]+)%,([-\d.]+)px", point.get("style")).groups() for point in points]
        line = series.find("svg/path")
        if line is not None:
            places = [
                [float(part) / 10 for part in pair.split()[:1]] + pair.split()[1:]
                for pair in line.get("d")[1:].split("L")
            ]
        corners = points[0].find("path").get("d").count("L") + 1 if points else 0
        places = [(float(x) / 100, 1 - float(y) / height) for x, y in places]
        found.append(Drawn(series.get("aria-label"), colour, "dashed" in series.get("class"), corners, places))
    return found


def guides_on_the_poster(axes: Axes) -> list[Drawn]:
    inside = axes.transAxes.inverted()
    ends = [inside.transform(axes.transData.transform(line.get_xydata())) for line in axes.get_lines() if _guides(line)]
    colours = [to_hex(line.get_color()) for line in axes.get_lines() if _guides(line)]
    beside = [text for text in axes.texts if isinstance(text, Annotation) and text.xy[0] == 1]
    return [
        Drawn(text.get_text(), colour, dashed=True, corners=0, places=[*map(tuple, line), text.xy])
        for text, colour, line in zip(beside, colours, ends, strict=True)
    ]


def guides_on_the_page(page: ET.Element) -> list[Drawn]:
    height = float(page.find(".//svg[@class='plot']").get("height"))
    found = []
    for guide in page.findall(".//g[@class='guide']"):
        line, text = guide.find("line"), guide.find("text")
        (colour,) = re.findall(r"--light:(#\w+)", guide.get("style"))
        ends = [(line.get(f"x{end}"), float(line.get(f"y{end}"))) for end in (1, 2)]
        ends.append((text.get("x"), float(text.get("y")) - 5))  # letters stand on their line
        places = [(float(x.removesuffix("%")) / 100, 1 - y / height) for x, y in ends]
        found.append(Drawn(text.text, colour, dashed=True, corners=0, places=places))
    return found


def _guides(line: Line2D) -> bool:
    return line.get_label() == GUIDE


def legend_of(axes: Axes) -> str:
    return " ".join(text.get_text() for text in axes.get_legend().get_texts() if text.get_text())


def tiles_of(axes: Axes) -> list[tuple[str, list[str]]]:
    """The text of each tile, and its colour if it has a value."""
    texts = [text.get_text() for text in axes.texts if not isinstance(text, Annotation)]  # which is the axis' label
    grounds = [to_hex(tile.get_facecolor()) for tile in axes.patches if isinstance(tile, Rectangle)]
    return [
        (texts[2 * number] + texts[2 * number + 1], [] if ground == "#ffffff" else [ground])
        for number, ground in enumerate(grounds)
    ]


def _same_series(one: Sequence[Drawn], other: Sequence[Drawn]) -> None:
    assert [(s.name, s.colour, s.dashed, s.corners) for s in one] == [
        (s.name, s.colour, s.dashed, s.corners) for s in other
    ]
    for first, second in zip(one, other, strict=True):
        np.testing.assert_allclose(first.places, second.places, rtol=0, atol=1e-3, err_msg=first.name)
