"""From numbers to places along an axis: linear or logarithmic, with ticks that people would choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prograd_experiments.charts import Axis

PADDING = 0.05  # of the axis' length, at either end
MOST_TICKS = 6


@dataclass(frozen=True)
class Scale:
    """Maps `low … high` to `start … end`."""

    axis: Axis
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        part = (self._along(value) - self._along(self.low)) / (self._along(self.high) - self._along(self.low))
        return self.start + part * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Values with what is written at them: those of the axis, else round numbers."""
        if self.axis.ticks is not None:
            return list(self.axis.ticks)
        values = round_logs(self.low, self.high) if self.axis.log else []
        if len(values) < 2:
            values = round_numbers(self.low, self.high)
        return [(value, self.axis.write(value)) for value in values]

    def _along(self, value: float) -> float:
        return math.log10(value) if self.axis.log else value


def scale(axis: Axis, values: Sequence[float], start: float, end: float) -> Scale:
    """One that has room for all values and for the axis' own ticks."""
    every = [*values, *(value for value, _ in axis.ticks or ())]
    every = [value for value in every if math.isfinite(value) and (value > 0 or not axis.log)]
    low, high = (min(every), max(every)) if every else (1.0, 10.0)
    if axis.log:
        room = max((high / low) ** PADDING, 1.15)
        return Scale(axis, low / room, high * room, start, end)
    room = (high - low) * PADDING or 0.5
    return Scale(axis, low - room, high + room, start, end)


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
