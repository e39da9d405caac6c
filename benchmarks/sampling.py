"""Samples of time and memory for `track_*` benchmarks, and the form in which asv does statistics on them.

asv's own `time_*` runs `setup` again before every sample and then times a single call, so that at a few microseconds it
measures cold caches. Here a benchmark is set up once, and each sample is a run of calls long enough for the clock.
"""

from __future__ import annotations

import tracemalloc
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Call = Callable[[], object]

SAMPLE_SECONDS = 0.002
"""The least that one sample may take, in seconds: the clock's grain and a stray interrupt vanish in it."""

SAMPLES = 21
"""How many samples of each call are taken. Odd, so that the median is a sample."""


def calibrate(call: Call, seconds: float = SAMPLE_SECONDS) -> int:
    """How many calls in a row take at least `seconds`. Warms up the call on the way."""
    call()
    number = 1
    while (taken := _time(call, number)) < seconds:
        # Aiming a tenth over the mark: a sample that falls just short of it would cost another round.
        number = max(number + 1, min(10 * number, int(1.1 * number * seconds / max(taken, 1e-9))))
    return number


def alternate(calls: Sequence[Call], samples: int = SAMPLES) -> list[list[float]]:
    """Seconds a call, as `samples` rows with one entry for each of `calls`.

    A row is measured back to back, and every other row in the opposite order: drift of the machine falls on all calls
    alike. The repeats of each call are calibrated before the first sample.
    """
    numbers = [calibrate(call) for call in calls]
    rows = []
    for row in range(samples):
        order = range(len(calls)) if row % 2 == 0 else reversed(range(len(calls)))
        seconds = {k: _time(calls[k], numbers[k]) / numbers[k] for k in order}
        rows.append([seconds[k] for k in range(len(calls))])
    return rows


def peak_bytes(call: Call) -> int:
    """The most bytes that one call holds at a time, over what was held before it; exact, without noise."""
    call()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def statistics(samples: Sequence[float]) -> dict[str, object]:
    """The form in which a `track_*` benchmark gets asv's median, interval and significance test."""
    return {"samples": list(samples), "number": 1}


def _time(call: Call, number: int) -> float:
    start = perf_counter()
    for _ in range(number):
        call()
    return perf_counter() - start
