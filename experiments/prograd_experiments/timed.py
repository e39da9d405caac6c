"""Jobs that time several modes: the modes have to agree, then they are timed in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import prograd
from prograd.tape.machine import MACHINES, WORDS, using
from prograd_benchmarks import timing
from prograd_experiments import config as read
from prograd_experiments import networks, steady
from prograd_experiments.config import Config
from prograd_experiments.environment import environment
from prograd_experiments.errors import AgreementError
from prograd_experiments.networks import Problem
from prograd_experiments.records import Record
from prograd_experiments.rows import Row
from prograd_experiments.samples import Array

KEYS = ("experiment", *networks.KEYS, "threads", "machine", "modes", "repeats", "sample_seconds", "max_seconds")

SAFETY = 16
REASON = (
    "A chain of products whose inner sums have n_i terms, one sum for each layer, and a mean over N samples lose about "
    "(N + sum n_i) units of rounding at worst, in norm and without cancellation; the factor 16 is a margin."
)


def check(config: Config, further: Sequence[str] = ()) -> Config:
    """The configuration with its loss settled; `further` keys are the experiment's own. Raises `ConfigError`."""
    read.known_keys(config, (*KEYS, *further))
    modes_of(config)
    read.integer(config, "threads", 1)
    read.integer(config, "repeats", timing.LEAST_TIMINGS)
    read.positive(config, "sample_seconds")
    read.positive(config, "max_seconds")
    return networks.check(with_machine(config))


def with_machine(config: Config) -> Config:
    """The configuration without `machine` if it is null, as before there was such a key. Raises `ConfigError`."""
    machine = config.get("machine")
    rest = {key: value for key, value in config.items() if key != "machine"}
    if machine is None:
        return rest
    hint = 'in YAML, off without quotes is false; write "off"' if machine is False else ""
    if machine not in MACHINES:
        raise read.refused("machine", f"null or one of {', '.join(MACHINES)}", machine, hint)
    return {**rest, "machine": machine}


@contextmanager
def conditions(config: Config) -> Iterator[None]:
    """Inside, BLAS has the job's threads, and the job's machine runs tapes; launchers leave jobs different numbers."""
    machine = config.get("machine")
    with threadpool_limits(limits=config["threads"]), nullcontext() if machine is None else using(machine):
        yield


def machine_text(row: Row) -> str:
    """The machine that a job was told to use, in the words of a heading that begin with a comma; empty if none was."""
    return f", {WORDS[row['machine']]}" if row["machine"] else ""


def modes_of(config: Config) -> tuple[str, ...]:
    """The modes to time. Raises `ConfigError`."""
    return read.several(config, "modes", prograd.MODES)


def measured(config: Config, problem: Problem, calls: Mapping[str, Callable[[], Array]]) -> dict[str, Any]:
    """What a record holds of modes that agree and are timed in turns, in seconds for one call.

    Call it inside the `conditions` of the job. Raises `AgreementError` before any timing.
    """
    agreement = agree(calls, problem)
    turns, attempts = steady.steadiest(
        lambda seconds: timing.take_turns(
            calls,
            repeats=read.integer(config, "repeats", timing.LEAST_TIMINGS),
            least_seconds=read.positive(config, "sample_seconds"),
            max_seconds=seconds,
        ),
        lambda turns: turns.timings,
        read.positive(config, "max_seconds"),
    )
    about = {"environment": environment(), "problem": problem.described(), "agreement": agreement}
    return about | {"attempts": attempts} | summarised(turns.timings, turns.inner)


def predicted_seconds(config: Config, seconds: Mapping[str, float]) -> float:
    """About how long a measurement takes, given the predicted seconds of one call in each mode."""
    least, most = (read.positive(config, key) for key in ("sample_seconds", "max_seconds"))
    turn = sum(max(least, call) for call in seconds.values())
    repeats = read.integer(config, "repeats", timing.LEAST_TIMINGS)
    before = 2 * turn + (timing.WARM_UP_CALLS + 3) * sum(seconds.values())  # agreement, warm-up and calibration
    return before + min(repeats * turn, max(most, timing.LEAST_TIMINGS * turn))


def summarised(timings: Mapping[str, Sequence[float]], inner: Mapping[str, int]) -> dict[str, Any]:
    """Timings with how many calls each repeats, their median and spread, as a record holds them."""
    return {
        "timings": timings,
        "inner": inner,
        "median": {name: median(taken) for name, taken in timings.items()},
        "spread": {name: timing.interquartile_range(taken) for name, taken in timings.items()},
        "spread_is": "interquartile range",
    }


def fewest(record: Record) -> int | None:
    """How many timings each mode has at least; None if there are none."""
    timings = record.get("timings")
    return min(map(len, timings.values())) if timings else None


def least(values: Sequence[int | None]) -> int | None:
    """The least of the numbers that are there; None if none is."""
    return min((value for value in values if value is not None), default=None)


def samples_of(record: Record) -> int | None:
    """The number of samples, or the batch that was asked for if the job did not get that far."""
    samples: int | None = record.get("problem", {}).get("samples", record["config"].get("batch"))
    return samples


def quartiles_of(mode: str) -> Callable[[Record], tuple[float, float] | None]:
    """Reads the ends of the middle half of a mode's timings."""

    def read_quartiles(record: Record) -> tuple[float, float] | None:
        timings = record.get("timings", {}).get(mode)
        return timing.quartiles(timings) if timings else None

    return read_quartiles


def baseline(modes: Sequence[str]) -> str:
    """The mode that the others are compared with: reverse if it is among them, else the last."""
    return "reverse" if "reverse" in modes else modes[-1]


def agree(calls: Mapping[str, Callable[[], Array]], problem: Problem) -> dict[str, Any]:
    """How far the modes' results differ in norm, relative to the baseline's. Raises `AgreementError`."""
    first = baseline(list(calls))
    reference = _replayed(calls[first]).astype(np.float64)
    allowed = tolerance(len(problem.x) + sum(problem.net.n), problem.w.dtype)
    largest = 0.0
    for mode, call in calls.items():
        difference = relative_difference(_replayed(call), reference)
        if not difference <= allowed:
            raise AgreementError(
                f"{mode} and {first} mode: expected results within rounding ({allowed:.2e} in relative norm), got a "
                f"difference of {difference:.2e}; no time is reported for a wrong result"
            )
        largest = max(largest, difference)
    return {
        "relative_difference": largest,
        "tolerance": allowed,
        "reason": REASON,
        "gradient_norm": float(np.linalg.norm(reference)),
    }


def _replayed(call: Callable[[], Array]) -> Array:
    """The result of a call after those that run the mode and record it: what is compared is what will be timed."""
    for _ in range(timing.WARM_UP_CALLS):
        call()
    return call()


def tolerance(terms: int, dtype: np.dtype[Any]) -> float:
    """The relative difference that rounding explains, for `terms = N + Σ n_i`; see `REASON`."""
    return SAFETY * terms * float(np.finfo(dtype).eps)


def relative_difference(a: Array, reference: Array) -> float:
    """The norm of the difference over the norm of the float64 reference; NaN if `a` is not finite."""
    scale = float(np.linalg.norm(reference))
    return float(np.linalg.norm(a - reference)) / (scale if scale > 0 else 1.0)
