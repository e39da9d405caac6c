"""Which points of the speed gap are drawn together, and the lines and fields that they form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prograd_experiments.rows import Row, apart, in_the_middle, varying
from prograd_experiments.timed import machine_text

POINT = ("depth", "width", "data", "network", "activation", "loss", "batch", "dtype", "threads", "machine", "seed")
"""The columns that tell points apart."""

MODES = ("forward", "reverse")
UNITS = {"depth": "affine layers", "width": "outputs of a layer"}


@dataclass(frozen=True)
class Group:
    """Rows that differ only in depth, width and seed."""

    rows: list[Row]

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
        network = "" if row["network"] == "mlp" else f"{row['network']}, "
        what = f"{row['data']}, {network}{samples}, {row['activation']}, {loss}"
        return f"{what}, {row['dtype']}, {threads}{machine_text(row)}"

    def values(self, key: str) -> list[int | None]:
        """The depths, or the widths, in order; None alone if the network has neither."""
        return self._values[key]

    def at(self, depth: int | None, width: int | None) -> list[Row]:
        """The rows of one point, one for each seed."""
        return self._at.get((depth, width), [])

    def line(self, column: str, along: str, value: int | None) -> list[tuple[int, Row]]:
        """The positions along one key, at this value of the other, each with the median row of its seeds."""
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
        return {(rows[0]["depth"], rows[0]["width"]): rows for rows in apart(self.rows, ("depth", "width"))}


def modes_of(rows: Sequence[Row]) -> list[str]:
    """The modes that some row has a time of: forward and reverse first, the others by name."""
    found = {mode for row in rows for mode in row["modes"]}
    return [*(mode for mode in MODES if mode in found), *sorted(found - set(MODES))]


def groups(rows: Sequence[Row]) -> list[Group]:
    """The rows grouped by all but depth, width and seed; a group without times only if there is no other."""
    keys = [key for key in varying(rows, POINT[2:]) if key != "seed"]
    every = [Group(members) for members in apart(rows, keys)]
    return [group for group in every if group.measured] or every[:1]


def fitted_slope(x: Sequence[float], y: Sequence[float]) -> float | None:
    """The exponent p of the power law `y = c x^p` that fits best on log axes; None for a single point."""
    if len(set(x)) < 2:
        return None
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def slope_text(x: Sequence[float], y: Sequence[float]) -> str:
    """The slope for a legend."""
    slope = fitted_slope(x, y)
    return "" if slope is None else f"slope {slope:.2f}"
