"""Is `mode="auto"` the quickest? `make auto` measures every mode on a grid of networks and prints the score.

A point counts as won where the mode that auto chose takes at most a tenth longer than the quickest one measured.
`python -m benchmarks.auto --part 2/4` measures every fourth point, from the second on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal

import click
import numpy as np

import prograd
from prograd_benchmarks import timing

WON = 1.1
REPEATS = 7
SAMPLE_SECONDS = 0.004
MOST_SECONDS = 3.0  # of one point
HOPELESS = 30  # a mode predicted to take so many times as long is not waited for

Config = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """A network, how many samples, and what is computed: "gradient", or the Jacobian by "parameters" or "input"."""

    family: str
    layers: tuple[Config, ...]
    n_in: int
    batch: int
    outputs: str
    label: str

    @property
    def net(self) -> prograd.Network:
        """The network."""
        return prograd.Network.from_config(self.layers, self.n_in)

    def plan(self, net: prograd.Network) -> prograd.Plan:
        """What is predicted."""
        if self.outputs == "gradient":
            return prograd.plan(net, self.batch)
        return prograd.plan(net, self.batch, "input" if self.outputs == "input" else "parameters", "jacobian")


@dataclass(frozen=True)
class Outcome:
    """Predicted and measured seconds of each mode of a point; `over` is how much longer the chosen one took."""

    point: str
    chosen: str
    predicted: dict[str, float]
    multiply_adds: dict[str, int]
    measured: dict[str, float] = field(default_factory=dict)
    over: float = 1.0

    @property
    def won(self) -> bool:
        """Whether the chosen mode is within a tenth of the quickest."""
        return self.over <= WON


def grid() -> Iterator[Point]:
    """Networks of all kinds, from a few to about 10⁹ multiply-adds in the cheapest mode."""
    for family, layers, n_in, label in _networks():
        for batch in (1, 32, 512):
            for outputs in ("gradient", "parameters", "input"):
                point = Point(family, layers, n_in, batch, outputs, f"{family} {label} N={batch} {outputs}")
                if _fits(point):
                    yield point


def _fits(point: Point) -> bool:
    """Whether what comes out has its place in memory, and the cheapest mode takes at most about 10⁹ multiply-adds."""
    net = point.net
    size = {"gradient": net.size, "parameters": net.n[-1] * net.size, "input": net.n[-1] * net.n[0]}[point.outputs]
    rows = 1 if point.outputs == "gradient" else point.batch
    if size * rows > 3 * 10**7:
        return False
    return min(cost.multiply_adds for cost in point.plan(net).costs.values()) <= 1.5 * 10**9


def _networks() -> Iterator[tuple[str, tuple[Config, ...], int, str]]:
    for n_in, width, depth, n_out in (
        (8, 8, 2, 3),
        (64, 32, 3, 10),
        (4, 64, 4, 64),
        (2, 128, 3, 256),
        (256, 256, 4, 1),
        (512, 512, 3, 512),
        (16, 64, 16, 16),
    ):
        yield "mlp", (*_hidden([width] * (depth - 1)), _affine(n_out)), n_in, f"{n_in}:{width}x{depth}:{n_out}"
    for wide, narrow, n in ((64, 4, 64), (256, 8, 128), (512, 2, 64), (128, 32, 128), (1024, 16, 256)):
        widths = [wide, narrow, wide]
        yield "hourglass", (*_hidden(widths), _affine(n)), n, f"{n}:{wide}:{narrow}:{wide}:{n}"
    for n_in, width, blocks, n_out in ((16, 16, 2, 4), (64, 64, 4, 10), (8, 128, 3, 128)):
        block = {"name": "residual", "layers": _hidden([width])}
        layers = (_affine(width), *[block] * blocks, _affine(n_out))
        yield "residual", layers, n_in, f"{n_in}:{width}x{blocks}:{n_out}"
    for side, channels, n_out in ((8, 2, 4), (12, 8, 10), (4, 4, 64)):
        image = [1, side, side]
        conv = {"name": "conv2d", "channels": channels, "kernel": 3, "padding": 1}
        layers = (
            {**conv, "image": image},
            {"name": "relu"},
            {"name": "max_pool2d", "image": [channels, side, side], "window": 2},
            {**conv, "image": [channels, side // 2, side // 2]},
            {"name": "tanh"},
            _affine(n_out),
        )
        yield "conv", layers, side * side, f"{side}x{side}:{channels}:{n_out}"


def _affine(width: int) -> Config:
    return {"name": "affine", "width": width}


def _hidden(widths: list[int]) -> list[Config]:
    return [layer for width in widths for layer in (_affine(width), {"name": "tanh"})]


def measure(point: Point) -> Outcome:
    """Every mode in turns, but for those that are predicted to take far too long."""
    net, rng = point.net, np.random.default_rng(0)
    x, y, w = rng.normal(size=(point.batch, net.n[0])), rng.normal(size=(point.batch, net.n[-1])), net.init(rng)
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    plan = point.plan(net)
    quickest = min(plan.seconds.values())
    modes = [mode for mode, seconds in plan.seconds.items() if seconds <= HOPELESS * quickest]

    wrt: Literal["input", "parameters"] = "input" if point.outputs == "input" else "parameters"

    def call(mode: str) -> Callable[[], object]:
        if point.outputs == "gradient":
            return partial(f.gradient, w, mode=prograd.mode(mode))
        return partial(prograd.jacobian, net, w, x, wrt, prograd.mode(mode))

    turns = timing.take_turns(
        {mode: call(mode) for mode in modes},
        repeats=REPEATS,
        sample_seconds=SAMPLE_SECONDS,
        max_seconds=MOST_SECONDS,
    )
    measured = {mode: median(samples) for mode, samples in turns.samples.items()}
    best = min(measured, key=measured.__getitem__)
    over = median(timing.paired_ratios(turns.samples[plan.mode], turns.samples[best]))
    counts = {mode: cost.multiply_adds for mode, cost in plan.costs.items()}
    return Outcome(point.label, plan.mode, dict(plan.seconds), counts, measured, over)


def main() -> None:
    """Measures a part of the grid, or all of it, and prints each point and the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="1/1", help="K/N: every N-th point, from the K-th on")
    parser.add_argument("--only", default="", help="points whose names have this in them")
    parser.add_argument("--save", type=Path, help="a file for the outcomes, as JSON")
    options = parser.parse_args()
    k, _, parts = options.part.partition("/")
    points = [point for point in grid() if options.only in point.label][int(k) - 1 :: int(parts or 1)]
    if not points:
        parser.error(f"--only {options.only!r} --part {options.part}: no point of the grid")
    outcomes = []
    for point in points:
        outcome = measure(point)
        outcomes.append(outcome)
        times = ", ".join(
            f"{mode} {seconds * 1e3:.4g} ms (predicted {outcome.predicted[mode] * 1e3:.4g})"
            for mode, seconds in outcome.measured.items()
        )
        verdict = "won " if outcome.won else "LOST"
        click.echo(f"{verdict} {outcome.over:5.2f} {outcome.chosen:9} {outcome.point}: {times}")
    won = sum(outcome.won for outcome in outcomes)
    click.echo(
        f"auto is within 10 % of the quickest mode on {won} of {len(outcomes)} points ({won / len(outcomes):.1%})"
    )
    if options.save:
        options.save.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))


if __name__ == "__main__":
    main()
