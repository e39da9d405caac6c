"""Compares sweeps: which points are the same, and the ratios of the later sweeps to the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from prograd.units import factor
from prograd_experiments import seeds
from prograd_experiments.config import identity
from prograd_experiments.errors import RecordError
from prograd_experiments.experiment import Experiment
from prograd_experiments.gather import Gathered
from prograd_experiments.records import Record
from prograd_experiments.report.facts import flat
from prograd_experiments.rows import NO_VALUE, Cell, Row, Table, ratio_cell, table


@dataclass(frozen=True)
class Ratios:
    """One sweep over the first: a column for each name, and the ratio in each line where both have values."""

    over: str
    names: Sequence[str]
    cells: Sequence[Sequence[Cell]]

    def summed_up(self) -> list[str]:
        """Each column in a sentence."""
        sentences = []
        for number, name in enumerate(self.names):
            values = [value for cells in self.cells if isinstance(value := cells[number].value, float)]
            if not values:
                continue
            points = f"{len(values)} points" if len(values) > 1 else "one point"
            ends = f" (from {factor(min(values))} to {factor(max(values))})" if len(values) > 1 else ""
            sentences.append(f"{name}: {factor(median(values))} in the median over {points}{ends}.")
        return sentences


@dataclass(frozen=True)
class Comparison:
    """The sweeps with their letters, names, tables and ratios.

    Each of `lines` is a point: the number of its row in each sweep, None in a sweep that lacks the point.
    """

    sweeps: Sequence[Gathered]
    letters: Sequence[str]
    names: Sequence[str]
    tables: Sequence[Table]
    lines: Sequence[Sequence[int | None]]
    ratios: Sequence[Ratios]

    @property
    def experiment(self) -> Experiment:
        """The experiment of all sweeps."""
        return self.sweeps[0].experiment

    def label(self, number: int) -> str:
        """A sweep's letter and name."""
        return f"{self.letters[number]}: {self.names[number]}"


def compare(sweeps: Sequence[Gathered]) -> Comparison:
    """Aligns sweeps point by point, and compares the others with the first.

    Points are the same if they agree in everything that varies within some sweep. What only tells whole sweeps apart
    (threads in one but not in the other, other code) may differ. Raises `RecordError` for different experiments.
    """
    experiment, letters = sweeps[0].experiment, [_letter(number) for number in range(len(sweeps))]
    for sweep in sweeps[1:]:
        if sweep.experiment is not experiment:
            raise RecordError(
                f"{sweep.directory}: expected records of {experiment.name}, as in {sweeps[0].directory}, got records "
                f"of {sweep.experiment.name}"
            )
    names = _names([sweep.directory for sweep in sweeps])
    if len(sweeps) == 1:
        lines: list[list[int | None]] = [[number] for number in range(len(sweeps[0].rows))]
        return Comparison(sweeps, letters, names, [sweeps[0].table], lines, [])
    lines = _lines(experiment, sweeps)
    ratios = [
        _ratios(
            f"{letters[number]} / {letters[0]}", sweeps[number], sweeps[0], [(line[number], line[0]) for line in lines]
        )
        for number in range(1, len(sweeps))
    ]
    return Comparison(sweeps, letters, names, _tables(experiment, sweeps), lines, ratios)


def ratio(new: Sequence[float], old: Sequence[float]) -> Cell:
    """The median of the ratios of every value of `new` to every value of `old`, ± half their interquartile range."""
    low, middle, high = np.quantile(np.divide.outer(np.asarray(new), np.asarray(old)), [0.25, 0.5, 0.75])
    return ratio_cell(float(middle), float(high - low) / 2 if len(new) * len(old) > 1 else None)


def _tables(experiment: Experiment, sweeps: Sequence[Gathered]) -> list[Table]:
    """The tables of all sweeps with the same columns."""
    columns = experiment.columns([record for sweep in sweeps for record in sweep.records])
    rows = [row for sweep in sweeps for row in sweep.rows_in(columns)]
    columns = [*columns, *seeds.further(columns, rows)]
    whole, ends = table(columns, rows), np.cumsum([len(sweep.rows) for sweep in sweeps])
    return [
        Table(whole.point, whole.results, whole.lines[end - len(sweep.rows) : end])
        for sweep, end in zip(sweeps, ends, strict=True)
    ]


def _lines(experiment: Experiment, sweeps: Sequence[Gathered]) -> list[list[int | None]]:
    configs = [[_without_seed(records) for records in sweep.by_point] for sweep in sweeps]
    keys = sorted({key for its in configs for key in _varying(its)})
    where: dict[tuple[Any, ...], list[int | None]] = {}
    first: dict[tuple[Any, ...], Row] = {}
    same = [_same(sweep.rows) for sweep in sweeps]
    for number, (sweep, its) in enumerate(zip(sweeps, configs, strict=True)):
        seen: Counter[tuple[Any, ...]] = Counter()
        for place, config in enumerate(its):
            point = tuple(config.get(key) for key in keys)
            seen[point] += 1
            point += (seen[point],)  # a directory above two sweeps may hold a point twice
            where.setdefault(point, [None] * len(sweeps))[number] = place
            # With the first sweep's values, so that what tells whole sweeps apart does not reorder their points.
            in_common = {key: value for key, value in same[0].items() if key in same[number]}
            first.setdefault(point, {**sweep.rows[place], **in_common})
    return [where[point] for point in sorted(where, key=lambda point: experiment.order(first[point]))]


def _without_seed(records: Sequence[Record]) -> dict[str, Any]:
    """The configuration of a point, whose runs differ in the seed alone."""
    config = identity(records[0]["config"])
    return dict(flat({key: value for key, value in config.items() if key != seeds.SEED}))


def _same(rows: Sequence[Row]) -> dict[str, Any]:
    """The values that all rows have in common."""
    first, *others = rows
    return {key: value for key, value in first.items() if all(row.get(key) == value for row in others)}


def _varying(configs: Sequence[Mapping[str, Any]]) -> set[str]:
    keys = {key for config in configs for key in config}
    return {key for key in keys if len({config.get(key) for config in configs}) > 1}


def _ratios(over: str, new: Gathered, old: Gathered, pairs: Sequence[tuple[int | None, int | None]]) -> Ratios:
    compared = [[_pooled(sweep.experiment, records) for records in sweep.by_point] for sweep in (new, old)]
    values: list[tuple[Mapping[str, Sequence[float]], Mapping[str, Sequence[float]]]] = [
        ({}, {}) if i is None or j is None else (compared[0][i], compared[1][j]) for i, j in pairs
    ]
    names = list(dict.fromkeys(name for a, b in values for name in a if name in b))
    cells = [[ratio(a[name], b[name]) if name in a and name in b else NO_VALUE for name in names] for a, b in values]
    return Ratios(over, names, cells)


def _pooled(experiment: Experiment, records: Sequence[Record]) -> dict[str, list[float]]:
    """The values of all seeds of a point, by heading."""
    found: dict[str, list[float]] = {}
    for record in records:
        for name, values in experiment.compared(record).items():
            found.setdefault(name, []).extend(values)
    return found


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else f"S{number + 1}"


def _names(directories: Sequence[Path]) -> list[str]:
    """The end of each path, as long as it takes to tell them apart."""
    parts = [directory.resolve().parts for directory in directories]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(set(parts)):
            return names
    return [str(directory) for directory in directories]
