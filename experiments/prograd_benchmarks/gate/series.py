"""What asv wrote down in one turn: a value or samples of each benchmark, for each of its parameters."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from asv.results import Results


@dataclass(frozen=True)
class Series:
    """One benchmark at one point of its parameters, in one turn: no samples where it returned a number."""

    unit: str
    value: float
    samples: tuple[float, ...] = ()

    @classmethod
    def sampled(cls, unit: str, samples: Sequence[float]) -> Series:
        """The value is the median, as it is to asv."""
        return cls(unit, median(samples), tuple(samples))


Turn = dict[str, Series | None]
"""What one turn found, by name: None where the benchmark failed. What skipped itself is not in it."""


def read(directory: Path) -> Turn:
    """The results of one turn, from the folder that asv filled; empty if it wrote none."""
    listed = directory / "benchmarks.json"
    if not listed.exists():
        return {}
    units = {name: known["unit"] for name, known in json.loads(listed.read_text()).items() if isinstance(known, dict)}
    turn: Turn = {}
    for path in sorted(directory.glob("*/*.json")):
        if path.name != "machine.json":
            turn |= _points(Results.load(str(path)), units)
    return turn


def _points(results: Any, units: dict[str, str]) -> Iterator[tuple[str, Series | None]]:
    for benchmark in results.get_all_result_keys():
        params = results.get_result_params(benchmark)
        points = [f"{benchmark}({', '.join(point)})" for point in itertools.product(*params)] if params else [benchmark]
        values = results.get_result_value(benchmark, params)
        samples = results.get_result_samples(benchmark, params)
        for point, value, drawn in zip(points, values, samples, strict=True):
            if value is None:
                yield point, None
            elif not math.isnan(value):  # asv's sign for what was skipped, or not selected
                yield point, Series(units[benchmark], value, tuple(drawn or ()))
