"""One pytest case for each check of each layer, loss or operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from prograd.errors import ConformanceError, OptionError, ShapeError, UnknownNameError
from prograd.layer import Layer
from prograd.loss import Loss
from prograd.operators import Operator
from prograd.testing.kit import OPERATOR_CHECKS, layer_case, loss_case, operator_case
from prograd.testing.layers import LAYER_CHECKS
from prograd.testing.losses import LOSS_CHECKS
from prograd.testing.report import Case, Suite

if TYPE_CHECKING:
    import pytest

# A layer's or a loss's class (tried on its examples), a `(layer, n_in)` pair, a `(loss, z, y)` triple, or an operator.
Subject: TypeAlias = Any


@dataclass(frozen=True)
class Check:
    """One check of one subject; call it to run it."""

    name: str
    suite: Suite[Any]
    make: Callable[[], Case]

    def __call__(self) -> None:
        """Raises `ConformanceError` if the check fails, and skips the pytest case if it does not apply."""
        import pytest  # noqa: PLC0415  (the kit needs pytest for this alone, and so does not depend on it)

        outcome = self.suite.run_one(self.name, self.make())
        if outcome.status == "skipped":
            pytest.skip(outcome.message)


def parametrize_with_checks(
    subjects: Iterable[Subject], *, expected_failures: Mapping[str, str] | None = None, seed: int = 0
) -> pytest.MarkDecorator:
    """Decorates a test with an argument `check`, one case for each check of each subject; the test calls `check()`.

    A subject is a class (tried on its `examples()`), an instance, a pair `(layer, n_in)`, a triple `(loss, z, y)`, or
    an operator. `expected_failures` maps a check's name to the reason why it is expected to fail; if it passes after
    all, pytest says so. Raises `OptionError` for other subjects, `UnknownNameError` for names that no check has.
    """
    import pytest  # noqa: PLC0415  (the kit needs pytest for this alone, and so does not depend on it)

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


def expand(subject: Subject, seed: int = 0) -> Iterator[tuple[Suite[Any], str, Callable[[], Case]]]:
    """The suite, a label and what makes the case, for each example of a subject. Raises `OptionError`."""
    match subject:
        case type() if issubclass(subject, (Layer, Loss)):
            for k, example in enumerate(subject.examples()):
                for suite, label, make in expand(example, seed):
                    yield suite, f"{label}-{k}", make
        case (Layer() as layer, int() as n_in):
            yield LAYER_CHECKS, f"{layer.name}-{n_in}", lambda: layer_case(layer, n_in, seed=seed)
        case (Loss() as loss, z, y):
            yield LOSS_CHECKS, loss.name, lambda: loss_case(loss, z, y, seed=seed)
        case Layer():
            yield from expand((subject, _accepted_size(subject)), seed)
        case Loss():
            for k, (_, z, y) in enumerate(type(subject).examples()):
                yield LOSS_CHECKS, f"{subject.name}-{k}", lambda z=z, y=y: loss_case(subject, z, y, seed=seed)  # type: ignore[misc]
        case Operator():
            yield OPERATOR_CHECKS, type(subject).__name__, lambda: operator_case(subject, seed=seed)
        case _:
            raise OptionError(
                f"expected a class, a layer, a loss, (layer, n_in), (loss, z, y) or an operator, got {subject!r}"
            )


def _accepted_size(layer: Layer) -> int:
    """The first size of input that the layer takes."""
    for n_in in range(1, 129):
        try:
            layer.shapes(n_in)
        except ShapeError:
            continue
        return n_in
    raise OptionError(f"{layer.name}: takes no inputs of size 1 to 128; give a pair (layer, n_in)")
