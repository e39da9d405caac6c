"""Timing actions against each other: in turns, each sample long enough to be read off the clock well."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import quantiles

from prograd_benchmarks.garbage import collector_off

LEAST_SAMPLES = 3
WARM_UP_CALLS = 2

Action = Callable[[], object]
Clock = Callable[[], float]
Sampler = Callable[[int], float]
"""Makes so many calls, and says how many seconds all of them took."""


@dataclass(frozen=True)
class Turns:
    """What was measured: `samples` in seconds per call, and how many calls one sample repeats (`inner`)."""

    samples: dict[str, list[float]]
    inner: dict[str, int]


def take_turns(
    actions: Mapping[str, Action],
    *,
    repeats: int,
    sample_seconds: float,
    max_seconds: float,
    clock: Clock = time.perf_counter,
) -> Turns:
    """Times the actions in turns, A B A B, every second round in the opposite order.

    What disturbs the machine for a while then hits all of them alike, and going first favours none. Each action is
    first called without being timed, then calibrated so that one sample lasts at least `sample_seconds`. When
    `repeats` rounds would take longer than `max_seconds`, there are fewer, but never fewer than 3.
    """
    inner: dict[str, int] = {}
    for name, action in actions.items():
        for _ in range(WARM_UP_CALLS):
            action()
        inner[name] = calibrated(partial(once, action, clock=clock), sample_seconds)
    names = list(actions)
    samples: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    with collector_off():
        begun = clock()
        for turn in range(repeats):
            for name in names if turn % 2 == 0 else reversed(names):
                samples[name].append(once(actions[name], inner[name], clock) / inner[name])
            spent = clock() - begun
            if turn + 1 >= LEAST_SAMPLES and spent + spent / (turn + 1) > max_seconds:
                break
    return Turns(samples, inner)


def calibrated(sampler: Sampler, sample_seconds: float) -> int:
    """How many calls a sample of at least `sample_seconds` repeats."""
    inner = 1
    while (seconds := sampler(inner)) < sample_seconds:
        # Towards the goal by what was just seen, with a tenth to spare, at most tenfold at a time.
        wanted = 1.1 * inner * sample_seconds / seconds if seconds > 0 else math.inf
        inner = max(inner + 1, math.ceil(min(wanted, 10 * inner)))
    return inner


def once(action: Action, inner: int, clock: Clock = time.perf_counter) -> float:
    """The seconds that `inner` calls take together."""
    calls = range(inner)
    begun = clock()
    for _ in calls:
        action()
    return clock() - begun


def quartiles(samples: Sequence[float]) -> tuple[float, float]:
    """The ends of the middle half of the samples."""
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return low, high


def interquartile_range(samples: Sequence[float]) -> float:
    """The width of the middle half of the samples."""
    low, high = quartiles(samples)
    return high - low


def paired_ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """The ratio within each turn: what slowed the machine down in that turn cancels."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]
