"""A table of seconds by sizes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Self

from prograd.errors import OptionError


@dataclass(frozen=True)
class Table:
    """Seconds on a grid of sizes, those along the last axis next to each other; linear in each size between points.

    Below the grid the seconds are those of its edge. Beyond, they go on linearly; with three axes, where noise would
    count too much, or a single size, they grow as the size does.
    """

    axes: tuple[tuple[float, ...], ...]
    seconds: tuple[float, ...]

    def at(self, *sizes: float) -> float:
        """The seconds for these sizes."""
        factor, corners = 1.0, [(0, 1.0)]
        proportional = len(self.axes) > 2
        for axis, given in zip(self.axes, sizes, strict=True):
            size = min(given, axis[-1]) if proportional or len(axis) == 1 else given
            factor *= given / size if given > size else 1.0
            k = min(max(bisect_right(axis, size), 1), len(axis) - 1)
            part = max((size - axis[k - 1]) / (axis[k] - axis[k - 1]), 0.0) if k else 0.0
            ends = ((max(k - 1, 0), 1 - part), (k, part))
            corners = [
                (at * len(axis) + end, share * weight) for at, share in corners for end, weight in ends if weight
            ]
        return factor * max(sum(self.seconds[at] * share for at, share in corners), min(self.seconds))

    def as_json(self) -> dict[str, Any]:
        """The content of a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, name: str, content: object) -> Self:
        """The table from the content of a file. Raises `OptionError`."""
        if isinstance(content, Mapping):
            axes: Any = content.get("axes")
            seconds: Any = content.get("seconds")
            if isinstance(axes, (list, tuple)) and all(map(_numbers, axes)) and _numbers(seconds):
                growing = all(a < b for axis in axes for a, b in pairwise(axis))
                if growing and math.prod(map(len, axes)) == len(seconds):
                    return cls(tuple(tuple(map(float, axis)) for axis in axes), tuple(map(float, seconds)))
        raise OptionError(f"{name}: expected growing sizes and the seconds for each, got {str(content)[:80]}")


def finite(value: object) -> bool:
    """Whether a value of a file is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def positive(value: Any) -> bool:
    """Whether a value of a file is a positive number."""
    return finite(value) and value > 0


def _numbers(values: object) -> bool:
    return isinstance(values, (list, tuple)) and len(values) > 0 and all(map(positive, values))
