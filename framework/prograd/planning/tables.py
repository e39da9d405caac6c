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

    Below the grid the seconds are those of its edge; beyond, they grow as the size does.
    """

    axes: tuple[tuple[float, ...], ...]
    seconds: tuple[float, ...]

    def at(self, *sizes: float) -> float:
        """The seconds for these sizes."""
        factor, corners = 1.0, [(0, 1.0)]
        for axis, size in zip(self.axes, sizes, strict=True):
            last = len(axis) - 1
            factor *= max(1.0, size / axis[last])
            k = min(bisect_right(axis, size), last)
            low = axis[max(k - 1, 0)]
            part = min(max((size - low) / (axis[k] - low), 0.0), 1.0) if k else 0.0
            ends = ((max(k - 1, 0), 1 - part), (k, part))
            corners = [
                (at * (last + 1) + end, share * weight) for at, share in corners for end, weight in ends if weight
            ]
        return factor * sum(self.seconds[at] * share for at, share in corners)

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


def positive(value: object) -> bool:
    """Whether a value of a file is a positive number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _numbers(values: object) -> bool:
    return isinstance(values, (list, tuple)) and bool(values) and all(map(positive, values))
