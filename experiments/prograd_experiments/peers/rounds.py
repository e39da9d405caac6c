"""Engines in turns, round by round, each with a budget of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prograd_benchmarks import timing
from prograd_experiments.peers.remote import Lost


@dataclass(frozen=True)
class Rounds:
    """`samples` in seconds per call, the calls in one (`inner`), and why some contestants were lost on the way.

    Everyone takes part from the first round on, so samples at the same position are of the same round.
    """

    samples: dict[str, list[float]] = field(default_factory=dict)
    inner: dict[str, int] = field(default_factory=dict)
    lost: dict[str, Lost] = field(default_factory=dict)


def take_turns(
    samplers: Mapping[str, Callable[[int], float]],
    *,
    repeats: int,
    sample_seconds: float,
    rest_seconds: float,
    engine_seconds: float,
) -> Rounds:
    """Times A B C, C B A, A B C, …; who has used up `engine_seconds` sits out rounds after the third.

    So a slow contestant does not cost the quick ones their rounds. Before each sample there is a rest: the threads of
    whoever had the turn before wait for more work for some milliseconds, and keep a core busy with that.
    """
    rounds = Rounds()
    for name, sampler in samplers.items():
        time.sleep(rest_seconds)
        try:
            # Twice: whoever is disturbed just then would otherwise have samples that are too short to the end.
            rounds.inner[name] = max(timing.calibrated(sampler, sample_seconds) for _ in range(2))
        except Lost as lost:
            rounds.lost[name] = lost
        else:
            rounds.samples[name] = []
    for turn in range(repeats):
        names = [name for name, samples in rounds.samples.items() if len(samples) == turn]
        for name in names if turn % 2 == 0 else reversed(names):
            spent = rounds.inner[name] * sum(rounds.samples[name])
            if turn >= timing.LEAST_TIMINGS and spent * (turn + 1) / turn > engine_seconds:
                continue
            time.sleep(rest_seconds)
            try:
                rounds.samples[name].append(samplers[name](rounds.inner[name]) / rounds.inner[name])
            except Lost as lost:
                rounds.lost[name] = lost
                del rounds.samples[name], rounds.inner[name]
    return rounds
