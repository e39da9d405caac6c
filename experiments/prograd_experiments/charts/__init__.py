"""Pictures as data: the values, their places and colours, and the text that describes each value to a reader.

Each experiment describes its pictures once. `poster` draws them with matplotlib, `markup` for the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from prograd_experiments.charts.palette import CIRCLE, CROSS, DIAMOND, FADED, FAILED, Colour, Marker

FORMATS = ("png", "svg", "pdf")
"""The formats of the poster."""

NO_VALUES = "no values"
MOST_MARKERS = 16  # on one line
HOLLOW = "Hollow markers: unsteady, since the machine was busy."


@dataclass(frozen=True)
class Axis:
    """A label with its unit, and `write`, which turns a number into text. `ticks` replaces the round numbers."""

    label: str
    write: Callable[[float], str]
    log: bool = False
    ticks: Sequence[tuple[float, str]] | None = None


@dataclass(frozen=True)
class Datum:
    """A value and its description in words. A failed job has no `x` or no `y`, and is drawn at the edge instead."""

    x: float | None
    y: float | None
    tooltip: str
    spread: tuple[float, float] | None = None  # the quartiles, along the measured axis
    unsteady: bool = False  # drawn hollow


@dataclass(frozen=True)
class Series:
    """Data that share a colour and a marker. The legend lists it below its `group`, with its `note`."""

    name: str
    data: Sequence[Datum]
    colour: Colour
    marker: Marker
    group: str = ""
    joined: bool = True
    dashed: bool = False
    note: str = ""

    @property
    def title(self) -> str:
        """`forward, width 8`."""
        return ", ".join(filter(None, (self.group, self.name)))

    @property
    def dense(self) -> bool:
        """Whether the line has too many data for a marker on each."""
        return self.joined and len(self.data) > MOST_MARKERS

    @property
    def entry(self) -> str:
        """What the legend says: `width 8: slope 1.02`."""
        return ": ".join(filter(None, (self.name, self.note)))


@dataclass(frozen=True)
class Guide:
    """A thin line below the series, for the eye to compare their slopes with. Its label is right of the frame."""

    label: str
    start: tuple[float, float]
    end: tuple[float, float]
    colour: Colour


@dataclass(frozen=True)
class Chart:
    """Series in a frame. Charts of several sweeps belong together where `heading` and `title` are equal.

    The measured axis is y, or x if `across` is set; then y lists what was measured.
    """

    heading: str
    title: str
    alt: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    across: bool = False
    reference: float | None = None  # a line at this value of the measured axis
    guides: Sequence[Guide] = ()
    note: str = ""

    @property
    def measured(self) -> list[float]:
        """All values on the measured axis, with the ends of their spreads."""
        data = [datum for series in self.series for datum in series.data]
        values = [datum.x if self.across else datum.y for datum in data]
        spreads = [end for datum in data for end in datum.spread or ()]
        return [value for value in (*values, *spreads) if value is not None]

    @property
    def foot(self) -> str:
        """The note, with what a hollow marker means if there is one."""
        hollow = any(datum.unsteady for series in self.series for datum in series.data)
        return " ".join(filter(None, (HOLLOW * hollow, self.note)))

    @property
    def legend(self) -> list[tuple[str, list[Series]]]:
        """The groups with their series. A series without a group forms its own."""
        groups: dict[str, list[Series]] = {}
        for series in self.series:
            groups.setdefault(series.group or series.name, []).append(series)
        return [(members[0].group, members) for members in groups.values()]


@dataclass(frozen=True)
class Tile:
    """One field of a map: its value if it has one, what is written in it, and its description in words."""

    value: float | None
    text: str
    small: Sequence[str]
    tooltip: str


@dataclass(frozen=True)
class Map:
    """A value for each pair of two keys, written in a tile whose colour grows darker with it."""

    heading: str
    title: str
    alt: str
    down: str
    across: str
    rows: Sequence[str]
    columns: Sequence[str]
    tiles: Sequence[Sequence[Tile]]
    note: str = ""

    @property
    def foot(self) -> str:
        """The note."""
        return self.note

    @property
    def values(self) -> list[float]:
        """The values of all tiles that have one."""
        return [tile.value for row in self.tiles for tile in row if tile.value is not None]


Picture = Chart | Map


def guide(slope: float, end: tuple[float, float], begins: float, colour: Colour) -> Guide:
    """The power law with this exponent that ends at `end`, from x = `begins` on; it is straight on log axes alone."""
    x, y = end
    return Guide(f"slope {slope:g}", (begins, y * (begins / x) ** slope), end, colour)


def categories(label: str, names: Sequence[str]) -> Axis:
    """An axis of names, which counts them from 0."""
    return Axis(label, str, ticks=list(enumerate(names)))


def failed(data: Sequence[Datum]) -> list[Series]:
    """The series of the jobs without a value; none if every job has one."""
    return [Series("no time", data, FAILED, CROSS, joined=False)] if data else []


def measured_and_predicted(
    measured: Sequence[Datum], predicted: Sequence[Datum], colour: Colour, line: Marker | None = None, group: str = ""
) -> list[Series]:
    """Two lines with the marker `line`, the predicted one dashed; dots without it. None without measured data."""
    joined = line is not None
    both = [
        Series("measured", measured, colour, line or CIRCLE, group, joined=joined),
        Series("predicted", predicted, colour.faded(FADED), line or DIAMOND, group, joined=joined, dashed=joined),
    ]
    return both if measured else []


def noted(pictures: Sequence[Picture], note: str) -> list[Picture]:
    """The pictures, with one more sentence below the last."""
    *others, last = pictures
    return [*others, replace(last, note=" ".join(filter(None, (last.note, note))))]
