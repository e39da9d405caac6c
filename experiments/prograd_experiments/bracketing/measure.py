"""One job of the bracketing experiment: planned first, then the modes checked against each other and timed in turns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits

import prograd
from prograd_benchmarks import timing
from prograd_experiments import config as read
from prograd_experiments import networks
from prograd_experiments.architectures import NETWORKS
from prograd_experiments.config import Config
from prograd_experiments.environment import environment
from prograd_experiments.errors import ConfigError
from prograd_experiments.networks import Array, Problem
from prograd_experiments.speed_gap.measure import agree, describe, timed

OUTPUTS = ("jacobian", "gradient")
VARIABLES = ("input", "parameters")
KEYS = (
    "experiment",
    *networks.KEYS,
    "threads",
    "modes",
    "repeats",
    "sample_seconds",
    "max_seconds",
    "outputs",
    "wrt",
)


def check(config: Config) -> Config:
    """The configuration with its loss settled. Raises `ConfigError` for keys, names and values that can't be used."""
    read.known_keys(config, KEYS)
    read.known_keys(config["experiment"], ("name",), "experiment.")
    read.several(config, "modes", prograd.MODES)
    read.integer(config, "threads", 1)
    read.integer(config, "repeats", timing.LEAST_SAMPLES)
    read.positive(config, "sample_seconds")
    read.positive(config, "max_seconds")
    outputs, wrt = read.choice(config, "outputs", OUTPUTS), read.choice(config, "wrt", VARIABLES)
    if (outputs, wrt) == ("gradient", "input"):
        raise ConfigError("outputs=gradient: an objective has no gradient by its samples; set wrt=parameters")
    if read.choice(config, "network.name", tuple(NETWORKS)) != "hourglass":  # which alone has what the experiment sets
        network = {key: value for key, value in config["network"].items() if key != "bottleneck"}
        config = {**config, "network": network}
    return networks.check(config)


def measure(config: Config) -> dict[str, Any]:
    """The results of one job; times are in seconds per call. Raises `AgreementError` before any time is taken."""
    modes, problem = read.several(config, "modes", prograd.MODES), networks.build(config)
    with threadpool_limits(limits=read.integer(config, "threads", 1)):
        plan = _plan(config, problem)
        call = _call(config, problem)
        agreed = agree({mode: call(mode) for mode in modes}, problem)
        times = timed(config, {mode: partial(call, mode) for mode in modes})
        surroundings = environment()
    return {
        "environment": surroundings,
        "problem": describe(problem),
        "agreement": agreed,
        **times,
        "plan": plan.as_json(),
    }


def _plan(config: Config, problem: Problem) -> prograd.Plan:
    outputs, wrt = config["outputs"], config["wrt"]
    return prograd.plan(problem.net, len(problem.x), wrt, outputs, dtype=problem.w.dtype)


def _call(config: Config, problem: Problem) -> Callable[[str], Array]:
    net, w, x = problem.net, problem.w, problem.x
    if config["outputs"] == "gradient":
        return partial(_gradient, problem.objective, w)
    return partial(_jacobian, net, w, x, config["wrt"])


def _gradient(objective: prograd.Objective, w: Array, mode: str) -> Array:
    return objective.gradient(w, mode=prograd.mode(mode))


def _jacobian(net: prograd.Network, w: Array, x: Array, wrt: Any, mode: str) -> Array:
    return prograd.jacobian(net, w, x, wrt, prograd.mode(mode))
