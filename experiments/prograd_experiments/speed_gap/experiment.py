"""The speed gap: what a job measures, and what its rows, its table and its answer say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import prograd
from prograd.errors import NonFiniteError
from prograd.units import seconds, three
from prograd_benchmarks import timing
from prograd_experiments import networks, timed
from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.experiment import Experiment, Progress, Results
from prograd_experiments.records import Record
from prograd_experiments.rows import (
    Column,
    Row,
    apart,
    at,
    choice,
    further,
    plain,
    ratio,
    setting,
    time,
    without_result,
)
from prograd_experiments.speed_gap import theory
from prograd_experiments.speed_gap.groups import MODES, POINT, place
from prograd_experiments.speed_gap.pictures import pictures


class SpeedGap(Experiment):
    """Forward against reverse mode, over depth and width."""

    name = "speed_gap"
    question = "How much slower is forward mode than reverse mode, as depth and width grow?"
    timed = "one gradient"
    how = (
        "Each job builds one network, checks that the modes compute the same gradient up to rounding, and then times "
        "them in turns inside one process, with a fixed number of BLAS threads. A timing repeats the gradient until it "
        "lasts long enough for the clock. Times are medians of the timings, the spread is the interquartile range (the "
        "width of the middle half of the timings), and the gap is the median of the ratios forward / reverse within "
        "each turn. Two predictions stand beside it. The gap in multiply-adds is the ratio of those that each mode "
        "needs: it does not include memory, the overhead of calls, or how well a product uses the processor. The gap "
        "in predicted time is the ratio of the seconds that a plan predicts for each mode before it runs, from the "
        "instructions of its tape and the rates of the machine that measures."
    )
    sorted_by = (*POINT[2:], *POINT[:2])

    def check(self, config: Config) -> Config:
        return timed.check(config)

    def without_effect(self, config: Config) -> Sequence[str]:
        return networks.without_effect(config)

    def predicted_seconds(self, config: Config) -> float:
        problem, modes = networks.build(config), timed.modes_of(config)
        plan = prograd.plan(problem.net, len(problem.x), dtype=problem.w.dtype, modes=modes)
        return timed.predicted_seconds(config, plan.seconds)

    def measure(self, config: Config, directory: Path, *, force: bool, progress: Progress) -> Results:
        """Times are in seconds for one gradient. Raises `AgreementError` before any timing."""
        modes, problem = timed.modes_of(config), networks.build(config)
        objective, w = problem.objective, problem.w
        with timed.conditions(config):
            value = float(objective(w))
            if not np.isfinite(value):
                raise NonFiniteError(f"loss {problem.loss.name}: expected a finite value at the start, got {value}")
            calls = {mode: partial(objective.gradient, w, mode=prograd.mode(mode)) for mode in modes}
            # A plan of one mode never leaves it out for being long.
            plans = [prograd.plan(problem.net, objective.samples, dtype=w.dtype, modes=[mode]) for mode in modes]
            predicted = {plan.mode: plan.seconds[plan.mode] for plan in plans}
            results = timed.measured(config, problem, calls)
        results["problem"]["value"] = value
        multiply_adds = {plan.mode: plan.cost.multiply_adds for plan in plans}
        counted = {"multiply_adds": multiply_adds, "predicted_seconds": predicted}
        return {**results, **counted, **gaps(results["timings"], multiply_adds, predicted)}

    def specification(self, records: Sequence[Record]) -> list[Column]:
        found = {mode for record in records for mode in record.get("median", {})}
        shown = [mode for mode in MODES if mode in found or not found]
        foretold = {mode for record in records for mode in record.get("predicted_seconds", {})}
        beside = foretold if _one_point(records) else set()  # the modes whose predicted time stands in the table, too
        time_gap = "gap: predicted time" if foretold or not found else ""
        return [
            *(setting(key, "always") for key in ("depth", "width")),
            *(choice(key, records=records) for key in ("data", "network", "activation", "loss")),
            replace(setting("batch", read=timed.samples_of), write=lambda row: plain(row["batch"], "all")),
            *(setting(key) for key in ("dtype", "threads", "machine", "seed")),
            *(
                column
                for mode in MODES
                for column in (
                    Column(f"{mode}_s", at(f"median.{mode}"), mode if mode in shown else "", _time(mode)),
                    _predicted(mode, shown=mode in beside),
                )
            ),
            *(column for mode in sorted(found - set(MODES)) for column in _further(mode, predicted=mode in beside)),
            Column("gap", at("gap"), "gap: measured", ratio("gap", "gap_iqr")),
            Column("predicted_time_gap", at("predicted_time_gap"), time_gap, ratio("predicted_time_gap"), csv="last"),
            Column("multiply_adds_gap", at("multiply_adds_gap"), "gap: multiply-adds", ratio("multiply_adds_gap")),
            *(Column(f"{mode}_iqr_s", at(f"spread.{mode}")) for mode in MODES),
            Column("gap_iqr", at("gap_spread")),
            *(Column(f"{mode}_multiply_adds", at(f"multiply_adds.{mode}")) for mode in MODES),
            Column("timings", timed.fewest, "timings", merge=timed.least),
            Column("relative_difference", at("agreement.relative_difference")),
            Column("parameters", at("problem.parameters")),
            Column("modes", lambda record: list(record.get("median", ())), csv="never"),
            Column("theory", theory.holds, csv="never"),
            Column("repeated", _repeated, csv="never"),
            Column("gap_quartiles", _gap_quartiles, csv="never", ends="gap"),
            *(
                Column(f"{mode}_quartiles", timed.quartiles_of(mode), csv="never", ends=f"{mode}_s")
                for mode in {*MODES, *found}
            ),
        ]

    def compared(self, record: Record) -> Mapping[str, Sequence[float]]:
        """The timings of each mode, and the ratio forward / reverse in each turn."""
        found = super().compared(record)
        forward, reverse = (found.get(mode) for mode in MODES)
        return {**found, "gap": timing.paired_ratios(forward, reverse)} if forward and reverse else found

    def answer(self, rows: Sequence[Row]) -> str:
        """The smallest and the largest gap with both times, and in which direction the gap grows."""
        measured = [row for row in rows if row["gap"] is not None]
        if not measured:
            return (
                f"No point has times of forward and reverse mode, so there is no gap to report.{without_result(rows)}"
            )
        least, most = (find(measured, key=lambda row: float(row["gap"])) for find in (min, max))
        grown = [text for key in ("width", "depth", *further(rows)) if (text := growth(measured, key))]
        sentence = f"{_on(rows)}orward mode takes {_ends(least, most, len(measured))}"
        return (
            sentence
            + (f" The gap grows with the {' and with the '.join(grown)}." if grown else "")
            + without_result(rows)
        )

    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        return pictures(rows)


def gaps(
    timings: Mapping[str, Sequence[float]], multiply_adds: Mapping[str, int], predicted: Mapping[str, float]
) -> dict[str, Any]:
    """Each mode against the baseline: measured, in multiply-adds, and in predicted seconds."""
    baseline = timed.baseline(list(timings))
    found = {}
    for mode in timings:
        if mode != baseline:
            ratios = timing.paired_ratios(timings[mode], timings[baseline])
            found[mode] = {
                "median": median(ratios),
                "spread": timing.interquartile_range(ratios),
                "multiply_adds": multiply_adds[mode] / multiply_adds[baseline],
                "predicted_time": predicted[mode] / predicted[baseline],
            }
    gap = found.get("forward", {}) if baseline == "reverse" else {}
    return {
        "baseline": baseline,
        "gap": gap.get("median"),
        "gap_spread": gap.get("spread"),
        "multiply_adds_gap": gap.get("multiply_adds"),
        "predicted_time_gap": gap.get("predicted_time"),
        "gaps": found,
    }


def growth(rows: Sequence[Row], key: str) -> str:
    """`width (8 to 64)` if the gap increases with the key wherever all else is equal, by more than the spreads.

    Empty if it does not, or if no two points differ in the key alone.
    """
    if not all(isinstance(row[key], (int, float)) for row in rows if row[key] is not None):
        return ""
    others = [other for other in (*POINT, *further(rows)) if other not in {key, "seed"}]
    lines = [
        sorted(line, key=lambda row: float(row[key])) for line in apart([r for r in rows if r[key] is not None], others)
    ]
    pairs = [pair for line in lines for pair in pairwise(line)]
    if not pairs or not all(a[key] < b[key] and _below(a, b) for a, b in pairs):
        return ""
    values = sorted({row[key] for pair in pairs for row in pair})
    return f"{further(rows).get(key, key)} ({values[0]} to {values[-1]})"


def _below(a: Row, b: Row) -> bool:
    """Whether the gap of `a` is smaller by more than the spreads: neither is within the other's."""
    return bool(a["gap"] < b["gap"] and a["gap_quartiles"][1] < b["gap_quartiles"][0])


def _further(mode: str, *, predicted: bool) -> Iterator[Column]:
    """The columns of a mode that only some sweeps time; `predicted` shows its predicted time in the table."""
    yield Column(f"{mode}_s", at(f"median.{mode}"), mode, _time(mode), csv="last")
    yield _predicted(mode, shown=predicted)
    yield Column(f"{mode}_gap", at(f"gaps.{mode}.median"), csv="last")
    yield Column(f"{mode}_iqr_s", at(f"spread.{mode}"), csv="last")
    yield Column(f"{mode}_multiply_adds", at(f"multiply_adds.{mode}"), csv="last")


def _one_point(records: Sequence[Record]) -> bool:
    """Whether the configurations differ in the seed alone."""
    settings = [{key: value for key, value in record["config"].items() if key != "seed"} for record in records]
    return all(setting == settings[0] for setting in settings)


def _predicted(mode: str, *, shown: bool) -> Column:
    key, heading = f"{mode}_predicted_s", "predicted" if shown else ""
    return Column(key, at(f"predicted_seconds.{mode}"), heading, time(key), csv="last")


def _time(mode: str) -> Any:
    return time(f"{mode}_s", f"{mode}_iqr_s")


def _repeated(record: Record) -> str | None:
    """The name of the layer that `network.layer` repeats; None where the hidden layers are affine."""
    layer = record["config"].get("network", {}).get("layer")
    name = layer["name"] if isinstance(layer, Mapping) else layer
    return None if name is None else str(name)


def _gap_quartiles(record: Record) -> tuple[float, float] | None:
    forward, reverse = (record.get("timings", {}).get(mode) for mode in MODES)
    return timing.quartiles(timing.paired_ratios(forward, reverse)) if forward and reverse else None


def _on(rows: Sequence[Row]) -> str:
    data, batches = {row["data"] for row in rows}, {row["batch"] for row in rows}
    if len(data) > 1 or len(batches) > 1:
        return "F"
    (name,), (batch,) = data, batches
    return f"On {name} ({batch} {'sample' if batch == 1 else 'samples'}), f"


def _ends(least: Row, most: Row, points: int) -> str:
    if least is most:
        low, high = most["gap_quartiles"]
        same = ", which its spread does not tell from the same time" if low <= 1 <= high else ""
        times = f"{three(most['gap'])} times as long as reverse mode{same}"
        return f"{times} {_where(most)}: {_both(most)} for one gradient."
    if not _below(least, most):
        return (
            f"{three(least['gap'])} to {three(most['gap'])} times as long as reverse mode at {points} points, which "
            "their spreads do not tell apart."
        )
    return (
        f"{three(least['gap'])} to {three(most['gap'])} times as long as reverse mode: {_both(least)} for one "
        f"gradient {_where(least)}, {_both(most)} {_where(most)}."
    )


def _both(row: Row) -> str:
    return f"{seconds(row['forward_s'])} against {seconds(row['reverse_s'])}"


def _where(row: Row) -> str:
    return f"at {place(row)}"
