"""Each wrong layer is caught by the check that is meant for it, and by no other."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import special

from prograd import Elementwise, Layer, recursions
from prograd.operators import Diagonal
from prograd.testing import check_layer
from prograd.testing.layer_case import LayerCase
from prograd.testing.layer_checks import LAYER_CHECKS
from tests.helpers import operators
from tests.helpers.gallery import failures_of
from tests.helpers.wrong_layers import GALLERY, Right
from tests.helpers.wrong_layers.derivatives import TinyRow
from tests.helpers.wrong_layers.products import GivesB

NOTHING_WRONG = {
    "frozen": "it gives advice alone; see test_what_is_right_but_could_be_better_is_advice",
    "network": "only a wrong engine fails it; see test_a_wrong_engine_is_caught_by_the_network",
    "recordable": "it gives advice alone; see test_what_is_right_but_could_be_better_is_advice",
}


@pytest.mark.parametrize("entry", GALLERY.entries)
def test_wrong_layer_is_caught(entry) -> None:
    GALLERY.caught(entry)


def test_the_gallery_starts_from_a_right_layer() -> None:
    assert check_layer(Right(), 3).failures == ()


def test_each_check_catches_what_no_other_does() -> None:
    assert set(LAYER_CHECKS.names) - GALLERY.alone == set(NOTHING_WRONG)


def test_an_operator_of_its_own_is_right() -> None:
    assert check_layer(GivesB(), 3).failures == ()


def test_a_tiny_row_is_right() -> None:
    assert check_layer(TinyRow(), 3).failures == ()


def test_a_wrong_engine_is_caught_by_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    right = recursions.forward
    monkeypatch.setattr(recursions, "forward", lambda *args: -right(*args))
    failures = failures_of(check_layer, Right(), 3)
    assert [failure.name for failure in failures] == ["network"]
    place = r'mode="forward".* for entry \d+ of \w+ in layers\[\d\].*likely cause: the sign'
    assert re.search(place, failures[0].message)


Z = np.array([[0.3, 0.4], [-0.7, 1.1]])


class Stale(Layer):
    """Squares; its Jacobian is that of what `g` was called with last."""

    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        self.slope = 2 * z
        return z * z

    def jacobian(self, w, z, z_next):
        return {}, Diagonal(self.slope)


class Summed(Layer):
    """Adds the sum over the samples, which no layer may know."""

    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return z + z.sum(axis=0)

    def jacobian(self, w, z, z_next):
        return {}, Diagonal(np.full_like(z, 2))


def failed(layer, z):
    return {outcome.name for outcome in LAYER_CHECKS.report(LayerCase(layer, 2, z=z)).failures}


def test_a_jacobian_of_the_last_call_is_caught_at_given_points():
    assert "repeatable" in failed(Stale(), Z)


def test_an_influence_of_other_samples_is_caught_at_a_single_given_point():
    assert "samples" in failed(Summed(), Z[:1])


class OneMinusG(Elementwise):
    """A sigmoid whose slope is the difference of two numbers that are nearly equal."""

    def phi(self, z):
        return special.expit(z)

    def dphi(self, z, z_next):
        return z_next * (1 - z_next)


class BothBranches(Elementwise):
    """Right, but numpy warns of the branch that is thrown away."""

    def phi(self, z):
        return np.where(z == 0, z.dtype.type(1), np.sin(z) / z)

    def dphi(self, z, z_next):
        return np.where(z == 0, z.dtype.type(0), (np.cos(z) - np.sin(z) / z) / z)


class AsksForNumbers(Elementwise):
    """Right, but asks for the numbers of its input."""

    def phi(self, z):
        return z * 2 if (z > 0).any() else z + z

    def dphi(self, z, z_next):
        return np.full_like(z, 2)


class BlockAsksForNumbers(Right):
    """Right, but its block asks for the numbers of a vector."""

    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, operators.OfNumbers(w.W)


@dataclass
class Thawed(Elementwise):
    """Right, but its option can be set after it was checked."""

    slope: float = 2.0

    def phi(self, z):
        return self.slope * z

    def dphi(self, z, z_next):
        return np.full_like(z, self.slope)


@pytest.mark.parametrize(
    ("layer", "check", "says"),
    [
        (Thawed(), "frozen", r"^Thawed: expected @dataclass\(frozen=True\), got a dataclass that is not frozen; "),
        (AsksForNumbers(), "recordable", r"^asks_for_numbers\.phi needs whether it is true .*slower"),
        (BlockAsksForNumbers(), "recordable", r"^OfNumbers\.\w+ needs an array of numbers"),
        (OneMinusG(), "saturation", r"B at inputs of ±17 in float32: expected \S+e-0\d, as in float64, got .*1 − g"),
        (
            BothBranches(),
            "zeros",
            "at a row of zeros: invalid value encountered in divide, though the results are right",
        ),
    ],
)
def test_what_is_right_but_could_be_better_is_advice(layer, check, says) -> None:
    report = check_layer(layer, 3)
    (advice,) = report.advice
    assert advice.name == check
    assert check in report.passed
    assert re.search(says, advice.message)
    assert f"advice  {check}: " in str(report)


def test_a_right_layer_gets_no_advice() -> None:
    assert check_layer(Right(), 3).advice == ()
