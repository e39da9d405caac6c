"""Pictures of the page as data: what is where, and what a reader is told who points at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A label with its unit; `ticks` where not every number is one; `write` says a number shortly."""

    label: str
    write: Callable[[float], str]
    log: bool = False
    ticks: Sequence[tuple[float, str]] | None = None


@dataclass(frozen=True)
class Point:
    """A value and what it says in words. Without `x` or `y` it is a point that failed, and stands at that axis."""

    x: float | None
    y: float | None
    says: str
    spread: tuple[float, float] | None = None  # the ends of its middle half, along the axis that was measured


@dataclass(frozen=True)
class Series:
    """Points of one kind. `colour` and `mark` are numbers, `pale` is from 0 to 1."""

    name: str
    points: Sequence[Point]
    colour: int
    mark: int = 0
    pale: float = 0.0
    joined: bool = True
    dashed: bool = False
    note: str = ""  # for the legend, such as the slope


@dataclass(frozen=True)
class Chart:
    """Series in a frame. `heading` and `title` say which charts of two sweeps belong together."""

    heading: str
    title: str
    alt: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    across: bool = False  # whether x is what was measured: then the spread lies along it
    height: int = 250  # of the frame


@dataclass(frozen=True)
class Square:
    """A field of a map: its value, None where there is none; what stands in it, in small; what it says in words."""

    value: float | None
    text: str
    small: Sequence[str]
    says: str


@dataclass(frozen=True)
class Map:
    """A value for each pair of two keys, as colour and as number."""

    heading: str
    title: str
    alt: str
    down: str
    across: str
    rows: Sequence[str]
    columns: Sequence[str]
    squares: Sequence[Sequence[Square]]
    note: str = ""


Picture = Chart | Map
