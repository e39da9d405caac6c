"""Which points of the speed gap are drawn together, and the lines and fields that they form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prograd_experiments.rows import Row, apart, further, further_text, having, varying
from prograd_experiments.timed import machine_text

POINT = ("depth", "width", "data", "network", "activation", "loss", "batch", "dtype", "threads", "machine", "seed")
"""The experiment's own columns that tell points apart."""

MODES = ("forward", "reverse")
Number = float
SURE, FLAT = 3, 0.1
"""A slope is told if it is this many times its error, or if its error is no more than this."""

UNITS = {"depth": "affine layers", "width": "outputs of a layer"}


@dataclass(frozen=True)
class Group:
    """Rows that differ only in the two `axes`, by default depth and width.

    `named` are the other keys of the configuration that tell groups apart.
    """

    rows: list[Row]
    axes: tuple[str, str] = ("depth", "width")
    named: Sequence[str] = ()

    @cached_property
    def measured(self) -> list[Row]:
        """The rows with times."""
        return [row for row in self.rows if row["status"] == "complete"]

    @property
    def setting(self) -> str:
        """What the rows have in common, in words."""
        row = self.rows[0]
        samples = "one sample" if row["batch"] == 1 else f"{row['batch']} samples"
        threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
        loss = str(row["loss"]).replace("_", " ")
        told = further([row])
        repeated = None if {"network.layer", "network.layer.name"} & told.keys() else row["repeated"]
        of = "" if repeated is None else f" of {repeated}"
        network = "" if row["network"] == "mlp" and not of else f"{row['network']}{of}, "
        what = f"{row['data']}, {network}{samples}, {row['activation']}, {loss}"
        named = further_text(row, [key for key in told if key not in self.named])
        return f"{what}, {row['dtype']}, {threads}{machine_text(row)}{named}"

    @property
    def varying(self) -> list[str]:
        """The axes along which there are several values."""
        return [key for key in self.axes if len(self.values(key)) > 1]

    def name(self, key: str) -> str:
        """The name of an axis."""
        return further(self.rows).get(key, key)

    def other(self, key: str) -> str:
        """The other axis."""
        first, second = self.axes
        return second if key == first else first

    def values(self, key: str) -> list[Number | None]:
        """The values along an axis, such as the depths, in order; None alone if the networks have none."""
        return self._values[key]

    def at(self, first: Number | None, second: Number | None) -> list[Row]:
        """The rows of one point: one, unless a directory holds a point twice."""
        return self._at.get((first, second), [])

    def line(self, column: str, along: str, value: Number | None) -> list[tuple[Number, Row]]:
        """The positions along one axis, at this value of the other, each with its row."""
        found = []
        for position in self.values(along):
            place = (position, value) if along == self.axes[0] else (value, position)
            row = having(self.at(*place), column)
            if row is not None and position is not None:
                found.append((position, row))
        return found

    @cached_property
    def _values(self) -> dict[str, list[Number | None]]:
        values = {key: {row[key] for row in self.rows} - {None} for key in self.axes}
        return {key: sorted(found) or [None] for key, found in values.items()}

    @cached_property
    def _at(self) -> dict[tuple[Number | None, Number | None], list[Row]]:
        first, second = self.axes
        return {(rows[0][first], rows[0][second]): rows for rows in apart(self.rows, self.axes)}


def modes_of(rows: Sequence[Row]) -> list[str]:
    """The modes that some row has a time of: forward and reverse first, the others by name."""
    found = {mode for row in rows for mode in row["modes"]}
    return [*(mode for mode in MODES if mode in found), *sorted(found - set(MODES))]


def place(row: Row) -> str:
    """A point in words: depth and width, or the network if it has neither, and what else varies."""
    sizes = [f"{key} {row[key]}" for key in UNITS if row[key] is not None]
    return ", ".join(sizes or [f"network {row['network']}"]) + further_text(row)


def groups(rows: Sequence[Row]) -> list[Group]:
    """The rows grouped by all but the axes and the seed; a group without times only if there is no other.

    The axes are depth and width. A number that varies takes the place of one that does not.
    """
    varied = varying(rows, [*POINT, *further(rows)])
    numbers = [key for key in varied if key in UNITS or (key in further(rows) and _is_number(rows, key))]
    first, second, *_ = sorted([*numbers, *(key for key in UNITS if key not in numbers)][:2], key=_rank)
    keys = [key for key in varied if key not in {first, second, "seed"}]
    named = [key for key in keys if key in further(rows)]
    every = [Group(members, (first, second), named) for members in apart(rows, keys)]
    return [group for group in every if group.measured] or every[:1]


def _is_number(rows: Sequence[Row], key: str) -> bool:
    return all(isinstance(row[key], (int, float)) for row in rows)


def _rank(key: str) -> int:
    """Depth before width, and both before other keys, which keep their order."""
    return [*UNITS].index(key) if key in UNITS else len(UNITS)


def fitted_slope(x: Sequence[float], y: Sequence[float]) -> float | None:
    """The exponent p of the power law `y = c x^p` that fits best on log axes; None for a single point."""
    if len(set(x)) < 2:
        return None
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def slope_error(x: Sequence[float], y: Sequence[float], ends: Sequence[tuple[float, float]]) -> float:
    """What the slope may be off to either side: by the spreads of the points, or by how far they are from the line."""
    at, values = np.log(x) - np.mean(np.log(x)), np.log(y)
    weights = at / (at @ at)
    half = np.array([(np.log(high) - np.log(low)) / 2 for low, high in ends])
    left = values - np.mean(values) - at * (weights @ values)
    scatter = np.sqrt(left @ left / (len(x) - 2) / (at @ at)) if len(x) > 2 else 0.0
    return float(max(np.linalg.norm(weights * half), scatter))


def slope_text(x: Sequence[float], y: Sequence[float], ends: Sequence[tuple[float, float]]) -> str:
    """The slope for a legend, with its error; empty if the spreads, which have these ends, do not bear a slope."""
    slope = fitted_slope(x, y)
    if slope is None:
        return ""
    error = slope_error(x, y, ends)
    return f"slope {slope:.2f} ± {error:.2f}" if error <= max(abs(slope) / SURE, FLAT) else ""
