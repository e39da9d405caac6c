"""What the gate decides, and by which rules. Pure functions of what was measured.

Exact counts have no noise, so any growth is a regression. What was measured with a clock has noise of two kinds: from
sample to sample, which asv's significance test knows about, and from process to process, which shifts all the samples
of a turn alike and which that test can't see. So several turns are taken, and those of HEAD have to be worse as turns:
by the rank-sum test of Mann and Whitney (1947), which asks nothing of the shape of the noise and forgives single turns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from statistics import median, quantiles

from asv._stats import is_different
from asv_runner.statistics import compute_stats
from scipy.stats import mannwhitneyu

from prograd_benchmarks.gate.series import Series, Turn

EXACT = frozenset({"multiply-adds", "bytes", "calls"})
"""Units of counts."""

LIMITS = {"ratio": 1.15, "seconds": 1.25}
"""Units of what was measured, and how many times as much as at the base it may be."""

LEAST_SECONDS = 0.01
"""Times below it are not judged: the same commit can differ from itself by a third at some microseconds."""

GRAIN_BYTES = 512
"""By how many bytes a peak may differ from itself: those of names that the interpreter keeps while a call runs."""

STEADY = 0.3
"""The middle half of a turn's samples may be so wide, as a part of their median; a wider one tells of other work."""

TURNS = 2
"""The fewest steady turns of each revision from which a benchmark is judged at all."""

SIGNIFICANT = 0.02
"""How likely chance may be to order the turns as they are found, on top of asv's test and of the limit: of 3 and 3 it
has all of HEAD's behind with one in twenty, of 4 and 4 with one in seventy."""


class Finding(Enum):
    """What is to be said about one benchmark."""

    FINE = "fine"
    BETTER = "better"
    REGRESSION = "regression"
    ACCEPTED = "accepted"
    NEW = "new"
    UNJUDGED = "not judged"
    UNCLEAR = "unclear"
    FAILED = "failed"
    MOVED = "moved"


OPEN = frozenset({Finding.UNCLEAR, Finding.MOVED})
"""What further turns may tell."""


class Verdict(IntEnum):
    """What the gate says; the value is its exit status."""

    FINE = 0
    REGRESSION = 1
    UNDECIDED = 2


@dataclass(frozen=True)
class Row:
    """One benchmark at one point of its parameters, at the base and at HEAD; None where it has no value."""

    name: str
    unit: str
    base: float | None
    head: float | None
    finding: Finding
    why: str = ""

    @property
    def factor(self) -> float | None:
        """How many times as much as at the base."""
        if self.base is None or self.head is None:
            return None
        if self.base == 0:
            return 1.0 if self.head == 0 else float("inf")
        return self.head / self.base


def is_control(name: str) -> bool:
    """Whether a benchmark stands in the suite's module `control`, and so involves nobody's code."""
    return name.startswith("control.")


def rows(base: Sequence[Turn], head: Sequence[Turn], accepted: Collection[str] = ()) -> list[Row]:
    """One row for each benchmark that ran at either revision, from all the turns of both."""
    names = sorted({name for turn in (*base, *head) for name in turn})
    return [_row(name, _taken(name, base), _taken(name, head), accepted) for name in names]


def verdict(found: Sequence[Row]) -> Verdict:
    """A regression wherever there is one; undecided if anything is, or if nothing could be compared; else fine."""
    if any(row.finding is Finding.REGRESSION for row in found):
        return Verdict.REGRESSION
    untold = any(row.finding in OPEN or row.finding is Finding.FAILED for row in found)
    judged = {Finding.FINE, Finding.BETTER, Finding.ACCEPTED}
    if untold or not any(row.finding in judged and not is_control(row.name) for row in found):
        return Verdict.UNDECIDED
    return Verdict.FINE


def against_control(found: Sequence[Row]) -> list[Row]:
    """The same rows; but where the control moved, or is missing, what has its unit is unclear unless it is fine.

    A benchmark that is fine on a machine that moved may have got worse unseen: the control itself stays in the rows as
    moved, and so nothing is decided.
    """
    steady = {row.unit for row in found if is_control(row.name) and row.finding is Finding.FINE}
    moved = {row.unit for row in found if is_control(row.name) and row.finding is not Finding.FINE}
    return [_doubted(row, row.unit in steady - moved) for row in found]


def wants_more_turns(found: Iterable[Row]) -> bool:
    """Whether further turns could change what is said: never where a count has grown, which they leave as it is."""
    found = list(found)
    if any(row.finding is Finding.REGRESSION for row in found):
        return False
    return any(row.finding in OPEN for row in found)


def accepted_names(messages: str) -> list[str]:
    """What the commits' messages accept, in lines `bench: accept NAME`."""
    lines = [line.strip() for line in messages.splitlines()]
    return [line.removeprefix("bench: accept ").strip() for line in lines if line.startswith("bench: accept ")]


def _taken(name: str, turns: Sequence[Turn]) -> list[Series | None]:
    return [turn[name] for turn in turns if name in turn]


def _row(name: str, base: Sequence[Series | None], head: Sequence[Series | None], accepted: Collection[str]) -> Row:
    before = [series for series in base if series is not None]
    after = [series for series in head if series is not None]
    unit = (before or after)[0].unit if before or after else ""
    if len(after) < len(head) or not (before or after):
        return Row(name, unit, _value(before), None, Finding.FAILED, "does not run at HEAD")
    if not after:
        return Row(name, unit, _value(before), None, Finding.FAILED, "is skipped at HEAD")
    if not before:
        return Row(name, unit, None, _value(after), Finding.NEW, "has nothing to be compared with")
    if unit in EXACT:
        return _exact(name, before, after, accepted)
    if unit in LIMITS and all(series.samples for series in (*before, *after)):
        return _measured(name, before, after)
    why = "has no samples" if unit in LIMITS else "has no unit that the gate knows"
    return Row(name, unit, _value(before), _value(after), Finding.UNJUDGED, why)


def _exact(name: str, base: Sequence[Series], head: Sequence[Series], accepted: Collection[str]) -> Row:
    unit = base[0].unit
    before, after = min(series.value for series in base), min(series.value for series in head)
    grain = GRAIN_BYTES if unit == "bytes" else 0
    if after > before + grain:
        if accepted_by(name, accepted):
            return Row(name, unit, before, after, Finding.ACCEPTED, "by a commit's message")
        return Row(name, unit, before, after, Finding.REGRESSION, "a count may not grow")
    return Row(name, unit, before, after, Finding.BETTER if after < before - grain else Finding.FINE)


def accepted_by(name: str, accepted: Collection[str]) -> bool:
    """Whether the benchmark is accepted, at this point of its parameters or at all of them."""
    return name in accepted or name.partition("(")[0] in accepted


def _measured(name: str, base: Sequence[Series], head: Sequence[Series]) -> Row:
    calm_base, calm_head = _steady(base), _steady(head)
    before, after = _value(calm_base or base), _value(calm_head or head)
    unit, control = base[0].unit, is_control(name)
    if unit == "seconds" and not control and max(before or 0, after or 0) < LEAST_SECONDS:
        return Row(name, unit, before, after, Finding.UNJUDGED, f"takes less than {LEAST_SECONDS:g} s")
    if min(len(base), len(head)) < TURNS:
        return Row(name, unit, before, after, Finding.UNCLEAR, "measured only once")
    if min(len(calm_base), len(calm_head)) < TURNS:
        why = "scattered by other work on the machine"
        return Row(name, unit, before, after, Finding.UNCLEAR, why)
    worse, better = _beyond(calm_base, calm_head), _beyond(calm_head, calm_base)
    if control and (worse or better):
        return Row(name, unit, before, after, Finding.MOVED, "no revision can change it: the machine did")
    if worse:
        return Row(name, unit, before, after, *_over_the_limit(calm_base, calm_head))
    return Row(name, unit, before, after, Finding.BETTER if better else Finding.FINE)


def _over_the_limit(base: Sequence[Series], head: Sequence[Series]) -> tuple[Finding, str]:
    before, after = [series.value for series in base], [series.value for series in head]
    if mannwhitneyu(after, before, alternative="greater", method="exact").pvalue > SIGNIFICANT:
        return Finding.UNCLEAR, "over the limit, not yet confirmed"
    return Finding.REGRESSION, f"at most {LIMITS[base[0].unit]:g} times the base's"


def _steady(turns: Sequence[Series]) -> list[Series]:
    return [series for series in turns if _spread(series.samples) <= STEADY]


def _spread(samples: Sequence[float]) -> float:
    if len(samples) < 2:
        return 0.0
    low, middle, high = quantiles(samples, n=4, method="inclusive")
    return (high - low) / middle


def _beyond(less: Sequence[Series], more: Sequence[Series]) -> bool:
    """Whether `more` is over the limit, seen from `less`, and asv's own test finds that they differ."""
    a = [sample for series in less for sample in series.samples]
    b = [sample for series in more for sample in series.samples]
    if median(b) <= LIMITS[less[0].unit] * median(a):
        return False
    return bool(is_different(a, b, compute_stats(a, 1)[1], compute_stats(b, 1)[1]))


def _value(turns: Sequence[Series]) -> float | None:
    if not turns:
        return None
    samples = [sample for series in turns for sample in series.samples]
    return median(samples) if samples else min(series.value for series in turns)


def _doubted(row: Row, trusted: bool) -> Row:  # noqa: FBT001
    if is_control(row.name) or row.unit not in LIMITS or trusted or row.finding is not Finding.REGRESSION:
        return row
    return Row(row.name, row.unit, row.base, row.head, Finding.UNCLEAR, "the control moved, or there is none")
