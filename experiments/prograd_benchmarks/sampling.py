"""Samples of time for `track_*` benchmarks, and the form in which asv does statistics on them.

asv's own `time_*` runs `setup` again before every sample and then times a single call, so that at a few microseconds it
measures cold caches. Here a benchmark is set up once, and each sample is a run of calls long enough for the clock.

    def track_seconds(self):
        return statistics(seconds({"mine": self.call})["mine"])

    def track_mine_over_control(self):
        return ratio(self.call, control.product())
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prograd_benchmarks.timing import paired_ratios, take_turns

Call = Callable[[], object]
Statistics = dict[str, object]

SAMPLES = 21
"""How many samples of each call are taken: odd, so that the median is one of them."""

SAMPLE_SECONDS = 0.002
"""The least that a sample may last, in seconds: the clock's grain and a stray interrupt vanish in it."""

MAX_SECONDS = 10.0
"""A benchmark that would sample for longer takes fewer samples."""


def seconds(calls: Mapping[str, Call]) -> dict[str, list[float]]:
    """Samples of each call, in seconds a call; the k-th samples of all calls are measured in turns."""
    return take_turns(calls, repeats=SAMPLES, sample_seconds=SAMPLE_SECONDS, max_seconds=MAX_SECONDS).samples


def ratio(numerator: Call, denominator: Call) -> Statistics:
    """Samples of how many times as long as `denominator` the `numerator` takes, each from one turn of both.

    To asv, bigger is worse: what is to become quicker goes on top.
    """
    taken = seconds({"numerator": numerator, "denominator": denominator})
    return statistics(paired_ratios(taken["numerator"], taken["denominator"]))


def statistics(samples: Sequence[float]) -> Statistics:
    """The form in which a `track_*` benchmark gets asv's median, interval and significance test."""
    # Four digits, since asv prints all that there are; the fifth is noise.
    return {"samples": [float(f"{sample:.4g}") for sample in samples], "number": 1}
