"""Runs that differ in the seed alone are one point: each result's mean over the seeds, its spread, their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, mode, stdev
from typing import Any

from prograd_experiments.config import Config, config_hash
from prograd_experiments.rows import DEVIATIONS, SEEDS, Cell, Column, Row

SEED = "seed"


def members(configs: Sequence[Config]) -> list[list[int]]:
    """The numbers of the configurations that differ in the seed alone, together; a seed that is there again, apart."""
    found: dict[tuple[str, int], list[int]] = {}
    seen: Counter[str] = Counter()
    for number, config in enumerate(configs):
        whole = config_hash(config)
        seen[whole] += 1
        rest = config_hash({key: value for key, value in config.items() if key != SEED})
        found.setdefault((rest, seen[whole]), []).append(number)
    return list(found.values())


def point(columns: Sequence[Column], runs: Sequence[Row]) -> Row:
    """The row of a point from those of its runs: that of the only one, or means over the runs that are complete."""
    first, *others = runs
    if not others:
        return {**first, SEEDS: 1}
    complete = [row for row in runs if row["status"] == "complete"]
    used = complete or runs
    row = {column.key: _merged(column, used) for column in columns if not column.ends}
    deviations = {
        column.key: stdev(values)
        for column in columns
        if column.key not in NOT_MEASURED and len(values := _numbers(row[column.key] for row in used)) == len(used)
    }
    row |= {column.key: _ends(column.ends, row, deviations, used) for column in columns if column.ends}
    row |= {key: _joined(each[key] for each in runs) for key in JOINED if key in row}
    row["status"] = complete[0]["status"] if complete else max((each["status"] for each in runs), key=_WORST.index)
    return {**row, SEEDS: len(complete), RUNS: len(runs), DEVIATIONS: deviations if len(complete) > 1 else {}}


def further(columns: Sequence[Column], rows: Sequence[Row]) -> list[Column]:
    """The columns that points of several runs need: how many there are, and the deviations of what the table shows."""
    if not any(RUNS in row for row in rows):
        return []
    shown = [column for column in columns if column.heading and not column.point]
    varied = {key for row in rows for key in row.get(DEVIATIONS, ())}
    return [
        Column(SEEDS, _nothing, "seeds", _number, of_any_job=True, csv="last"),
        *(Column(f"{column.key}_sd", _nothing, csv="last") for column in shown if column.key in varied),
    ]


def completed(row: Row) -> Row:
    """The row with a value for each column of `further`."""
    return {**row, **{f"{key}_sd": value for key, value in row.get(DEVIATIONS, {}).items()}}


RUNS = "runs"
NOT_MEASURED = ("timings", "config_hash", "directory", SEED)
JOINED = (SEED, "config_hash", "directory", "error")
"""What a point has of each run, in one text."""

_WORST = ("complete", "running", "failed")


def _nothing(_: object) -> None:
    return None


def _number(row: Row) -> Cell:
    complete, runs = row[SEEDS], row.get(RUNS, 1)
    return Cell(str(complete) if complete == runs else f"{complete} of {runs}", float(complete))


def _merged(column: Column, runs: Sequence[Row]) -> Any:
    values = [row[column.key] for row in runs]
    if column.merge is not None:
        return column.merge(values)
    first, *others = values
    if all(value == first for value in others):
        return first
    numbers = _numbers(values)
    if numbers and len(numbers) == sum(value is not None for value in values):
        return fmean(numbers)
    return mode(values) if all(isinstance(value, str) for value in values) else first


def _numbers(values: Iterable[Any]) -> list[float]:
    return [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]


def _ends(
    key: str, row: Mapping[str, Any], deviations: Mapping[str, float], runs: Sequence[Row]
) -> tuple[float, float] | None:
    """The mean and a deviation to either side; a value that is never negative does not get there by it."""
    middle = row[key]
    if middle is None or key not in deviations:
        return None
    low = middle - deviations[key]
    return (low if low > 0 else min(each[key] for each in runs)), middle + deviations[key]


def _joined(values: Iterable[Any]) -> Any:
    found = list(dict.fromkeys(value for value in values if value is not None))
    if len(found) < 2:
        return found[0] if found else None
    return (
        " ".join(map(str, found))
        if all(not isinstance(value, str) or " " not in value for value in found)
        else ("; ".join(map(str, found)))
    )
