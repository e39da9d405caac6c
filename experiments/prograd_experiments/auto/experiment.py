"""Auto: what can be set, what is left out, and what the rows, the table and the answer say of auto's choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from pathlib import Path
from types import MappingProxyType
from typing import Any

import prograd
from prograd.units import factor
from prograd_experiments import config as read
from prograd_experiments import networks, timed
from prograd_experiments.auto.pictures import pictures
from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.environment import environment
from prograd_experiments.experiment import Progress, Results
from prograd_experiments.planned import CLOSE, Planned, columns_of_modes
from prograd_experiments.records import Record
from prograd_experiments.rows import NOTHING, Cell, Column, Row, at, plain, ratio, setting, without_result

MOST_NUMBERS = 3 * 10**7
MOST_MULTIPLY_ADDS = 1.5 * 10**9
HOPELESS = 30
"""A mode is not timed if its predicted time is more than this many times the shortest."""

DERIVATIVES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "gradient": ("gradient", "parameters"),
        "jacobian": ("jacobian", "parameters"),
        "input_jacobian": ("jacobian", "input"),
    }
)
"""Each derivative as `outputs` and `wrt`."""

POINT = ("network.*", "depth", "width", "data.features", "data.outputs")
"""The keys that a point stands for."""

OPTIONS = MappingProxyType({"hourglass": "bottleneck", "conv": "channels"})
"""The option of a network that a point ends with."""


class Auto(Planned):
    """Every mode on a grid of networks, and the mode that auto takes."""

    name = "auto"
    data = "synthetic"
    question = 'How often does mode="auto" take the quickest mode?'
    timed = "one gradient or Jacobian"
    how = (
        "Each job plans a network before anything is computed, which gives the mode that auto takes. Then it checks "
        "that the modes compute the same result up to rounding, and times them in turns inside one process, with a "
        "fixed number of BLAS threads; it leaves out a mode whose predicted time is more than thirty times the "
        "shortest. A choice is right if its mode takes at most 10 % longer than the quickest one that was timed. "
        "Points are left out if their result is larger than 0.24 GB, or if the cheapest mode needs more than 1.5 · 10⁹ "
        "multiply-adds."
    )
    sorted_by = ("point", "batch", "derivative", "dtype", "threads", "machine", "seed")

    def check(self, config: Config) -> Config:
        """The configuration with its point and its derivative written out key by key."""
        outputs, wrt = DERIVATIVES[read.choice(config, "derivative", tuple(DERIVATIVES))]
        own = {key: value for key, value in config.items() if key not in {"point", "derivative"}}
        return super().check({**own, **_network_of(config), "outputs": outputs, "wrt": wrt})

    def without_effect(self, config: Config) -> Sequence[str]:
        """A point says all of the network, and whatever it leaves out has no effect."""
        pointed = [] if config.get("point") is None else [key.removesuffix(".*") for key in POINT]
        return [*super().without_effect({**config, **_network_of(config), "outputs": _outputs(config)}), *pointed]

    def measure(self, config: Config, directory: Path, *, force: bool, progress: Progress) -> Results:
        problem = networks.build(config)
        with timed.conditions(config):
            plan, where = self.plan(config, problem), environment()
        cheapest = min(cost.multiply_adds for cost in plan.costs.values())
        rows = 1 if config["outputs"] == "gradient" else len(problem.x) * problem.net.n[-1]
        numbers = rows * (problem.net.n[0] if config["wrt"] == "input" else problem.net.size)
        if numbers > MOST_NUMBERS or cheapest > MOST_MULTIPLY_ADDS:
            left_out = f"too large: {numbers:.2g} numbers, {cheapest:.2g} multiply-adds"
            about = {"environment": where, "problem": problem.described(), "plan": plan.as_json()}
            return {**about, "left_out": left_out}
        return super().measure(config, directory, force=force, progress=progress)

    def worth_timing(self, config: Config, plan: prograd.Plan) -> Sequence[str]:
        limit = HOPELESS * min(plan.seconds.values())
        return [mode for mode in timed.modes_of(config) if mode in plan.seconds and plan.seconds[mode] <= limit]

    def specification(self, records: Sequence[Record]) -> list[Column]:
        return [
            Column("point", _point, point="always", of=POINT),
            setting("batch", "always", read=timed.samples_of),
            Column("derivative", _derivative, point="always", of=("outputs", "wrt")),
            *(setting(key) for key in ("dtype", "threads", "machine", "seed")),
            *columns_of_modes(records),
            Column("chosen", at("chosen"), "auto", _chosen),
            Column("quickest", at("quickest"), "quickest"),
            Column("over", at("over"), "auto / quickest", ratio("over")),
            Column("timings", timed.fewest, "timings", merge=timed.least),
            Column("relative_difference", at("agreement.relative_difference")),
            Column("parameters", at("problem.parameters")),
            Column("left_out", at("left_out")),
            Column("network", at("config.network.name"), csv="never"),
        ]

    def answer(self, rows: Sequence[Row]) -> str:
        """How many choices are right, and the worst one with both times."""
        measured = [row for row in rows if row["over"] is not None]
        if not measured:
            return f"No point has times, so there is no choice to judge.{without_result(rows)}"
        right = sum(row["over"] <= CLOSE for row in measured)
        worst = max(measured, key=lambda row: float(row["over"]))
        left = sum(row["left_out"] is not None for row in rows)
        at_worst = (
            f" At worst it takes {factor(worst['over'])} as long: {worst['chosen']} for {worst['quickest']} at "
            f"{worst['point']}, batch {worst['batch']}, {worst['derivative']}."
        )
        return (
            f"Auto's mode takes at most 10 % longer than the quickest on {right} of {len(measured)} points "
            f"({right / len(measured):.1%}).{at_worst if worst['over'] > CLOSE else ''}"
            f"{f' Left out as too large: {left} points.' if left else ''}{without_result(rows)}"
        )

    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        return pictures(rows)


def _network_of(config: Config) -> Config:
    """The keys that `point` stands for; none if it is null."""
    written = config.get("point")
    if written is None:
        return {}
    name, *rest = str(written).split(":")
    read.one_of("the network in point", name, ("mlp", "residual", *OPTIONS))
    form = f"{name}:features:depth:width:outputs{f':{OPTIONS[name]}' if name in OPTIONS else ''}"
    if len(rest) != form.count(":") or not all(size.isdecimal() and int(size) > 0 for size in rest):
        raise read.refused("point", form, written)
    features, depth, width, outputs, *option = map(int, rest)
    network: dict[str, Any] = {"name": name, "final": None}
    if name == "hourglass":
        network |= {"bottleneck": option[0]}
    elif name == "conv":
        side = isqrt(features)
        network |= {"channels": option[0], "kernel": 3, "pool": 2, "image": [1, side, side]}
    data = {**config["data"], "features": features, "outputs": outputs}
    return {"network": network, "depth": depth, "width": width, "data": data}


def _outputs(config: Config) -> str:
    return DERIVATIVES[read.choice(config, "derivative", tuple(DERIVATIVES))][0]


def _point(record: Record) -> str:
    config = record["config"]
    network, data = config["network"], config["data"]
    sizes = (data.get("features"), config.get("depth"), config.get("width"), data.get("outputs"))
    option = [network.get(OPTIONS[network["name"]])] if network["name"] in OPTIONS else []
    return ":".join(NOTHING if part is None else str(part) for part in (network["name"], *sizes, *option))


def _derivative(record: Record) -> str:
    its = (record["config"]["outputs"], record["config"]["wrt"])
    return next(name for name, derivative in DERIVATIVES.items() if derivative == its)


def _chosen(row: Row) -> Cell:
    return plain(row["chosen"]) if row["left_out"] is None else Cell(str(row["left_out"]).partition(":")[0])
