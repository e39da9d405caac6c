"""One point: every engine's result compared with a reference, then the engines timed in turns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import Any

from threadpoolctl import threadpool_limits

from prograd_benchmarks import timing
from prograd_experiments import config as read
from prograd_experiments.config import Config
from prograd_experiments.environment import environment
from prograd_experiments.errors import ConfigError
from prograd_experiments.peers.compare import TIMED, Outcomes, compare, outcome
from prograd_experiments.peers.crew import Crew, crew
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.point import SIZES, Point
from prograd_experiments.peers.rounds import Rounds, take_turns
from prograd_experiments.peers.stage import Stage

SECONDS = ("sample_seconds", "rest_seconds", "engine_seconds", "limit_seconds", "prepare_seconds")
KEYS = ("experiment", "point", "task", *SIZES, "dtype", "seed", "threads", "engines", "repeats", *SECONDS, "memory_gib")
OTHERS: Mapping[str, Any] = {
    "activation": "tanh",
    "modes": ["forward", "reverse"],
    "network": {"name": "mlp", "final": None},
    "data": {"name": "digits"},
    "loss": {"name": "default"},
}
"""Keys of other experiments, and what they are when nobody has set them."""

NO_ROOM = "memory"
OWN = ("floor", "prograd")


def check(config: Config) -> Config:
    """The configuration with its point written out. Raises `ConfigError` for keys, names and values that can't be."""
    for key, unset in OTHERS.items():
        if config.get(key, unset) != unset:
            raise ConfigError(f"{key}={read.show(config[key])}: means nothing to experiment=peers, which is tanh alone")
    read.known_keys(config, (*KEYS, *OTHERS))
    read.known_keys(config["experiment"], ("name",), "experiment.")
    read.several(config, "engines", tuple(ENGINES))
    read.integer(config, "threads", 1)
    read.integer(config, "seed", 0)
    read.integer(config, "repeats", timing.LEAST_TIMINGS)
    for key in (*SECONDS, "memory_gib"):
        read.positive(config, key)
    own = {key: value for key, value in config.items() if key in KEYS and key != "point"}
    return own | Point.of(config).as_config()


def measure(config: Config) -> dict[str, Any]:
    """The results of one job, in seconds per call. Raises `AgreementError` when it is prograd that is wrong."""
    threads = read.integer(config, "threads", 1)
    with threadpool_limits(limits=threads):
        return at_point(config, crew(threads, _max_bytes(config)))


def at_point(config: Config, engines: Crew) -> dict[str, Any]:
    """As `measure`, with these engines."""
    point = Point.of(config)
    problem = point.as_config() | {"parameters": point.parameters, "least_bytes": point.least_bytes}
    if point.least_bytes > _max_bytes(config):
        note = f"at least {point.least_bytes / 2**30:.3g} GiB for any engine, more than memory_gib"
        outcomes = {name: outcome(name, "", NO_ROOM, note) for name in config["engines"]}
        return {"environment": environment(), "problem": problem, **results(outcomes, Rounds())}
    given = point.given(read.integer(config, "seed", 0))
    limits = {key: read.positive(config, key) for key in ("limit_seconds", "prepare_seconds")}
    stage = Stage(engines, point.task, given, **limits)
    try:
        outcomes = compare(stage, config["engines"], point, given)
        turns = take_turns(
            {
                name: partial(stage.sample, found["engine"], found["way"])
                for name, found in outcomes.items()
                if found["outcome"] == TIMED
            },
            repeats=read.integer(config, "repeats", timing.LEAST_TIMINGS),
            **{key: read.positive(config, key) for key in ("sample_seconds", "rest_seconds", "engine_seconds")},
        )
    finally:
        engines.forget()
    for name, lost in turns.lost.items():
        outcomes[name] |= {"outcome": lost.outcome, "note": lost.note}
    about = {"environment": environment(), "engines": engines.about(), "problem": problem}
    return about | results(outcomes, turns)


def results(outcomes: Outcomes, turns: Rounds) -> dict[str, Any]:
    """Samples, their medians, and each contestant's ratios to the floor and to prograd within the rounds."""
    samples = turns.samples
    return {
        "outcomes": outcomes,
        "samples": samples,
        "inner": turns.inner,
        "median": {name: median(of) for name, of in samples.items()},
        "spread": {name: timing.interquartile_range(of) for name, of in samples.items()},
        "spread_is": "interquartile range",
        "ratios": {to: _ratios(samples, to) for to in OWN if to in samples},
    }


def _ratios(samples: dict[str, list[float]], to: str) -> dict[str, Any]:
    found = {}
    for name, of in samples.items():
        rounds = min(len(of), len(samples[to]))
        pairs = timing.paired_ratios(of[:rounds], samples[to][:rounds])
        found[name] = {
            "median": median(pairs),
            "spread": timing.interquartile_range(pairs),
            "quartiles": timing.quartiles(pairs),
            "rounds": rounds,
        }
    return found


def _max_bytes(config: Config) -> int:
    return int(read.positive(config, "memory_gib") * 2**30)
