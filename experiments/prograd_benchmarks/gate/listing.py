"""What a suite lists, before anything is measured: which units lack a control, and which benchmarks went away."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prograd_benchmarks.gate.decision import LIMITS, is_control

FILE = "benchmarks.json"
CONTROLS = r"^control\."


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as asv describes it; `names` has one entry for each set of parameters."""

    name: str
    unit: str
    names: tuple[str, ...]
    code: str

    def same_but_for_the_name(self, other: Benchmark) -> bool:
        """Whether two benchmarks have the same code, unit and parameters."""
        return self._without_names() == other._without_names()

    def _without_names(self) -> tuple[str, str, tuple[str, ...]]:
        own = "|".join(rf"\b{re.escape(part)}\b" for part in self.name.split(".")[-2:])
        parameters = tuple(name.removeprefix(self.name) for name in self.names)
        return re.sub(own, "_", self.code), self.unit, parameters


Listing = Mapping[str, Benchmark]
"""The benchmarks of a suite by name."""


def read(results: Path) -> Listing:
    """The suite that asv listed in a folder of results; empty if it listed none."""
    path = results / FILE
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return {
        name: Benchmark(name, one["unit"], tuple(parametrized(name, one["params"])), one["code"])
        for name, one in known.items()
        if isinstance(one, dict)
    }


def parametrized(name: str, params: Sequence[Sequence[str]]) -> Iterator[str]:
    """The name in asv of a benchmark with each set of its parameters."""
    return (f"{name}({', '.join(each)})" for each in itertools.product(*params)) if params else iter([name])


def selected(listing: Listing, patterns: Collection[str]) -> list[str]:
    """The names that match any of the patterns, as asv selects them; all names if there are no patterns."""
    names = [name for benchmark in listing.values() for name in benchmark.names]
    return [name for name in names if not patterns or any(re.search(pattern, name) for pattern in patterns)]


def uncontrolled(listing: Listing, names: Collection[str]) -> dict[str, list[str]]:
    """For each unit that has noise and no control in the suite: the benchmarks among `names` that need one."""
    controlled = {benchmark.unit for benchmark in listing.values() if is_control(benchmark.name)}
    lacking: dict[str, list[str]] = {}
    for benchmark in listing.values():
        if benchmark.unit in LIMITS and benchmark.unit not in controlled and not set(names).isdisjoint(benchmark.names):
            lacking.setdefault(benchmark.unit, []).append(benchmark.name)
    misplaced = tuple(f"{name}." for name in misplaced_controls(listing))
    others = {unit: [name for name in those if not name.startswith(misplaced)] for unit, those in lacking.items()}
    return {unit: those for unit, those in others.items() if those} or lacking


def misplaced_controls(listing: Listing) -> list[str]:
    """Benchmarks that are called controls and are not in the module `control`, without the last part of their names."""
    found = (name.rpartition(".")[0] for name in listing if not is_control(name) and "control" in name.lower())
    return list(dict.fromkeys(found))


def renamed(old: Listing, new: Listing) -> dict[str, str]:
    """Benchmarks of `old` that `new` lacks -> those that only `new` has and that do the same."""
    added = [benchmark for name, benchmark in new.items() if name not in old]
    found: dict[str, str] = {}
    for benchmark in (benchmark for name, benchmark in old.items() if name not in new):
        same = next((other for other in added if benchmark.same_but_for_the_name(other)), None)
        if same is not None:
            added.remove(same)
            found[benchmark.name] = same.name
    return found


def removed(old: Listing, new: Listing, patterns: Collection[str]) -> list[str]:
    """What `old` would have measured and `new` does not: a benchmark, or sets of parameters of one that stays."""
    same, here = renamed(old, new), set(selected(new, ()))
    gone: dict[str, list[str]] = {}
    for benchmark in old.values():
        if benchmark.name not in same:
            lost = [name for name in selected({"": benchmark}, patterns) if name not in here]
            if lost:
                gone[benchmark.name] = lost
    return [line for name, lost in gone.items() for line in (lost if name in new else [name])]
