"""Numbers as people read them: three digits, and a unit that fits."""

from __future__ import annotations

import math
import re

_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_COUNTS = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, ""))


def seconds(value: float, *, like: float | None = None) -> str:
    """`0.00213` -> `2.13 ms`; with `like`, in the unit and to the decimals that `like` would get, without the unit."""
    scale, unit = _scale(value if like is None else like, _SECONDS)
    if like is None:
        return f"{three(value / scale)} {unit}"
    decimals = len(three(like / scale).partition(".")[2])
    return f"{value / scale:.{decimals}f}"


def short_seconds(value: float) -> str:
    """`0.0020` -> `2 ms`, for the ticks of an axis."""
    return re.sub(r"\.0+(?= )", "", seconds(value))


def count(value: float) -> str:
    """`1234567` -> `1.23 M`."""
    scale, unit = _scale(value, _COUNTS)
    return f"{three(value / scale)}{unit}" if scale > 1 else f"{value:g}"


def counted(number: int, what: str) -> str:
    """`3` and `row` -> `3 rows`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def factor(value: float) -> str:
    """`12.345` -> `12.3×`."""
    return f"{three(value)}×"


def short_factor(value: float) -> str:
    """`2.00` -> `2×`, for the ticks of an axis."""
    return f"{value:.3g}×"


def three(value: float) -> str:
    """Three significant digits, never an exponent: `0.123`, `1.23`, `12.3`, `123`, `1234`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    # Of the rounded value: 0.9996 is 1.00, not 1.000.
    exponent = int(f"{value:.2e}".partition("e")[2])
    return f"{value:.{max(0, 2 - exponent)}f}"


def _scale(value: float, units: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    # Half a unit in the last digit, so that 999.9 µs is 1.00 ms and not 1000 µs.
    for scale, unit in units:
        if abs(value) >= 0.9995 * scale:
            return scale, unit
    return units[-1]
