"""Each wrong loss is caught by the check that is meant for it, and by no other."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import special

import prograd
from prograd import Loss, recursions
from prograd.errors import LabelError
from prograd.operators import Dense, Diagonal, DiagonalPlusLowRank
from prograd.testing import check_loss
from prograd.testing.loss_checks import LOSS_CHECKS
from tests.helpers import operators
from tests.helpers.gallery import Gallery, failures_of
from tests.helpers.losses import Concave
from tests.helpers.operators import Own

Z = np.array([[0.3, -1.2, 0.6], [1.4, 0.2, -0.5], [0.1, 0.9, 2.0]])
Y = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0], [0.6, 0.1, 0.3]])
GALLERY = Gallery(check_loss, z=Z, y=Y)
wrong = GALLERY.wrong

NOTHING_WRONG = {
    "frozen": "it gives advice alone; see test_a_dataclass_that_is_not_frozen_gets_advice",
    "network": "only a wrong engine fails it; see test_a_wrong_engine_is_caught_by_the_network",
    "recordable": "it gives advice alone; see test_a_loss_that_asks_for_numbers_gets_advice",
    "saturation": "it gives advice alone; see test_digits_that_are_lost_in_float32_are_advice",
}


@pytest.mark.parametrize("entry", GALLERY.entries)
def test_wrong_loss_is_caught(entry) -> None:
    GALLERY.caught(entry)


class Right(Loss):
    """Softmax cross-entropy, correct; each wrong loss changes one thing about it."""

    def value(self, z, y):
        largest = z.max(axis=1, keepdims=True)
        return largest[:, 0] + np.log(np.exp(z - largest).sum(axis=1)) - (y * z).sum(axis=1)

    def gradient(self, z, y):
        return self.probabilities(z) - y

    def hessian(self, z, y):
        p = self.probabilities(z)
        return DiagonalPlusLowRank(p, -p[..., None], p[..., None])

    def probabilities(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def check(self, z, y):
        if not (abs(y.sum(axis=1) - 1) < 1e-6).all():
            raise LabelError("each label must sum to 1")


def test_the_gallery_starts_from_a_right_loss() -> None:
    assert check_loss(Right(), Z, Y).failures == ()


def test_each_check_catches_what_no_other_does() -> None:
    assert set(LOSS_CHECKS.names) - GALLERY.alone == set(NOTHING_WRONG)


@wrong("gradient", "hessian", says=r"gradient\[0, \d\] of sample \d: .* finite differences of value, .*: the sign")
class SignOfTheGradient(Right):
    def gradient(self, z, y):
        return -super().gradient(z, y)

    def value_and_gradient(self, z, y):
        return self.value(z, y), self.gradient(z, y)


@wrong("gradient", says=r"gradient\[0, \d\] of sample \d")
class GradientIsOffByAConstant(Right):
    """Its own derivative is right."""

    def gradient(self, z, y):
        return super().gradient(z, y) + z.dtype.type(0.1)


@wrong("gradient", "samples", "hessian", says="an extra factor of 1/N")
class GradientOfTheMean(Right):
    def gradient(self, z, y):
        return super().gradient(z, y) / len(z)


@wrong("samples", says="which the objective applies")
class EachIsDividedByN(Right):
    """Value, gradient and hessian agree, and the mean is taken twice."""

    def value(self, z, y):
        return super().value(z, y) / len(z)

    def gradient(self, z, y):
        return super().gradient(z, y) / len(z)

    def hessian(self, z, y):
        p = special.softmax(z, axis=1)
        return DiagonalPlusLowRank(p / len(z), -p[..., None] / len(z), p[..., None])


@wrong("shapes", says="the mean over the samples was taken")
class ValueIsOneNumber(Right):
    def value(self, z, y):
        return super().value(z, y).mean()


@wrong("shapes", says=r"value of z \(1, 3\): expected an array \(1,\), got shape \(\)")
class ValueOfOneSampleIsOneNumber(Right):
    def value(self, z, y):
        return super().value(z, y).squeeze()


@wrong("shapes", says=r"hessian: vjp of q \(1, 3\): expected shape .*, got \(3,\)")
class HessianDropsTheSampleAxis(Right):
    def hessian(self, z, y):
        return operators.SqueezesVjp(super().hessian(z, y).dense())


@wrong("shapes", says="expected finite numbers, got some that are not; a loss that is not defined there")
class LogOfALabel(Right):
    def value(self, z, y):
        with np.errstate(divide="ignore", invalid="ignore"):
            return super().value(z, y) + (y * np.log(y)).sum(axis=1)


@wrong("value_and_gradient", says="value_and_gradient: value")
class BothDisagreeWithEach(Right):
    def value_and_gradient(self, z, y):
        return 2 * self.value(z, y), self.gradient(z, y)


@wrong("hessian", says=r"hessian\[\d, \d\] .*finite differences of gradient.*only the diagonal is there")
class HessianWithoutItsCorrection(Right):
    def hessian(self, z, y):
        p = special.softmax(z, axis=1)
        return Diagonal(p * (1 - p))


@wrong("hessian", says="a constant factor of 2")
class TwiceTheHessian(Right):
    def hessian(self, z, y):
        p = special.softmax(z, axis=1)
        return DiagonalPlusLowRank(2 * p, -2 * p[..., None], p[..., None])


@wrong("hessian", "symmetric", says=r"⟨u, H v⟩ against ⟨v, H u⟩")
class HessianThatIsNotSymmetric(Right):
    def hessian(self, z, y):
        p = special.softmax(z, axis=1)
        return Dense(np.triu(p[:, :, None] * (np.eye(3, dtype=z.dtype) - p[:, None, :])))


@wrong("symmetric", says=r"⟨u, H v⟩ against ⟨v, H u⟩")
class HessianByDifferences(Right):
    """Near enough to the truth, and each column is off in its own way."""

    def hessian(self, z, y):
        steps = 3e-4 * np.eye(3, dtype=z.dtype)
        columns = [(self.gradient(z + v, y) - self.gradient(z - v, y)) / z.dtype.type(6e-4) for v in steps]
        return Dense(np.stack(columns, axis=-1))


wrong("positive_semidefinite", says="negative eigenvalue")(Concave)


@wrong("shapes", says=r"hessian: expected .*, got an array \(3, 3\); did you mean Diagonal\(…\) or Dense\(…\)\?")
class HessianAsAMatrix(Right):
    def hessian(self, z, y):
        return np.eye(z.shape[1])


@wrong("shapes", says="hessian: expected an operator 3 × 3")
class HessianAsAnArray(Right):
    """Nothing about it can be checked."""

    def hessian(self, z, y):
        return np.eye(3)


class GivesHessian(Right):
    """Its hessian is an author's own operator."""

    operator = Own

    def hessian(self, z, y):
        return self.operator(super().hessian(z, y).dense())


def test_a_hessian_of_its_own_is_right() -> None:
    assert check_loss(GivesHessian(), Z, Y).failures == ()


@wrong("linear", says=r"hessian: jvp\(2u − 3v\)")
class NoLinearMapInHessian(GivesHessian):
    operator = operators.RoundsItsDirection


@wrong("vjp", says="hessian.* by vjp .* a constant factor of 2")
class WrongVjpInHessian(GivesHessian):
    operator = operators.VjpIsDouble


@wrong("dense", says=r"hessian\[\d, \d\] .* by dense\(\) .* a constant factor of 2")
class WrongDenseInHessian(GivesHessian):
    operator = operators.DenseIsDouble


@wrong("leading_axes", says="hessian: vjp_sum of q")
class WrongLeadingAxesInHessian(GivesHessian):
    operator = operators.SumsTheLeadingAxes


@wrong("structure", says="hessian.*the numbers that the DiagonalPlusLowRank holds")
class WrongStructureInHessian(GivesHessian):
    operator = operators.HoldsOtherNumbers


@wrong("edges", says="hessian: edges: expected at least .*, got 0")
class WrongEdgesInHessian(GivesHessian):
    operator = operators.ForFree


@wrong("differentiable", says="a kink, which an example should keep away from", z=np.zeros((2, 2)), y=np.zeros((2, 2)))
class ExampleAtAKink(Loss):
    def value(self, z, y):
        return np.abs(z - y).sum(axis=1)

    def gradient(self, z, y):
        return np.sign(z - y)


@wrong("dtype", says="value: expected float32, got float64")
class WidensToFloat64(Right):
    def value(self, z, y):
        return super().value(z, y) * np.ones(len(z))


@wrong("arguments", says="gradient changes its arguments")
class WritesToZ(Right):
    def gradient(self, z, y):
        q = super().gradient(z, y)
        if z.flags.writeable:
            z[0, 0] = np.nextafter(z[0, 0], 9)
        return q


@wrong("repeatable", says="a buffer that is kept and reused")
class ReusesItsOutput(Right):
    def __init__(self):
        self.buffers = {}

    def gradient(self, z, y):
        out = self.buffers.setdefault((z.shape, z.dtype), np.empty_like(z))
        out[...] = super().gradient(z, y)
        return out


@wrong("repeatable", says="value gives another result when called again .*; likely cause: random numbers")
class Noisy(Right):
    """Random, which no other check complains about."""

    def value(self, z, y):
        return super().value(z, y) + np.random.default_rng().random(len(z)).astype(z.dtype)


@wrong("layout", says="strided|column-major")
class AssumesContiguousInput(Right):
    def value(self, z, y):
        shape, strides = z.shape, (z.shape[1] * z.itemsize, z.itemsize)
        return super().value(np.lib.stride_tricks.as_strided(z, shape, strides), y)


@wrong("samples", says="over the samples")
class WeightsFromTheBatch(Right):
    def value(self, z, y):
        return super().value(z, y) * y.sum(axis=0).max()

    def gradient(self, z, y):
        return super().gradient(z, y) * y.sum(axis=0).max()

    def hessian(self, z, y):
        p = special.softmax(z, axis=1) * y.sum(axis=0).max()
        return DiagonalPlusLowRank(p, -p[..., None], special.softmax(z, axis=1)[..., None])


@wrong("labels", says="accepts NaN, −1 and 7.5 as labels")
class ChecksNothing(Right):
    def check(self, z, y):
        """Meant to look."""
        assert y.shape == z.shape


@wrong("labels", says="in row 2 of 3")
class ChecksTheFirstRowAlone(Right):
    def check(self, z, y):
        super().check(z[:1], y[:1])


@wrong("labels", says="refuses the labels of the example")
class ChecksTheOutputs(Right):
    def check(self, z, y):
        super().check(z, y)
        if not np.isfinite(z).all():
            raise LabelError("z is not finite")


@wrong("zeros", says="gradient at z = y: expected finite numbers.*though value is a number", y=Z + 1)
class Distance(Loss):
    """‖z − y‖, whose gradient is divided by it."""

    def value(self, z, y):
        return np.linalg.norm(z - y, axis=1)

    def gradient(self, z, y):
        return (z - y) / self.value(z, y)[:, None]


@wrong("zeros", says="at z = 0: gradient.* expected 0 by finite differences of value, got 1 by gradient")
class GuessesItsSlopeAtZero(Loss):
    def value(self, z, y):
        return (z * z).sum(axis=1)

    def gradient(self, z, y):
        return np.where(z == 0, z.dtype.type(1), 2 * z)


@wrong("gradient", says="a constant factor of 1.01")
class TinyAndOnePercentOff(Loss):
    def value(self, z, y):
        return 1e-12 * (z * z).sum(axis=1)

    def gradient(self, z, y):
        return 2.02e-12 * z


def test_digits_that_are_lost_in_float32_are_advice() -> None:
    """The loss of a label that is certain and right is the difference of two large numbers."""
    sure = np.array([[4.0, -1.0, 0.0], [1.0, 6.0, 0.5]])
    report = check_loss(Right(), sure, np.eye(3)[:2])
    (advice,) = report.advice
    assert advice.name == "saturation"
    assert re.search(r"value at outputs up to \d+ in float32: expected .*, as in float64, got", advice.message)


def test_a_right_loss_gets_no_advice() -> None:
    assert check_loss(Right(), Z, Y).advice == ()


class HessianAsksForNumbers(Right):
    """Right, but scipy.special.softmax asks for numbers."""

    def hessian(self, z, y):
        p = special.softmax(z, axis=1)
        return DiagonalPlusLowRank(p, -p[..., None], p[..., None])


@dataclass
class Thawed(Right):
    """Right, but an option can be set after it was checked."""

    slope: float = 1.0


def test_a_dataclass_that_is_not_frozen_gets_advice() -> None:
    (advice,) = check_loss(Thawed(), Z, Y).advice
    assert advice.name == "frozen"
    assert advice.message.startswith("Thawed: expected @dataclass(frozen=True), got a dataclass that is not frozen; ")


def test_a_loss_that_asks_for_numbers_gets_advice() -> None:
    (advice,) = check_loss(HessianAsksForNumbers(), Z, Y).advice
    assert advice.name == "recordable"
    assert re.search(r"^hessian_asks_for_numbers\.hessian needs .*slower", advice.message)


@wrong("large_arguments", says="overflow encountered in exp")
class NaiveLogSumExp(Right):
    def value(self, z, y):
        return np.log(np.exp(z).sum(axis=1)) - (y * z).sum(axis=1)


@wrong(
    "shapes",
    says=r"value of z \(3, 3\), from -1.2 to 2, with y from 0 to 1: .* in log; a loss that is not",
)
class LogOfOutputs(Right):
    def value(self, z, y):
        return -(y * np.log(z)).sum(axis=1)


@wrong("gradient", says=r"by gradient \(tolerance \S+\)$", z=[[0.3]], y=[[0.2]])
class OneNumberIsAMultipleOfAny(Loss):
    """Nothing is said of a factor of 3.3…, by which any two numbers differ."""

    def value(self, z, y):
        return (0.5 * z * z).sum(axis=1)

    def gradient(self, z, y):
        return z + z.dtype.type(0.7)


def test_a_wrong_engine_is_caught_by_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    right = recursions.forward
    monkeypatch.setattr(recursions, "forward", lambda *args: -right(*args))
    failures = failures_of(check_loss, prograd.loss("softmax_cross_entropy"), Z, Y)
    assert [failure.name for failure in failures] == ["network"]
    assert re.search(r'mode="forward".* for entry \d+ of b in layers\[0\].*likely cause: the sign', failures[0].message)
