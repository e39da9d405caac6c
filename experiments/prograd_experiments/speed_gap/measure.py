"""One job of the speed gap: the modes checked against each other, then timed in turns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import prograd
from prograd.errors import NonFiniteError
from prograd_benchmarks import timing
from prograd_experiments import agreement, networks
from prograd_experiments import config as read
from prograd_experiments.config import Config
from prograd_experiments.environment import environment
from prograd_experiments.errors import AgreementError
from prograd_experiments.networks import Array, Problem

KEYS = ("experiment", *networks.KEYS, "threads", "modes", "repeats", "sample_seconds", "max_seconds")


def check(config: Config) -> Config:
    """The configuration with its loss settled. Raises `ConfigError` for keys, names and values that can't be used."""
    read.known_keys(config, KEYS)
    read.known_keys(config["experiment"], ("name",), "experiment.")
    _modes(config)
    read.integer(config, "threads", 1)
    read.integer(config, "repeats", timing.LEAST_SAMPLES)
    read.positive(config, "sample_seconds")
    read.positive(config, "max_seconds")
    return networks.check(config)


def measure(config: Config) -> dict[str, Any]:
    """The results of one job; times are in seconds per gradient. Raises `AgreementError` before any time is taken."""
    modes, problem = _modes(config), networks.build(config)
    objective, w = problem.objective, problem.w
    # Launchers differ in the threads that they leave to a job, so the job sets its own.
    with threadpool_limits(limits=read.integer(config, "threads", 1)):
        value = float(objective(w))
        if not np.isfinite(value):
            raise NonFiniteError(f"loss {problem.loss.name}: it is {value} here, so there is no gradient to time")
        agreed = agree({mode: objective.gradient(w, mode=prograd.mode(mode)) for mode in modes}, problem)
        times = timed(config, {mode: partial(objective.gradient, w, mode=prograd.mode(mode)) for mode in modes})
        surroundings = environment()
    costs = prograd.plan(problem.net, objective.samples, dtype=w.dtype, modes=modes).costs
    multiply_adds = {mode: cost.multiply_adds for mode, cost in costs.items()}
    return {
        "environment": surroundings,
        "problem": describe(problem) | {"value": value},
        "agreement": agreed,
        **times,
        "multiply_adds": multiply_adds,
        **gaps(times["samples"], multiply_adds),
    }


def timed(config: Config, calls: Mapping[str, timing.Action]) -> dict[str, Any]:
    """The times of calls in turns, in seconds a call: every sample, how many calls each repeats, median and spread."""
    turns = timing.take_turns(
        calls,
        repeats=read.integer(config, "repeats", timing.LEAST_SAMPLES),
        sample_seconds=read.positive(config, "sample_seconds"),
        max_seconds=read.positive(config, "max_seconds"),
    )
    return {
        "samples": turns.samples,
        "inner": turns.inner,
        "median": {name: median(samples) for name, samples in turns.samples.items()},
        "spread": {name: timing.interquartile_range(samples) for name, samples in turns.samples.items()},
        "spread_is": "interquartile range",
    }


def gaps(samples: dict[str, list[float]], multiply_adds: dict[str, int]) -> dict[str, Any]:
    """Each mode against reverse mode (or against the last mode when reverse isn't measured), measured and predicted."""
    baseline = _baseline(tuple(samples))
    ratios = {m: timing.paired_ratios(s, samples[baseline]) for m, s in samples.items() if m != baseline}
    gap = {mode: median(pairs) for mode, pairs in ratios.items()}
    predicted = {mode: multiply_adds[mode] / multiply_adds[baseline] for mode in ratios}
    spread = {mode: timing.interquartile_range(pairs) for mode, pairs in ratios.items()}
    both = baseline == "reverse" and "forward" in ratios
    return {
        "baseline": baseline,
        "gap": gap["forward"] if both else None,
        "gap_spread": spread["forward"] if both else None,
        "predicted_gap": predicted["forward"] if both else None,
        "gaps": {m: {"median": gap[m], "spread": spread[m], "predicted": predicted[m]} for m in ratios},
    }


def agree(results: dict[str, Array], problem: Problem) -> dict[str, Any]:
    """How far the modes' results are apart, in norm, relative to the baseline's. Raises `AgreementError`."""
    baseline = _baseline(tuple(results))
    reference = results[baseline].astype(np.float64)
    terms = len(np.atleast_2d(problem.x)) + sum(problem.net.n)
    tolerance = agreement.tolerance(terms, problem.w.dtype)
    differences = {}
    for mode, result in results.items():
        difference = agreement.relative_difference(result, reference)
        if not difference <= tolerance:
            raise AgreementError(
                f"the results of {mode} and {baseline} mode differ by {difference:.2e} in relative norm, more than "
                f"rounding explains ({tolerance:.2e}); no time is reported for a wrong result"
            )
        differences[mode] = difference
    return {
        "relative_difference": max(differences.values()),
        "tolerance": tolerance,
        "reason": agreement.REASON,
        "gradient_norm": float(np.linalg.norm(reference)),
    }


def describe(problem: Problem) -> dict[str, Any]:
    """The problem in numbers: sizes, parameters, samples, layers and loss."""
    return {
        "layers": [layer.name for layer in problem.net.layers],
        "n": [int(n) for n in problem.net.n],
        "r": [int(r) for r in problem.net.r],
        "parameters": int(problem.net.size),
        "samples": len(np.atleast_2d(problem.x)),
        "loss": problem.loss.name,
        "dtype": str(problem.w.dtype),
    }


def _modes(config: Config) -> tuple[str, ...]:
    return read.several(config, "modes", prograd.MODES)


def _baseline(modes: tuple[str, ...]) -> str:
    return "reverse" if "reverse" in modes else modes[-1]
