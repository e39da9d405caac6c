"""Which points of the bracketing experiment are drawn together, and the lines that they form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prograd_experiments.rows import Row, apart, in_the_middle, varying

POINT = ("width", "bottleneck", "depth", "outputs", "wrt", "batch", "activation", "network", "dtype", "threads", "seed")
"""The columns that tell points apart."""

MOST_GROUPS = 4
MOST_WIDTHS = 4


@dataclass(frozen=True)
class Group:
    """Rows that differ only in width, bottleneck and seed."""

    rows: Sequence[Row]

    @property
    def setting(self) -> str:
        """What the rows have in common, in words."""
        row = self.rows[0]
        what = "gradient" if row["outputs"] == "gradient" else f"Jacobian by the {row['wrt']}"
        samples = "one sample" if row["batch"] == 1 else f"{row['batch']} samples"
        threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
        network = f"{row['network']} of {row['depth']} layers, {row['activation']}"
        return f"{what}, {network}, {samples}, {row['dtype']}, {threads}"

    @property
    def widths(self) -> list[int]:
        """In order."""
        return sorted({row["width"] for row in self.rows})

    @property
    def bottlenecks(self) -> list[int]:
        """In order; a network without a bottleneck counts with its width."""
        return sorted({row["bottleneck"] or row["width"] for row in self.rows})

    def line(self, width: int, key: str) -> list[tuple[int, Row]]:
        """Each bottleneck at this width that has the value, with the median row of its seeds."""
        found = []
        for bottleneck in self.bottlenecks:
            at = [row for row in self.rows if (row["width"], row["bottleneck"] or row["width"]) == (width, bottleneck)]
            row = in_the_middle(at, key)
            if row is not None:
                found.append((bottleneck, row))
        return found


def groups(rows: Sequence[Row]) -> list[Group]:
    """The rows grouped by all but width, bottleneck and seed; a group without times only if there is no other."""
    keys = [key for key in varying(rows, POINT[2:]) if key != "seed"]
    every = [Group(members) for members in apart(rows, keys)]
    return [group for group in every if any(row["chosen"] for row in group.rows)] or every[:1]
