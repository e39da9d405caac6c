"""Samples of time and memory for `track_*` benchmarks, and the form in which asv does statistics on them.

asv's own `time_*` runs `setup` again before every sample and then times a single call, so that at a few microseconds it
measures cold caches. Here a benchmark is set up once, and each sample is a run of calls long enough for the clock.
"""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from prograd_experiments.timing import take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Call = Callable[[], object]

SAMPLES = 21
"""How many samples of each call are taken: odd, so that the median is one of them."""

SAMPLE_SECONDS = 0.002
"""The least that a sample may last, in seconds: the clock's grain and a stray interrupt vanish in it."""

MAX_SECONDS = 10.0
"""A benchmark that would sample for longer takes fewer samples."""


def seconds(calls: Mapping[str, Call]) -> dict[str, list[float]]:
    """Samples of each call, in seconds a call; the k-th samples of all calls are measured in turns."""
    return take_turns(calls, repeats=SAMPLES, sample_seconds=SAMPLE_SECONDS, max_seconds=MAX_SECONDS).samples


def peak_bytes(call: Call) -> int:
    """The most bytes that one call holds at a time, over what was held before it; exact, without noise."""
    call()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def statistics(samples: Sequence[float]) -> dict[str, object]:
    """The form in which a `track_*` benchmark gets asv's median, interval and significance test."""
    return {"samples": list(samples), "number": 1}
