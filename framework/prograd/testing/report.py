"""The outcome of each check, the report of all of them, and the suites of checks that make reports."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from prograd.errors import ConformanceError, ProgradError
from prograd.foreign import let_pass
from prograd.testing.raised import told

Status: TypeAlias = Literal["passed", "failed", "skipped"]

FEW: Final = 3
"""Checks, at most, that a report names where one reason skips them all."""


class CheckError(ProgradError, AssertionError):
    """Raised by a check that fails. The message says what is wrong, where, and the likely cause."""


class CheckAdvice(ProgradError):  # noqa: N818  (advice is not an error)
    """Raised by a check that passes, where the author can do better. The message says what is lost, and how."""


class CheckSkipped(ProgradError):  # noqa: N818  (a skipped check is not an error)
    """Raised by a check that does not apply. The message says why."""


def advise_on_mutable(subject: object) -> None:
    """Raise `CheckAdvice` for a dataclass that is not frozen."""
    parameters = getattr(type(subject), "__dataclass_params__", None)
    if parameters is not None and not parameters.frozen:
        raise CheckAdvice(
            f"{type(subject).__name__}: expected @dataclass(frozen=True), got a dataclass that is not frozen; nobody "
            "checks an option that is set later, and tapes and plans that were made before do not notice it"
        )


@contextmanager
def named(subject: str) -> Iterator[None]:
    """Inside, what the code under test raises becomes a `CheckError` that begins with the name of its subject."""
    try:
        yield
    except (CheckError, CheckAdvice, CheckSkipped):
        raise
    except BaseException as error:
        let_pass(error)
        raise CheckError(f"{subject}: {told(error)}") from error


class Steady(Protocol):
    """A case that knows whether its values repeat from call to call."""

    @property
    def steady(self) -> bool:
        """Whether two calls gave the same."""


def require_steady(case: Steady) -> None:
    """Raises `CheckSkipped` for a case whose values differ from call to call: a difference of two means nothing."""
    if not case.steady:
        raise CheckSkipped("means nothing while repeatable fails")


@dataclass(frozen=True)
class Outcome:
    """One check: its name, its status, and the message of a failure, the advice, or the reason of a skip."""

    name: str
    status: Status
    message: str = ""

    @property
    def is_advice(self) -> bool:
        """Whether the check passed but says what could be better."""
        return self.status == "passed" and bool(self.message)

    def __str__(self) -> str:
        return f"{self.name}: {self.status}" + (f": {self.message}" if self.message else "")


@dataclass(frozen=True)
class Report:
    """The outcomes of all checks of one layer, loss, penalty or operator."""

    subject: str
    outcomes: tuple[Outcome, ...]

    def named(self, status: Status) -> tuple[str, ...]:
        """The names of the checks with this status."""
        return tuple(outcome.name for outcome in self.outcomes if outcome.status == status)

    @property
    def passed(self) -> tuple[str, ...]:
        """The names of the checks that passed."""
        return self.named("passed")

    @property
    def skipped(self) -> tuple[str, ...]:
        """The names of the checks that do not apply."""
        return self.named("skipped")

    @property
    def advice(self) -> tuple[Outcome, ...]:
        """The outcomes of the checks that passed but say what could be better."""
        return tuple(outcome for outcome in self.outcomes if outcome.is_advice)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes of the checks that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")

    def __str__(self) -> str:
        mark = {"passed": "ok     ", "failed": "FAILED "}
        counts = [f"{len(self.named(status))} {status}" for status in ("passed", "failed", "skipped")]
        counts += [f"{len(self.advice)} with advice"] if self.advice else []
        lines = [f"{self.subject}: {', '.join(counts)}"]
        for outcome in self.outcomes:
            if outcome.status != "skipped":
                message = outcome.message.replace("\n", "\n" + " " * 12)
                start = "advice " if outcome.is_advice else mark[outcome.status]
                lines.append(f"  {start} {outcome.name}" + (f": {message}" if message else ""))
        if self.skipped:
            lines.append(f"  skipped {self._skips()}")
        return "\n".join(lines)

    def _skips(self) -> str:
        """Each reason once, with the checks that it skips, or their number if they are many."""
        names: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            if outcome.status == "skipped":
                names.setdefault(outcome.message, []).append(outcome.name)
        return "; ".join(
            f"{', '.join(checks) if len(checks) <= FEW else f'{len(checks)} checks'}: {reason}"
            for reason, checks in names.items()
        )


class Case(Protocol):
    """What a suite checks: a layer, a loss, a penalty or an operator, with the numbers that its checks share."""

    subject: str
    """Its name in reports."""


CaseT = TypeVar("CaseT", bound=Case)


@dataclass(frozen=True)
class Suite(Generic[CaseT]):
    """The checks for one kind of case, in order. If the `first` fails, the others mean nothing and are skipped."""

    first: Callable[[CaseT], None]
    rest: Sequence[Callable[[CaseT], None]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the checks, in order."""
        return tuple(check.__name__ for check in (self.first, *self.rest))

    def run(self, case: CaseT) -> Report:
        """Run all checks. Raises `ConformanceError` if any of them fails."""
        report = self.report(case)
        if report.failures:
            raise ConformanceError(str(report), report.failures)
        return report

    def report(self, case: CaseT) -> Report:
        """Run all checks without raising an error for those that fail."""
        outcomes = [_outcome(self.first, case)]
        for check in self.rest:
            outcomes.append(self._after_first(outcomes[0], check, case))
        return Report(case.subject, tuple(outcomes))

    def run_one(self, name: str, case: CaseT) -> Outcome:
        """Run the check with this name. Raises `ConformanceError` if it fails."""
        outcome = _outcome(self.first, case)
        if name != self.first.__name__:
            outcome = self._after_first(outcome, {check.__name__: check for check in self.rest}[name], case)
        if outcome.status == "failed":
            raise ConformanceError(f"{case.subject}: {outcome.name}: {outcome.message}", [outcome])
        return outcome

    def _after_first(self, first: Outcome, check: Callable[[CaseT], None], case: CaseT) -> Outcome:
        if first.status == "failed":
            return Outcome(check.__name__, "skipped", f"means nothing while {first.name} fails")
        return _outcome(check, case)


def _outcome(check: Callable[[CaseT], None], case: CaseT) -> Outcome:
    name = check.__name__
    try:
        with warnings.catch_warnings():
            # At ordinary arguments, a warning of numpy announces an overflow or a NaN.
            warnings.simplefilter("error", RuntimeWarning)
            check(case)
    except CheckError as failure:
        return Outcome(name, "failed", str(failure))
    except CheckAdvice as advice:
        return Outcome(name, "passed", str(advice))
    except CheckSkipped as skip:
        return Outcome(name, "skipped", str(skip))
    except BaseException as error:  # noqa: BLE001  (the code under test may raise anything, and that is a finding)
        let_pass(error)
        return Outcome(name, "failed", told(error))
    return Outcome(name, "passed")
