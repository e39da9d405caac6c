"""The table of results that people read: in the terminal as text, in the page sortable and beside other sweeps'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prograd_experiments.units import factor, seconds, three

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands there, and what it is sorted by: None where there is no value, which comes last."""

    text: str
    value: float | str | None = None


NO_VALUE = Cell(NOTHING)


@dataclass(frozen=True)
class Table:
    """Headings of what tells points apart, headings of what was found there, and a line of cells for each row."""

    point: Sequence[str]
    results: Sequence[str]
    lines: Sequence[Sequence[Cell]]

    def texts(self) -> list[list[str]]:
        """The headings, then each line."""
        return [[*self.point, *self.results], *([cell.text for cell in line] for line in self.lines)]


def plain(value: float | str | None, empty: str = NOTHING) -> Cell:
    """A count or a name as it is."""
    return Cell(empty if value is None else str(value), value)


def time(middle: float | None, spread: float | None) -> Cell:
    """`2.13 ms ± 0.04`: the median, and half the interquartile range."""
    if middle is None or spread is None:
        return NO_VALUE
    return Cell(f"{seconds(middle)} ± {seconds(spread / 2, like=middle)}", middle)


def ratio(middle: float | None, spread: float | None) -> Cell:
    """`12.3× ± 0.4`: the median, and half the interquartile range where there is one."""
    if middle is None:
        return NO_VALUE
    text = factor(middle)
    if spread is not None:
        decimals = len(three(middle).partition(".")[2])
        text += f" ± {spread / 2:.{decimals}f}"
    return Cell(text, middle)


def unfinished(word: str, results: int) -> list[Cell]:
    """The results of a job that has none: a word for why, then nothing."""
    return [Cell(word), *[NO_VALUE] * (results - 1)]


STATUS_WORDS = {"failed": "failed", "running": "not finished"}
"""How people are told of the status of a record that is not complete."""


def ended(row: Mapping[str, Any]) -> str:
    """How the job of a row ended, with the error if there was one."""
    return STATUS_WORDS[row["status"]] + (f", {row['error']}" if row["error"] else "")
