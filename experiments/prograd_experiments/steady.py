"""Whether a measurement is steady: a wide spread says that the machine was busy, and what can't be said of it then."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, TypeVar

from prograd_benchmarks import timing
from prograd_experiments.records import Record

WIDEST = 0.25
"""A middle half of the timings that is wider than this part of the median says that the machine was busy."""

MOST_ATTEMPTS = 5
T = TypeVar("T")


def is_unsteady(middle: float | None, spread: float | None) -> bool:
    """Whether a median has an interquartile range that makes it unsteady; never without one of them."""
    return middle is not None and spread is not None and spread > WIDEST * abs(middle)


def widest(timings: Mapping[str, Sequence[float]]) -> float:
    """The interquartile range over the median, of whatever has the widest; 0 without timings."""
    return max((timing.interquartile_range(own) / median(own) for own in timings.values() if own), default=0.0)


def steadiest(
    measure: Callable[[float], T],
    timings_of: Callable[[T], Mapping[str, Sequence[float]]],
    max_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[T, int]:
    """The steadiest of several measurements, and how many there were: one, if that is steady.

    `measure` gets the seconds that are left. An unsteady measurement is repeated as long as another one fits into
    `max_seconds`, at most five times in all. They are told apart by their spreads alone, never by their medians.
    """
    begun = clock()
    best, attempts = measure(max_seconds), 1
    while widest(timings_of(best)) > WIDEST and attempts < MOST_ATTEMPTS:
        spent = clock() - begun
        if spent * (attempts + 1) / attempts > max_seconds:
            break
        again = measure(max_seconds - spent)
        attempts += 1
        best = min(best, again, key=lambda one: widest(timings_of(one)))
    return best, attempts


def unsteady_names(record: Record) -> str | None:
    """What is unsteady in a record, such as `forward reverse`; None if nothing is."""
    medians: Mapping[str, float] = record.get("median", {})
    spreads: Mapping[str, float] = record.get("spread", {})
    return " ".join(name for name, middle in medians.items() if is_unsteady(middle, spreads.get(name))) or None


def joined(values: Sequence[Any]) -> str | None:
    """What is unsteady in any of several records."""
    return " ".join(dict.fromkeys(name for value in values if value for name in value.split())) or None
