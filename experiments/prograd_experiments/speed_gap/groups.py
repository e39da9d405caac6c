"""Which points of the speed gap are drawn together, and the lines and fields that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prograd_experiments.experiment import Row
from prograd_experiments.speed_gap import summary

UNITS = {"depth": "affine layers", "width": "outputs of a layer"}


@dataclass(frozen=True)
class Group:
    """Rows that differ in depth, width and seed alone."""

    rows: list[Row]

    @cached_property
    def measured(self) -> list[Row]:
        """The rows that have times."""
        return [row for row in self.rows if row["status"] == "complete"]

    @property
    def setting(self) -> str:
        """What the rows have in common, in words."""
        row = self.rows[0]
        samples = "one sample" if row["batch"] == 1 else f"{row['batch']} samples"
        threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
        loss = str(row["loss"]).replace("_", " ")
        network = "" if row["network"] == "mlp" else f"{row['network']}, "
        return f"{row['data']}, {network}{samples}, {row['activation']}, {loss}, {row['dtype']}, {threads}"

    def values(self, key: str) -> list[int | None]:
        """The depths, or the widths, in order; None alone where the network has neither."""
        return self._values[key]

    def at(self, depth: int | None, width: int | None) -> list[Row]:
        """The rows of one point, a row for each seed."""
        return self._at.get((depth, width), [])

    def line(self, column: str, along: str, value: int | None) -> list[tuple[int, Row]]:
        """The positions along one key, at this value of the other, and the row in the middle of each one's seeds."""
        found = []
        for position in self.values(along):
            row = in_the_middle(self.at(position, value) if along == "depth" else self.at(value, position), column)
            if row is not None and position is not None:
                found.append((position, row))
        return found

    @cached_property
    def _values(self) -> dict[str, list[int | None]]:
        values = {key: {row[key] for row in self.rows} - {None} for key in UNITS}
        return {key: sorted(found) or [None] for key, found in values.items()}

    @cached_property
    def _at(self) -> dict[tuple[int | None, int | None], list[Row]]:
        found: dict[tuple[int | None, int | None], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row["depth"], row["width"]), []).append(row)
        return found


def groups(rows: Sequence[Row]) -> list[Group]:
    """The rows by everything but depth, width and seed; groups without any time only where there are no others."""
    every = [Group(members) for members in apart(rows, summary.varying(rows))]
    return [group for group in every if group.measured] or every[:1]


def apart(rows: Sequence[Row], keys: Sequence[str]) -> list[list[Row]]:
    """The rows by their values of these keys, but not by seed."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys if key != "seed"), []).append(row)
    return list(found.values())


def in_the_middle(rows: Sequence[Row], key: str) -> Row | None:
    """Of the rows of one point the one with the median; of an even number the lower one, so that it is a real run."""
    having = sorted((row for row in rows if row.get(key) is not None), key=lambda row: float(row[key]))
    return having[(len(having) - 1) // 2] if having else None


def fitted_slope(x: Sequence[float], y: Sequence[float]) -> float | None:
    """The exponent p of the power law `y = c x^p` that fits best on log axes; None for a single point."""
    if len(set(x)) < 2:
        return None
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def slope_text(x: Sequence[float], y: Sequence[float]) -> str:
    """The slope as a legend says it."""
    slope = fitted_slope(x, y)
    return "" if slope is None else f"slope {slope:.2f}"
