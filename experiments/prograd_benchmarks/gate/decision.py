"""What the gate decides, and by which rules: pure functions of the measurements.

Exact counts have no noise, so any growth is a regression. Clocks have two kinds of noise: from timing to timing, which
asv's significance test accounts for, and from process to process, which shifts all timings of a turn alike and which
that test can't see. So the gate takes several turns, and HEAD's turns have to be worse than the base's by the rank-sum
test of Mann and Whitney (1947), which assumes no distribution and tolerates single outlying turns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from statistics import median

from asv._stats import is_different
from asv_runner.statistics import compute_stats
from scipy.stats import mannwhitneyu

from prograd_benchmarks.timing import interquartile_range

EXACT = frozenset({"instructions", "multiply-adds", "scratch-bytes", "calls", "bytes"})
"""Units of counts."""

LIMITS = {"ratio": 1.15, "seconds": 1.25}
"""Units of measurements by the clock, and how many times the base's value each may reach."""

LEAST_SECONDS = 0.01
"""Shorter times are not judged: at some microseconds, one commit can differ from itself by a third."""

GRAIN_BYTES = 512
"""How far a peak of memory may differ from itself: the interpreter keeps names that are made while a call runs."""

STEADY = 0.3
"""A turn is steady if the middle half of its timings, as a part of their median, is at most this wide."""

TURNS = 2
"""A benchmark is judged if each revision has at least this many steady turns."""

SIGNIFICANT = 0.02
"""The largest probability that chance alone ordered the turns this way, required besides asv's test and the limit.
With 3 and 3 turns chance puts all of HEAD's last once in 20 times, with 4 and 4 once in 70."""


class Finding(Enum):
    """What the gate says about one benchmark."""

    FINE = "fine"
    BETTER = "better"
    REGRESSION = "regression"
    ACCEPTED = "accepted"
    NEW = "new"
    UNJUDGED = "not judged"
    UNCLEAR = "unclear"
    FAILED = "failed"
    MOVED = "moved"


ACCEPT = "bench: accept"
"""What a line of a commit message begins with, before the name of a benchmark whose count may grow."""

OPEN = frozenset({Finding.UNCLEAR, Finding.MOVED})
"""The findings that further turns may change."""


_COMPARED = OPEN | {Finding.FINE, Finding.BETTER, Finding.REGRESSION}


class Verdict(IntEnum):
    """What the gate says in the end; the value is its exit status."""

    FINE = 0
    REGRESSION = 1
    UNDECIDED = 2
    BUSY = 3


@dataclass(frozen=True)
class Measurement:
    """One benchmark with one set of parameters in one turn; `timings` is empty if the benchmark returned a number."""

    unit: str
    value: float
    timings: tuple[float, ...] = ()

    @classmethod
    def of(cls, unit: str, timings: Sequence[float]) -> Measurement:
        """The value is the median, as in asv."""
        return cls(unit, median(timings), tuple(timings))


Turn = dict[str, Measurement | None]
"""The measurements of one turn by name; None for a benchmark that failed. One that skipped itself is left out."""


@dataclass(frozen=True)
class Judgement:
    """The finding about one benchmark with one set of parameters; a value is None if that revision has none."""

    name: str
    unit: str
    base: float | None
    head: float | None
    finding: Finding
    why: str = ""

    @property
    def factor(self) -> float | None:
        """HEAD's value over the base's."""
        if self.base is None or self.head is None:
            return None
        if self.base == 0:
            return 1.0 if self.head == 0 else float("inf")
        return self.head / self.base


def is_control(name: str) -> bool:
    """Whether a benchmark belongs to the suite's module `control`, and so runs nobody's code."""
    return name.startswith("control.")


def judge(base: Sequence[Turn], head: Sequence[Turn], accepted: Collection[str] = ()) -> list[Judgement]:
    """One judgement for each benchmark that ran at either revision, from all turns of both."""
    names = sorted({name for turn in (*base, *head) for name in turn})
    return [_judged(name, _taken(name, base), _taken(name, head), accepted) for name in names]


def verdict(found: Sequence[Judgement]) -> Verdict:
    """A regression if there is any; else undecided if one fails or nothing is compared; else busy if any is open."""
    if any(judgement.finding is Finding.REGRESSION for judgement in found):
        return Verdict.REGRESSION
    judged = OPEN | {Finding.FINE, Finding.BETTER, Finding.ACCEPTED}
    compared = any(judgement.finding in judged and not is_control(judgement.name) for judgement in found)
    if not compared or any(judgement.finding is Finding.FAILED for judgement in found):
        return Verdict.UNDECIDED
    return Verdict.BUSY if any(judgement.finding in OPEN for judgement in found) else Verdict.FINE


def against_control(found: Sequence[Judgement]) -> list[Judgement]:
    """The same judgements, but a regression is unclear unless the controls of its unit are fine.

    A benchmark that seems fine on a machine that moved may still have got worse. The control itself stays among the
    judgements as moved, so nothing is decided. Controls of a unit in which nothing else is compared are not judged.
    """
    compared = {one.unit for one in found if not is_control(one.name) and one.finding in _COMPARED}
    controls: dict[str, set[Finding]] = {}
    for one in found:
        if is_control(one.name):
            controls.setdefault(one.unit, set()).add(one.finding)
    return [_with_controls(one, compared, controls.get(one.unit, set())) for one in found]


def wants_more_turns(found: Iterable[Judgement]) -> bool:
    """Whether further turns could change the verdict; they can't once a count has grown."""
    found = list(found)
    if any(judgement.finding is Finding.REGRESSION for judgement in found):
        return False
    return any(judgement.finding in OPEN for judgement in found)


def accepted_names(messages: str) -> list[str]:
    """The names in lines `bench: accept NAME` of commit messages; empty for a line without a name."""
    lines = [line.strip() for line in messages.splitlines()]
    return [line.removeprefix(ACCEPT).strip() for line in lines if f"{line} ".startswith(f"{ACCEPT} ")]


def unused(accepted: Iterable[str], found: Sequence[Judgement]) -> list[str]:
    """The accepted names that no count among the benchmarks has."""
    counts = [judgement.name for judgement in found if judgement.unit in EXACT]
    return [name for name in dict.fromkeys(accepted) if not any(accepted_by(count, {name}) for count in counts)]


def accepted_by(name: str, accepted: Collection[str]) -> bool:
    """Whether the benchmark is accepted, with these parameters or with any."""
    return name in accepted or name.partition("(")[0] in accepted


def _taken(name: str, turns: Sequence[Turn]) -> list[Measurement | None]:
    return [turn[name] for turn in turns if name in turn]


def _judged(
    name: str, base: Sequence[Measurement | None], head: Sequence[Measurement | None], accepted: Collection[str]
) -> Judgement:
    before = [measurement for measurement in base if measurement is not None]
    after = [measurement for measurement in head if measurement is not None]
    unit = (before or after)[0].unit if before or after else ""
    if len(after) < len(head) or not (before or after):
        return Judgement(name, unit, _value(before), None, Finding.FAILED, "does not run at HEAD")
    if not after:
        return Judgement(name, unit, _value(before), None, Finding.FAILED, "is skipped at HEAD")
    if not before:
        return Judgement(name, unit, None, _value(after), Finding.NEW, "has no counterpart at the base")
    if unit in EXACT:
        return _exact(name, before, after, accepted)
    if unit in LIMITS and all(measurement.timings for measurement in (*before, *after)):
        return _measured(name, before, after)
    why = "has no timings" if unit in LIMITS else "has a unit that the gate does not know"
    return Judgement(name, unit, _value(before), _value(after), Finding.UNJUDGED, why)


def _exact(name: str, base: Sequence[Measurement], head: Sequence[Measurement], accepted: Collection[str]) -> Judgement:
    unit = base[0].unit
    before, after = min(count.value for count in base), min(count.value for count in head)
    grain = GRAIN_BYTES if unit == "bytes" else 0
    if after > before + grain:
        if accepted_by(name, accepted):
            return Judgement(name, unit, before, after, Finding.ACCEPTED, "by a commit's message")
        return Judgement(name, unit, before, after, Finding.REGRESSION, "a count may not grow")
    return Judgement(name, unit, before, after, Finding.BETTER if after < before - grain else Finding.FINE)


def _measured(name: str, base: Sequence[Measurement], head: Sequence[Measurement]) -> Judgement:
    calm_base, calm_head = _steady(base), _steady(head)
    before, after = _value(calm_base or base), _value(calm_head or head)
    unit, control = base[0].unit, is_control(name)
    fine = Judgement(name, unit, before, after, Finding.FINE)
    if unit == "seconds" and not control and max(before or 0, after or 0) < LEAST_SECONDS:
        return replace(fine, finding=Finding.UNJUDGED, why=f"takes less than {LEAST_SECONDS:g} s")
    if min(len(base), len(head)) < TURNS:
        return replace(fine, finding=Finding.UNCLEAR, why="measured only once")
    if min(len(calm_base), len(calm_head)) < TURNS:
        return replace(fine, finding=Finding.UNCLEAR, why="scattered by other work on the machine")
    worse, better = _beyond(calm_base, calm_head), _beyond(calm_head, calm_base)
    if control and (worse or better):
        return replace(fine, finding=Finding.MOVED, why="no revision can change it: the machine did")
    if worse:
        finding, why = _over_the_limit(calm_base, calm_head)
        return replace(fine, finding=finding, why=why)
    return replace(fine, finding=Finding.BETTER) if better else fine


def _over_the_limit(base: Sequence[Measurement], head: Sequence[Measurement]) -> tuple[Finding, str]:
    before, after = [turn.value for turn in base], [turn.value for turn in head]
    if mannwhitneyu(after, before, alternative="greater", method="exact").pvalue > SIGNIFICANT:
        return Finding.UNCLEAR, "over the limit, not yet confirmed"
    return Finding.REGRESSION, f"at most {LIMITS[base[0].unit]:g} times the base's"


def _steady(turns: Sequence[Measurement]) -> list[Measurement]:
    return [turn for turn in turns if interquartile_range(turn.timings) <= STEADY * median(turn.timings)]


def _beyond(less: Sequence[Measurement], more: Sequence[Measurement]) -> bool:
    """Whether `more` is over the limit relative to `less`, and asv's own test calls them different."""
    a = [timing for turn in less for timing in turn.timings]
    b = [timing for turn in more for timing in turn.timings]
    if median(b) <= LIMITS[less[0].unit] * median(a):
        return False
    return bool(is_different(a, b, compute_stats(a, 1)[1], compute_stats(b, 1)[1]))


def _value(turns: Sequence[Measurement]) -> float | None:
    if not turns:
        return None
    timings = [timing for turn in turns for timing in turn.timings]
    return median(timings) if timings else min(turn.value for turn in turns)


def _with_controls(judgement: Judgement, compared: Collection[str], controls: Collection[Finding]) -> Judgement:
    if is_control(judgement.name):
        if judgement.unit in compared:
            return judgement
        return replace(judgement, finding=Finding.UNJUDGED, why="nothing is compared in this unit")
    if judgement.finding is not Finding.REGRESSION or judgement.unit not in LIMITS or set(controls) == {Finding.FINE}:
        return judgement
    if not controls:
        why = f"there is no control in {judgement.unit}"
    elif Finding.MOVED in controls:
        why = "the control moved: the machine changed"
    else:
        why = "the control has no value yet"
    return replace(judgement, finding=Finding.UNCLEAR, why=why)
