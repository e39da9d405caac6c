"""Timing calls against each other: they take turns, and each timing lasts long enough for the clock.

asv's own `time_*` runs `setup` again before every timing and then times a single call, so at a few microseconds it
measures cold caches. A `track_*` benchmark built on this module is set up once:

    def track_seconds(self):
        return statistics(seconds({"mine": self.call})["mine"])

    def track_mine_over_control(self):
        return ratio(self.call, control.product())
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import quantiles

TIMINGS = 21
"""How many timings a benchmark takes of each call; odd, so the median is one of them."""

LEAST_SECONDS = 0.002
"""How long a benchmark's timing lasts at least: the clock's resolution and a stray interrupt vanish in it."""

MAX_SECONDS = 10.0
"""A benchmark that would take longer takes fewer timings."""

LEAST_TIMINGS = 3
WARM_UP_CALLS = 2

Call = Callable[[], object]
Clock = Callable[[], float]
Statistics = dict[str, object]


@dataclass(frozen=True)
class Turns:
    """The `timings` of each call, in seconds for one call, and how many calls one timing repeats (`inner`)."""

    timings: dict[str, list[float]]
    inner: dict[str, int]


def take_turns(
    calls: Mapping[str, Call],
    *,
    repeats: int,
    least_seconds: float,
    max_seconds: float,
    clock: Clock = time.perf_counter,
) -> Turns:
    """Times the calls in turns, A B A B, reversing the order in every second round.

    A disturbance of the machine then hits all calls alike, and no call gains by going first. Each call first runs
    untimed, then it is calibrated so that one timing lasts at least `least_seconds`. If `repeats` rounds would take
    longer than `max_seconds`, there are fewer rounds, but at least 3.
    """
    inner: dict[str, int] = {}
    for name, call in calls.items():
        for _ in range(WARM_UP_CALLS):
            call()
        inner[name] = calibrated(partial(repeat, call, clock=clock), least_seconds)
    names = list(calls)
    timings: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    with collector_off():
        begun = clock()
        for turn in range(repeats):
            for name in names if turn % 2 == 0 else reversed(names):
                timings[name].append(repeat(calls[name], inner[name], clock) / inner[name])
            spent = clock() - begun
            if turn + 1 >= LEAST_TIMINGS and spent + spent / (turn + 1) > max_seconds:
                break
    return Turns(timings, inner)


def calibrated(timed: Callable[[int], float], least_seconds: float) -> int:
    """How many calls fill `least_seconds`; `timed(n)` returns the seconds that n calls take."""
    inner = 1
    # Other work on the machine can stretch one timing of far too few calls, so a second one has to last as long.
    while (seconds := timed(inner)) < least_seconds or (seconds := timed(inner)) < least_seconds:
        # Extrapolates from this timing with a tenth to spare, at most tenfold at a time.
        wanted = 1.1 * inner * least_seconds / seconds if seconds > 0 else math.inf
        inner = max(inner + 1, math.ceil(min(wanted, 10 * inner)))
    return inner


def repeat(call: Call, times: int, clock: Clock = time.perf_counter) -> float:
    """The seconds that `times` calls take together."""
    rounds = range(times)
    begun = clock()
    for _ in rounds:
        call()
    return clock() - begun


@contextmanager
def collector_off() -> Iterator[None]:
    """Turns Python's garbage collector off inside the block, or inside the function that this decorates.

    A collection would count toward whatever is being timed. Where a program builds up much data and drops none of it,
    collections find nothing and take a third of the time.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def quartiles(timings: Sequence[float]) -> tuple[float, float]:
    """The ends of the middle half."""
    if len(timings) < 2:
        return timings[0], timings[0]
    low, _, high = quantiles(timings, n=4, method="inclusive")
    return low, high


def interquartile_range(timings: Sequence[float]) -> float:
    """The width of the middle half."""
    low, high = quartiles(timings)
    return high - low


def paired_ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """The ratio within each turn: what slowed the machine down in that turn cancels."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]


def seconds(calls: Mapping[str, Call]) -> dict[str, list[float]]:
    """The timings of each call for a `track_*` benchmark, in seconds for one call, taken in turns."""
    return take_turns(calls, repeats=TIMINGS, least_seconds=LEAST_SECONDS, max_seconds=MAX_SECONDS).timings


def ratio(numerator: Call, denominator: Call) -> Statistics:
    """How many times as long as `denominator` the `numerator` takes, one ratio for each turn.

    asv takes a bigger number for a worse one: put the call that should get quicker on top.
    """
    taken = seconds({"numerator": numerator, "denominator": denominator})
    return statistics(paired_ratios(taken["numerator"], taken["denominator"]))


def statistics(timings: Sequence[float]) -> Statistics:
    """The form in which a `track_*` benchmark gets asv's median, interval and significance test."""
    # asv prints every digit it is given, and the fifth is noise.
    return {"samples": [float(f"{timing:.4g}") for timing in timings], "number": 1}
