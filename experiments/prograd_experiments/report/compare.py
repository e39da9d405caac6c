"""Sweeps beside each other: which points are the same, and how the later sweeps compare with the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from prograd_experiments import tables
from prograd_experiments.errors import RecordError
from prograd_experiments.experiment import Experiment, Row
from prograd_experiments.gather import Gathered
from prograd_experiments.records import Record
from prograd_experiments.report.facts import flat
from prograd_experiments.tables import NO_VALUE, Cell, Table
from prograd_experiments.units import factor

Line = Sequence[int | None]
"""The number of a point's row in each sweep; None where a sweep lacks the point."""


@dataclass(frozen=True)
class Ratios:
    """One sweep over the first: a column of the table for each name, and the ratio in each line that has both."""

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
    """The sweeps with their letters and names, their tables, the lines in which their points meet, and the ratios."""

    sweeps: Sequence[Gathered]
    letters: Sequence[str]
    names: Sequence[str]
    tables: Sequence[Table]
    lines: Sequence[Line]
    ratios: Sequence[Ratios]

    @property
    def experiment(self) -> Experiment:
        """The one experiment that all sweeps are of."""
        return self.sweeps[0].experiment

    def label(self, number: int) -> str:
        """A sweep's letter and name."""
        return f"{self.letters[number]}: {self.names[number]}"


def compare(sweeps: Sequence[Gathered]) -> Comparison:
    """Lays sweeps beside each other, the first as what the others are compared with.

    Points are the same where everything is that varies within some sweep; what only tells whole sweeps apart (threads
    in one and not in the other, other code) may differ. Raises `RecordError` for sweeps of different experiments.
    """
    experiment = sweeps[0].experiment
    for sweep in sweeps[1:]:
        if sweep.experiment is not experiment:
            raise RecordError(
                f"{sweep.directory}: records of {sweep.experiment.name}, and those in {sweeps[0].directory} are of "
                f"{experiment.name}; one page compares sweeps of one experiment"
            )
    # Of all rows at once, so that every sweep has the same columns.
    whole = experiment.table([row for sweep in sweeps for row in sweep.rows])
    parts, start = [], 0
    for sweep in sweeps:
        parts.append(Table(whole.point, whole.results, whole.lines[start : start + len(sweep.rows)]))
        start += len(sweep.rows)
    lines = _lines(experiment, sweeps)
    letters = [chr(ord("A") + number) if number < 26 else f"S{number + 1}" for number in range(len(sweeps))]
    ratios = [
        _ratios(experiment, f"{letters[number]} / {letters[0]}", [(line[number], line[0]) for line in lines], pair)
        for number, pair in enumerate([(sweep.records, sweeps[0].records) for sweep in sweeps])
        if number > 0
    ]
    return Comparison(sweeps, letters, _names([sweep.directory for sweep in sweeps]), parts, lines, ratios)


def ratio(new: Sequence[float], old: Sequence[float]) -> Cell:
    """The median of the ratios of every sample of `new` to every sample of `old`, ± half their interquartile range."""
    low, median, high = np.quantile(np.divide.outer(np.asarray(new), np.asarray(old)), [0.25, 0.5, 0.75])
    return tables.ratio(float(median), float(high - low) if len(new) * len(old) > 1 else None)


def _lines(experiment: Experiment, sweeps: Sequence[Gathered]) -> list[Line]:
    if len(sweeps) == 1:
        return [(number,) for number in range(len(sweeps[0].rows))]
    configs = [[dict(flat(record["config"])) for record in sweep.records] for sweep in sweeps]
    keys = sorted({key for of in configs for key in _varying(of)})
    where: dict[tuple[Any, ...], list[int | None]] = {}
    first: dict[tuple[Any, ...], Row] = {}
    same = [_same(sweep.rows) for sweep in sweeps]
    for number, (sweep, of) in enumerate(zip(sweeps, configs, strict=True)):
        seen: Counter[tuple[Any, ...]] = Counter()
        for place, config in enumerate(of):
            point = tuple(config.get(key) for key in keys)
            seen[point] += 1
            point += (seen[point],)  # a directory above two sweeps may hold a point twice
            where.setdefault(point, [None] * len(sweeps))[number] = place
            # In the words of the first sweep, so that what tells whole sweeps apart does not tell their lines apart.
            in_common = {key: value for key, value in same[0].items() if key in same[number]}
            first.setdefault(point, {**sweep.rows[place], **in_common})
    return [where[point] for point in sorted(where, key=lambda point: experiment.order(first[point]))]


def _same(rows: Sequence[Row]) -> dict[str, Any]:
    """What all rows agree in."""
    first, *others = rows
    return {key: value for key, value in first.items() if all(row.get(key) == value for row in others)}


def _varying(configs: Sequence[dict[str, Any]]) -> set[str]:
    keys = {key for config in configs for key in config}
    return {key for key in keys if len({config.get(key) for config in configs}) > 1}


def _ratios(
    experiment: Experiment,
    over: str,
    pairs: Sequence[tuple[int | None, int | None]],
    records: tuple[Sequence[Record], Sequence[Record]],
) -> Ratios:
    new, old = records
    samples = [
        ({}, {}) if i is None or j is None else (experiment.samples(new[i]), experiment.samples(old[j]))
        for i, j in pairs
    ]
    names = list(dict.fromkeys(name for a, b in samples for name in a if name in b))
    cells = [[ratio(a[name], b[name]) if name in a and name in b else NO_VALUE for name in names] for a, b in samples]
    return Ratios(over, names, cells)


def _names(directories: Sequence[Path]) -> list[str]:
    """The end of each path, as long as it takes to tell them apart."""
    parts = [directory.resolve().parts for directory in directories]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(of[-length:]) for of in parts]
        if len(set(names)) == len(set(parts)):
            return names
    return [str(directory) for directory in directories]
