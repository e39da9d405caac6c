"""Jobs that plan a gradient or a Jacobian first and then time modes, to set measurements against predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal

import prograd
from prograd_benchmarks.timing import paired_ratios
from prograd_experiments import config as read
from prograd_experiments import networks, timed
from prograd_experiments.config import Config
from prograd_experiments.experiment import Experiment, Progress, Results
from prograd_experiments.networks import Problem
from prograd_experiments.records import Record
from prograd_experiments.rows import Column, Row, at, time
from prograd_experiments.samples import Array

OUTPUTS = ("jacobian", "gradient")
VARIABLES = ("input", "parameters")
PURE = ("reverse", "forward")
CLOSE = 1.1
"""The mode that auto chooses is as good as the quickest if it takes at most this many times as long."""


class Planned(Experiment):
    """Every mode of one gradient or Jacobian. Meant to be subclassed."""

    timed = "one Jacobian or gradient"

    def check(self, config: Config) -> Config:
        outputs, wrt = read.choice(config, "outputs", OUTPUTS), read.choice(config, "wrt", VARIABLES)
        if (outputs, wrt) == ("gradient", "input"):
            hint = "an objective has no gradient with respect to its samples"
            raise read.refused("wrt", "parameters for outputs=gradient", wrt, hint)
        if outputs == "jacobian":
            config = {**config, "loss": {"name": "default"}}
        return timed.check(config, ("outputs", "wrt"))

    def without_effect(self, config: Config) -> Sequence[str]:
        """A Jacobian depends on no loss."""
        return (*networks.without_effect(config), *["loss"] * (config.get("outputs") == "jacobian"))

    def predicted_seconds(self, config: Config) -> float:
        plan = self.plan(config, networks.build(config))
        modes = [mode for mode in self.worth_timing(config, plan) if mode in plan.seconds]
        return timed.predicted_seconds(config, {mode: plan.seconds[mode] for mode in modes})

    def measure(self, config: Config, directory: Path, *, force: bool, progress: Progress) -> Results:
        """Times are in seconds for one call. Raises `AgreementError` before any timing."""
        problem = networks.build(config)
        with timed.conditions(config):
            plan = self.plan(config, problem)
            calls = {mode: _call(config, problem, mode) for mode in self.worth_timing(config, plan)}
            return timed.measured(config, problem, calls) | {"plan": plan.as_json()}

    def plan(self, config: Config, problem: Problem) -> prograd.Plan:
        """The plan of the gradient or Jacobian."""
        return prograd.plan(problem.net, len(problem.x), config["wrt"], config["outputs"], dtype=problem.w.dtype)

    def worth_timing(self, config: Config, plan: prograd.Plan) -> Sequence[str]:
        """The modes to time."""
        return timed.modes_of(config)

    def derived(self, record: Record) -> Mapping[str, Any]:
        """`chosen` is the mode that auto takes, of those timed; `over` is its time over the quickest's within turns."""
        measured, predicted = record.get("median", {}), predictions(record)
        if not measured:
            return {}
        planned = record["plan"]["mode"]
        chosen = planned if planned in measured else min(predicted, key=predicted.__getitem__)
        quickest = min(measured, key=measured.__getitem__)
        over = paired_ratios(*(record["timings"][mode] for mode in (chosen, quickest)))
        return {"chosen": chosen, "quickest": quickest, "over": median(over)}


def predictions(record: Record) -> dict[str, float]:
    """The predicted seconds of each mode that was timed."""
    return {mode: record["plan"]["modes"][mode]["seconds"] for mode in record.get("median", {})}


def columns_of_modes(records: Sequence[Record]) -> Iterator[Column]:
    """The columns of each mode that some record has, the pure ones first."""
    found = {mode for record in records for mode in record.get("median", {})}
    for mode in [*(mode for mode in PURE if mode in found or not found), *sorted(found - set(PURE))]:
        csv: Literal["last", "never"] = "last" if found else "never"
        planned = f"plan.modes.{mode}"
        yield Column(f"{mode}_s", at(f"median.{mode}"), mode, time(f"{mode}_s", f"{mode}_iqr_s"), csv=csv)
        yield Column(
            f"{mode}_predicted_s",
            _if_timed(mode, f"{planned}.seconds"),
            "predicted",
            time(f"{mode}_predicted_s"),
            csv=csv,
        )
        yield Column(f"{mode}_iqr_s", at(f"spread.{mode}"), csv=csv)
        yield Column(f"{mode}_multiply_adds", _if_timed(mode, f"{planned}.multiply_adds"), csv=csv)
        yield Column(f"{mode}_peak_bytes", _if_timed(mode, f"{planned}.peak_bytes"), csv=csv)
        yield Column(f"{mode}_quartiles", timed.quartiles_of(mode), csv="never", ends=f"{mode}_s")


def modes_of(rows: Sequence[Row]) -> list[str]:
    """The modes that some row has a time of, the pure ones first."""
    suffix = "_predicted_s"
    found = {key.removesuffix(suffix) for row in rows for key in row if key.endswith(suffix) and row[key] is not None}
    return [*(mode for mode in PURE if mode in found), *sorted(found - set(PURE))]


def _call(config: Config, problem: Problem, mode: str) -> Callable[[], Array]:
    net, w, x = problem.net, problem.w, problem.x
    if config["outputs"] == "gradient":
        return partial(problem.objective.gradient, w, mode=prograd.mode(mode))
    return partial(prograd.jacobian, net, w, x, config["wrt"], prograd.mode(mode))


def _if_timed(mode: str, path: str) -> Callable[[Record], Any]:
    find = at(path)
    return lambda record: find(record) if mode in record.get("median", {}) else None
