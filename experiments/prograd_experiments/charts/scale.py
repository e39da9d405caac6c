"""From values to places along an axis: linear or logarithmic, with round numbers as ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prograd_experiments.charts import Axis, Chart, Datum, Guide, Picture

PADDING = 0.05  # of the axis, at either end
MOST_TICKS = 6

LOG_RANGE = 1e-150, 1e150  # beyond it the ratio of two values overflows
LARGEST = 1e300

BETWEEN_LABELS = 0.08  # of the height of a frame, from one guide's label to the next

Ticks = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Scale:
    """Maps the values from `low` to `high` to the places from 0 to 1."""

    low: float
    high: float
    log: bool
    ticks: Ticks

    def __call__(self, value: float) -> float:
        """The place of a value."""
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return (at - low) / (high - low)

    def labels(self, letters: float) -> list[tuple[float, str]]:
        """The ticks whose labels fit side by side; the axis is as long as this number of letters."""
        found, room = [], -math.inf
        for value, text in self.ticks:
            place = self(value) * letters
            if place - len(text) / 2 > room:
                found.append((value, text))
                room = place + len(text) / 2 + 1
        return found


@dataclass(frozen=True)
class Frame:
    """The scales of a chart."""

    x: Scale
    y: Scale

    def place(self, datum: Datum) -> tuple[float, float]:
        """The place of a datum, from the lower left corner; a failed job is at the edge."""
        return 0.0 if datum.x is None else self.x(datum.x), 0.0 if datum.y is None else self.y(datum.y)

    def heights(self, guides: Sequence[Guide]) -> list[float]:
        """The places of the guides' labels along y: where each guide ends, but none on another, nor above the frame."""
        order = sorted(range(len(guides)), key=lambda number: guides[number].end[1])
        room = [BETWEEN_LABELS * number for number in range(len(guides))]
        found, least = [0.0] * len(guides), -math.inf
        for number, below in zip(order, room, strict=True):
            most = 1 - (room[-1] - below)
            found[number] = least = min(max(self.y(guides[number].end[1]), least + BETWEEN_LABELS), most)
        return found


def frame(chart: Chart, companions: Sequence[Picture]) -> Frame:
    """Scales with room for this chart and its companions of the same title, so that equal heights are equal values."""
    charts = [one for one in companions if isinstance(one, Chart) and one.title == chart.title]
    measured = [value for one in charts for value in (*one.measured, *_reference(one), *_guided(one))]
    if chart.across:
        ticks = chart.y.ticks or ()
        return Frame(scale(chart.x, measured), Scale(len(ticks) - 0.5, -0.5, log=False, ticks=ticks))
    x = [datum.x for one in charts for series in one.series for datum in series.data if datum.x is not None]
    ticks = sorted({tick for one in charts for tick in one.x.ticks or ()})
    axis = chart.x if chart.x.ticks is None else Axis(chart.x.label, chart.x.write, chart.x.log, ticks)
    return Frame(scale(axis, x), scale(chart.y, measured))


def scale(axis: Axis, values: Sequence[float]) -> Scale:
    """A scale with room for all values and for the ticks of the axis. Without values it has no ticks."""
    every = [*values, *(value for value, _ in axis.ticks or ())]
    least, most = LOG_RANGE if axis.log else (-LARGEST, LARGEST)
    every = [value for value in every if least <= value <= most]
    if not every:
        return Scale(1.0, 10.0, axis.log, ())
    low, high = min(every), max(every)
    if axis.log:
        room = max((high / low) ** PADDING, 1.15)
        low, high = low / room, high * room
    else:
        room = (high - low) * PADDING or 0.5
        low, high = low - room, high + room
    ticks = axis.ticks or [(value, axis.write(value)) for value in _round_values(low, high, log=axis.log)]
    return Scale(low, high, axis.log, ticks)


def round_logs(low: float, high: float) -> list[float]:
    """1, 2, 5, 10 between the ends where there is room, else 1, 3, 10, else powers of ten, else some of those."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits in ((1, 2, 5), (1, 3), (1,)):
        found = [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in digits]
        found = [value for value in found if low <= value <= high]
        if len(found) <= MOST_TICKS:
            return found
    return found[:: math.ceil(len(found) / MOST_TICKS)]


def round_numbers(low: float, high: float) -> list[float]:
    """Multiples of 1, 2, or 5 times a power of ten between the ends."""
    power = 10.0 ** math.floor(math.log10((high - low) / MOST_TICKS))
    step = next(digit * power for digit in (1, 2, 5, 10) if (high - low) / (digit * power) <= MOST_TICKS)
    found = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [float(f"{number * step:.10g}") for number in found]


def _round_values(low: float, high: float, *, log: bool) -> list[float]:
    logs = round_logs(low, high) if log else []
    return logs if len(logs) > 1 else round_numbers(low, high)


def _guided(chart: Chart) -> list[float]:
    return [y for guide in chart.guides for _, y in (guide.start, guide.end)]


def _reference(chart: Chart) -> Sequence[float]:
    return () if chart.reference is None or not chart.measured else (chart.reference,)
