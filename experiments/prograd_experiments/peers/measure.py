"""Measures one point: compares every engine's result with a reference, then times the engines in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

from prograd_benchmarks import timing
from prograd_experiments import steady, timed
from prograd_experiments.config import Config
from prograd_experiments.environment import environment
from prograd_experiments.peers.compare import TIMED, Outcomes, compare, outcome
from prograd_experiments.peers.crew import Crew, Stage
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.remote import Lost
from prograd_experiments.peers.workload import Workload

NO_ROOM = "memory"
OWN = ("floor", "prograd")
PEERS = tuple(name for name in ENGINES if name not in {*OWN, "floor_mkl"})


def measure(config: Config, crew: Crew) -> dict[str, Any]:
    """The results of one job, in seconds for one call. Raises `AgreementError` if prograd's result is wrong."""
    workload = Workload.of(config)
    problem = workload.as_config() | {"parameters": workload.parameters, "least_bytes": workload.least_bytes}
    if workload.least_bytes > max_bytes(config):
        note = f"at least {workload.least_bytes / 2**30:.3g} GiB for any engine, more than memory_gib"
        outcomes = {name: outcome(name, "", NO_ROOM, note) for name in config["engines"]}
        return {"environment": environment(), "problem": problem, **results(outcomes, Rounds())}
    given = workload.given(config["seed"])
    stage = Stage(crew, workload.task, given, config["limit_seconds"], config["prepare_seconds"])
    try:
        outcomes = compare(stage, config["engines"], workload, given)
        contestants = {
            name: partial(stage.seconds, found["engine"], found["way"])
            for name, found in outcomes.items()
            if found["outcome"] == TIMED
        }
        rounds, attempts = steady.steadiest(
            lambda _: take_turns(
                contestants,
                repeats=config["repeats"],
                least_seconds=config["sample_seconds"],
                rest_seconds=config["rest_seconds"],
                engine_seconds=config["engine_seconds"],
            ),
            lambda rounds: rounds.timings,
            config["engine_seconds"] * len(contestants),
        )
    finally:
        crew.forget()
    for name, lost in rounds.lost.items():
        outcomes[name] |= {"outcome": lost.outcome, "note": lost.note}
    about = {"environment": environment(), "engines": crew.about(), "problem": problem, "attempts": attempts}
    return about | results(outcomes, rounds)


@dataclass(frozen=True)
class Rounds:
    """`timings` in seconds for one call, the calls in one timing (`inner`), and why some contestants were lost.

    Everyone takes part from the first round on, so timings at the same position belong to the same round.
    """

    timings: dict[str, list[float]] = field(default_factory=dict)
    inner: dict[str, int] = field(default_factory=dict)
    lost: dict[str, Lost] = field(default_factory=dict)


def take_turns(
    contestants: Mapping[str, Callable[[int], float]],
    *,
    repeats: int,
    least_seconds: float,
    rest_seconds: float,
    engine_seconds: float,
) -> Rounds:
    """Times A B C, C B A, A B C, …; each contestant returns the seconds that a number of calls takes.

    After the third round, a contestant that has used up `engine_seconds` sits out, so that a slow one does not cost the
    quick ones their rounds. Each timing follows a rest: after its work, an engine's threads keep a core busy for some
    milliseconds while they wait for more.
    """
    rounds = Rounds()
    for name, contestant in contestants.items():
        time.sleep(rest_seconds)
        try:
            rounds.inner[name] = timing.calibrated(contestant, least_seconds)
        except Lost as lost:
            rounds.lost[name] = lost
        else:
            rounds.timings[name] = []
    for turn in range(repeats):
        names = [name for name, timings in rounds.timings.items() if len(timings) == turn]
        for name in names if turn % 2 == 0 else reversed(names):
            spent = rounds.inner[name] * sum(rounds.timings[name])
            if turn >= timing.LEAST_TIMINGS and spent * (turn + 1) / turn > engine_seconds:
                continue
            time.sleep(rest_seconds)
            try:
                rounds.timings[name].append(contestants[name](rounds.inner[name]) / rounds.inner[name])
            except Lost as lost:
                rounds.lost[name] = lost
                del rounds.timings[name], rounds.inner[name]
    return rounds


def results(outcomes: Outcomes, rounds: Rounds) -> dict[str, Any]:
    """Timings, their medians, and each contestant's ratios to the floor and to prograd within the rounds."""
    timings = rounds.timings
    return {
        "outcomes": outcomes,
        **timed.summarised(timings, rounds.inner),
        "ratios": {
            to: {name: _ratio(own, timings[to]) for name, own in timings.items()} for to in OWN if to in timings
        },
    }


def max_bytes(config: Config) -> int:
    """The memory that one engine's process may take."""
    return int(config["memory_gib"] * 2**30)


def _ratio(numerator: Sequence[float], denominator: Sequence[float]) -> dict[str, Any]:
    rounds = min(len(numerator), len(denominator))
    pairs = timing.paired_ratios(numerator[:rounds], denominator[:rounds])
    return {
        "median": median(pairs),
        "spread": timing.interquartile_range(pairs),
        "quartiles": timing.quartiles(pairs),
        "rounds": rounds,
    }
