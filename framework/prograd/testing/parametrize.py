"""A pytest case for each check of each layer, loss, penalty or operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from prograd.errors import ConformanceError, OptionError, ShapeError, UnknownNameError
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.operators import Operator
from prograd.penalty import Penalty
from prograd.testing.layer_case import LayerCase
from prograd.testing.layer_checks import LAYER_CHECKS
from prograd.testing.loss_checks import LOSS_CHECKS, LossCase
from prograd.testing.operator_checks import OPERATOR_CHECKS, operator_case
from prograd.testing.penalty_checks import PENALTY_CHECKS, PenaltyCase
from prograd.testing.report import Case, Suite

if TYPE_CHECKING:
    import pytest

# The class of a layer, a loss or a penalty (tried on its examples), an instance, `(layer, n_in)`, `(layer, n_in, z)`,
# `(loss, z, y)`, `(penalty, w)`, or an operator.
Subject: TypeAlias = Any


@dataclass(frozen=True)
class Check:
    """One check of one subject. Call it to run it."""

    name: str
    suite: Suite[Any]
    make: Callable[[], Case]

    def __call__(self) -> None:
        """Raise `ConformanceError` if the check fails, and skip the pytest case if it does not apply."""
        import pytest  # noqa: PLC0415  (only these two functions need pytest, and the kit works without it)

        outcome = self.suite.run_one(self.name, self.make())
        if outcome.status == "skipped":
            pytest.skip(outcome.message)


def parametrize_with_checks(
    subjects: Iterable[Subject], *, expected_failures: Mapping[str, str] | None = None, seed: int = 0
) -> pytest.MarkDecorator:
    """Decorate a test that takes an argument `check` and calls it: each check of each subject becomes a case.

    A subject is a class (tried on its `examples()`), an instance, `(layer, n_in)`, `(layer, n_in, z)`, `(loss, z, y)`,
    `(penalty, w)`, or an operator. `expected_failures` maps the name of a check to the reason why it is expected to
    fail. If it passes, pytest says so. Raises `OptionError` for other subjects, `UnknownNameError` for names that no
    check has.
    """
    import pytest  # noqa: PLC0415  (only these two functions need pytest, and the kit works without it)

    expected = dict(expected_failures or {})
    cases = [case for subject in subjects for case in expand(subject, seed)]
    known = {name for suite, _, _ in cases for name in suite.names}
    for name in expected:
        if name not in known:
            raise UnknownNameError("check", name, known)
    params = []
    for suite, label, make in cases:
        make_once = cache(make)  # the checks of one example share its point and its reference derivatives
        for name in suite.names:
            marks = [pytest.mark.xfail(reason=expected[name], raises=ConformanceError)] if name in expected else []
            params.append(pytest.param(Check(name, suite, make_once), id=f"{label}-{name}", marks=marks))
    return pytest.mark.parametrize("check", params)


Expanded: TypeAlias = tuple[Suite[Any], str, Callable[[], Case]]
"""A suite, a label, and a function that makes the case."""


def expand(subject: Subject, seed: int = 0) -> Iterator[Expanded]:
    """Each example of a subject. Raises `OptionError`."""
    match subject:
        case type() if issubclass(subject, (Layer, Loss, Penalty)):
            yield from _numbered(subject.examples(), seed)
        case Layer():
            yield _at((subject, _accepted_size(subject)), seed)
        case Loss() | Penalty():
            yield from _numbered(((subject, *at) for _, *at in type(subject).examples()), seed)
        case _:
            yield _at(subject, seed)


def _numbered(examples: Iterable[Subject], seed: int) -> Iterator[Expanded]:
    for k, example in enumerate(examples):
        suite, label, make = _at(example, seed)
        yield suite, f"{label}-{k}", make


def _at(subject: Subject, seed: int) -> Expanded:
    match subject:
        case (Layer() as layer, int() as n_in, *at) if len(at) < 2:
            points = at[0] if at else None
            return LAYER_CHECKS, f"{layer.name}-{n_in}", partial(LayerCase, layer, n_in, seed=seed, z=points)
        case (Loss() as loss, z, y):
            return LOSS_CHECKS, loss.name, partial(LossCase, loss, z, y, seed=seed)
        case (Penalty() as penalty, w):
            return PENALTY_CHECKS, penalty.name, partial(PenaltyCase, penalty, w, seed=seed)
        case Operator():
            return OPERATOR_CHECKS, type(subject).__name__, partial(operator_case, subject, seed=seed)
        case _:
            raise OptionError(
                "expected a class, a layer, a loss, a penalty, (layer, n_in), (layer, n_in, z), (loss, z, y), "
                f"(penalty, w) or an operator, got {subject!r}"
            )


def _accepted_size(layer: Layer) -> int:
    """The smallest size of input that the layer accepts."""
    for n_in in range(1, 129):
        try:
            layer.shapes(n_in)
        except ShapeError:
            continue
        return n_in
    raise OptionError(f"{layer.name}: expected a layer of 1 to 128 inputs, got none; give a pair (layer, n_in)")
