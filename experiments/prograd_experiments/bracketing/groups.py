"""Which points of the bracketing experiment are drawn together, and the lines that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prograd_experiments.bracketing import summary
from prograd_experiments.experiment import Row
from prograd_experiments.speed_gap.groups import apart, in_the_middle

MOST_GROUPS = 4
MOST_WIDTHS = 4


@dataclass(frozen=True)
class Group:
    """Rows that differ in width, bottleneck and seed alone."""

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
        """In order."""
        return sorted({row["bottleneck"] or row["width"] for row in self.rows})

    def line(self, width: int, key: str) -> list[tuple[int, Row]]:
        """Each bottleneck at this width that has the value, and of its seeds the row in the middle."""
        found = []
        for bottleneck in self.bottlenecks:
            at = [row for row in self.rows if (row["width"], row["bottleneck"] or row["width"]) == (width, bottleneck)]
            row = in_the_middle(at, key)
            if row is not None:
                found.append((bottleneck, row))
        return found


def groups(rows: Sequence[Row]) -> list[Group]:
    """The rows by everything but width, bottleneck and seed; those with times first."""
    every = [Group(members) for members in apart(rows, summary.varying(rows))]
    return [group for group in every if any(row["chosen"] for row in group.rows)] or every[:1]
