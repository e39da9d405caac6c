"""Each wrong penalty is caught by the check that is meant for it, and by no other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import prograd
from prograd import Penalty
from prograd.errors import OptionError
from prograd.testing import check_penalty
from prograd.testing.penalty_checks import PENALTY_CHECKS
from tests.helpers.gallery import Gallery, failures_of

W = np.array([[0.3, -1.2, 0.6], [1.4, 0.2, -0.5]])
GALLERY = Gallery(check_penalty, w=W)
wrong = GALLERY.wrong

NOTHING_WRONG = {
    "network": "only a wrong engine fails it; see test_a_wrong_engine_is_caught_by_the_network",
    "recordable": "it gives advice alone; see test_a_penalty_that_asks_for_numbers_gets_advice",
}


@pytest.mark.parametrize("entry", GALLERY.entries)
def test_wrong_penalty_is_caught(entry) -> None:
    GALLERY.caught(entry)


@dataclass(frozen=True)
class Right(Penalty):
    """ρ(w) = Σ log cosh w, correct; each wrong penalty changes one thing about it."""

    def value(self, w):
        a = np.abs(w)
        return np.add.reduce(a + np.log1p(np.expm1(-2 * np.minimum(a, 300)) / 2), axis=None)

    def gradient(self, w):
        return np.tanh(w)

    def hessian_vector(self, w, v):
        return v / np.cosh(np.minimum(np.abs(w), 40)) ** 2


class Half(Right):
    """½ ‖w‖², of which a hessian is easily made."""

    def value(self, w):
        return 0.5 * np.vecdot(w.reshape(-1), w.reshape(-1))

    def gradient(self, w):
        return w.copy()

    def hessian_vector(self, w, v):
        return v.copy()


def test_the_gallery_starts_from_right_penalties() -> None:
    assert check_penalty(Right(), W).failures == ()
    assert check_penalty(Half(), W).failures == ()


def test_each_check_catches_what_no_other_does() -> None:
    assert set(PENALTY_CHECKS.names) - GALLERY.alone == set(NOTHING_WRONG)


@wrong("shapes", says=r"value: expected shape \(\), got \(2,\)")
class ValueByRow(Right):
    def value(self, w):
        return np.add.reduce(w, axis=-1)


@wrong("shapes", says=r"value: expected numbers of numpy, got float")
class ValueIsPythons(Right):
    def value(self, w):
        return float(super().value(w))


@wrong("shapes", says=r"hessian_vector of v \(2, 2, 3\): expected shape \(2, 2, 3\), got \(2, 3\)")
class ProductOfOneVectorOnly(Right):
    def hessian_vector(self, w, v):
        return super().hessian_vector(w, v).reshape(-1, *w.shape)[0]


@wrong("differentiable", says="likely cause: a kink", w=np.array([0.0, 1e-9]))
class Corner(Right):
    """|w|, with a gradient everywhere."""

    def value(self, w):
        return np.add.reduce(np.abs(w), axis=None)

    def gradient(self, w):
        return np.sign(w)

    def hessian_vector(self, w, v):
        return np.zeros_like(v)


@wrong("gradient", says=r"gradient.*a constant factor of 2")
class TwiceTheGradient(Half):
    def value(self, w):
        return 0.5 * super().value(w)


@wrong("value_and_gradient", says="value_and_gradient: value")
class BothDisagreeWithEach(Right):
    def value_and_gradient(self, w):
        return 2 * self.value(w), self.gradient(w)


@wrong("hessian", says=r"hessian.*finite differences of gradient")
class HessianOfAnother(Right):
    def hessian_vector(self, w, v):
        return v.copy()


@wrong("hessian", "symmetric", says=r"⟨u, H v⟩ against ⟨v, H u⟩")
class SkewHessian(Right):
    def hessian_vector(self, w, v):
        return super().hessian_vector(w, v) + 0.1 * np.roll(v, 1, axis=-1)


@wrong("symmetric", says="⟨u, H v⟩ against ⟨v, H u⟩")
class HessianIsNearlyRight(Right):
    """Nearer to the truth than differences tell."""

    def hessian_vector(self, w, v):
        return super().hessian_vector(w, v) + 2e-14 * np.roll(v, 1, axis=-1)


@wrong("positive_semidefinite", says="expected no negative eigenvalue")
class Concave(Half):
    def value(self, w):
        return -super().value(w)

    def gradient(self, w):
        return -w

    def hessian_vector(self, w, v):
        return -v


@wrong("dtype", says="gradient: expected float32, got float64")
class Doubles(Right):
    def gradient(self, w):
        return np.float64(1) * super().gradient(w)


@wrong("arguments", says="a method changes its arguments")
class InPlace(Right):
    """It puts back all but a few zeros."""

    def gradient(self, w):
        if w.flags.writeable and w.dtype == np.float64 and w.shape == W.shape:
            w[0, 0] = np.nextafter(w[0, 0], 1)
        return super().gradient(w)


@wrong("repeatable", says="likely cause: a buffer that is kept and reused")
class KeptBuffer(Right):
    def gradient(self, w):
        return np.tanh(w, out=_buffer(w))

    def value_and_gradient(self, w):
        return self.value(w), np.tanh(w)


_BUFFERS: dict[tuple, np.ndarray] = {}


def _buffer(w):
    return _BUFFERS.setdefault((w.shape, w.dtype, isinstance(w, np.ndarray)), np.empty_like(w))


@wrong("repeatable", says="gives another result when called again .*; likely cause: random numbers")
class Noisy(Right):
    """Random, which no other check complains about."""

    def value(self, w):
        return super().value(w) + np.random.default_rng().random(dtype=w.dtype)


@wrong("layout", says="gradient of column-major arrays")
class ByMemory(Right):
    def gradient(self, w):
        return np.tanh(w.ravel(order="K")).reshape(w.shape)


@wrong("zeros", says="likely cause: a division by zero, or a kink")
class NormOfAll(Right):
    """‖w‖, whose gradient is not defined at 0."""

    def value(self, w):
        return self._norm(w)

    def gradient(self, w):
        return w / self._norm(w)

    def hessian_vector(self, w, v):
        u, norm = w / self._norm(w), self._norm(w)
        inner = np.vecdot(v.reshape(*v.shape[: v.ndim - w.ndim], -1), u.reshape(-1))
        return (v - inner.reshape(inner.shape + (1,) * w.ndim) * u) / norm

    def _norm(self, w):
        largest = np.max(np.abs(w))
        scaled = (w / largest).reshape(-1)
        return largest * np.sqrt(np.vecdot(scaled, scaled))


@wrong("ends", says=r"likely cause: a square, which a float32 does not hold")
class SquareOfLargeNumbers(Right):
    """√(1 + w²) − 1, by a square."""

    def value(self, w):
        a = np.minimum(np.abs(w), 1e18)
        return np.add.reduce(np.abs(w) - a + a * (a / (np.sqrt(1 + a * a) + 1)), axis=None)

    def gradient(self, w):
        with np.errstate(over="ignore"):
            return w / np.sqrt(1 + w * w) + 0 * np.minimum(w * w, np.inf)

    def hessian_vector(self, w, v):
        return v / np.hypot(1, np.minimum(np.abs(w), 1e10)) ** 3


@wrong("shapes", says=r"w \(2, 3\), from -1.2 to 1.4: .* in log; a penalty that is not defined there")
class LogOfNegative(Right):
    def value(self, w):
        return np.log(w).sum()


@wrong("ends", says="likely cause: a square, which a float32 does not hold")
class SquareOverflows(Right):
    """Its gradient loses digits, which is advice, and its value is infinite, which is a fault."""

    def value(self, w):
        return np.add.reduce(np.sqrt(w * w + w.dtype.type(1)) - 1, axis=None)

    def gradient(self, w):
        return w / np.sqrt(w * w + 1)

    def hessian_vector(self, w, v):
        return v / np.hypot(w, 1) ** 3


def test_a_gradient_of_another_shape_is_named_where_the_objective_needs_it() -> None:
    class Flat(Half):
        def gradient(self, w):
            return w.reshape(-1)

        def hessian_vector(self, w, v):
            return v.copy()

    (failure,) = failures_of(check_penalty, Flat(), np.array([0.5]))
    assert str(failure) == "network: failed: gradient of w (1, 1): expected shape (1, 1), got (1,)"


def test_a_wrong_engine_is_caught_by_the_network(monkeypatch) -> None:
    add_gradient = prograd.penalized.Penalized.add_gradient

    def to_a_copy(self, w, p, *more):
        add_gradient(self, w, 0 * p, *more)

    monkeypatch.setattr(prograd.penalized.Penalized, "add_gradient", to_a_copy)
    (failure,) = failures_of(check_penalty, Right(), W)
    assert failure.name == "network"
    assert 'f.gradient(w, mode="reverse")' in failure.message


@dataclass(frozen=True)
class Needy(Half):
    def value(self, w):
        return np.asarray(float(super().value(w)), w.dtype)


def test_a_penalty_that_asks_for_numbers_gets_advice() -> None:
    (advice,) = check_penalty(Needy(), W).advice
    assert advice.name == "recordable"
    assert "needy.value needs a number" in advice.message


@pytest.mark.parametrize(
    ("penalty", "w", "message"),
    [
        (prograd.loss("huber"), W, "check_penalty: expected a Penalty, got Huber"),
        (Right(), np.empty((0, 3)), r"check_penalty: expected a parameter with entries, got shape \(0, 3\)"),
    ],
)
def test_what_is_no_penalty(penalty, w, message) -> None:
    with pytest.raises(OptionError, match=message):
        check_penalty(penalty, w)


def test_a_penalty_without_a_hessian_skips_its_checks() -> None:
    @dataclass(frozen=True)
    class First(Penalty):
        def value(self, w):
            return np.add.reduce(w, axis=None)

        def gradient(self, w):
            return np.ones_like(w)

    report = check_penalty(First(), W)
    assert set(report.skipped) == {"hessian", "symmetric", "positive_semidefinite"}
