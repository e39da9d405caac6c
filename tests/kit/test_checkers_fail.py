"""The checker is checked: each wrong layer here is caught, by the check meant for it and by no other.

Here are wrong derivatives, and wrong operators that hold them; wrong behaviour has a gallery of its own.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import special

from prograd import Elementwise, Layer, recursions
from prograd.operators import Dense, Diagonal, Kronecker, Zero
from prograd.testing import check_layer
from prograd.testing.layer_checks import LAYER_CHECKS
from tests.helpers import own_operators
from tests.helpers.gallery import Gallery, Right, failures_of
from tests.helpers.own_operators import Own
from tests.kit import test_checkers_fail_behaviour

GALLERY = Gallery(check_layer, n_in=3)
wrong = GALLERY.wrong

NOTHING_WRONG = {"network": "no layer is wrong in a network alone; the engine can be, and is in the last test here"}


@pytest.mark.parametrize("entry", GALLERY.entries)
def test_wrong_layer_is_caught(entry) -> None:
    GALLERY.caught(entry)


def test_the_gallery_starts_from_a_right_layer() -> None:
    assert check_layer(Right(), 3).failures == ()


def test_each_check_catches_what_no_other_does() -> None:
    alone = GALLERY.alone | test_checkers_fail_behaviour.GALLERY.alone
    assert set(LAYER_CHECKS.names) - alone == set(NOTHING_WRONG)


# Blocks that are not the derivative.


@wrong(
    "jacobian_B",
    says=r"B\[\d, \d\] of sample \d: .* differences of g, got .* by jvp .*; likely cause: the sign",
)
class SignOfB(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Dense(-w.W)


@wrong("jacobian_B", says="likely cause: the transpose", n_in=4)
class TransposedB(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Dense(w.W.T)


@wrong("jacobian_B", says="it is zero: the derivative is missing")
class ForgottenB(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Zero(4, z.shape[1])


@wrong("jacobian_A", says=r'A\["W"\]\[\d, \d+\] \(W\[\d, \d\]\).*a constant factor of 2')
class TwiceA(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": Kronecker(4, 2 * z)}, B


@wrong("jacobian_A", "samples", says="a missing factor of 1/N|an extra factor of 1/N")
class MeanInA(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"b": Diagonal(np.full((len(z), 4), 1 / len(z), z.dtype))}, B


@wrong("jacobian_A", says="column by column")
class ColumnMajorW(Right):
    """Reads W column by column, but differentiates as if it were row by row."""

    def g(self, w, z):
        return z @ w.W.reshape(z.shape[1], 4) + w.b

    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Dense(w.W.reshape(z.shape[1], 4).T)


@wrong("jacobian_A", "samples", says="the map of one sample is used for all")
class FirstSampleForAll(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": Kronecker(4, np.repeat(z[:1], len(z), axis=0))}, B


@wrong("jacobian_B", says="only the diagonal is there")
class SoftmaxWithoutItsCorrection(Layer):
    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return special.softmax(z, axis=-1)

    def jacobian(self, w, z, z_next):
        return {}, Diagonal(z_next * (1 - z_next))


@wrong("jacobian_B", says="likely cause: a constant factor of 0.5|a factor for each row")
class ForgottenInnerDerivative(Elementwise):
    def phi(self, z):
        return np.sin(2 * z)

    def dphi(self, z, z_next):
        return np.cos(2 * z)


@wrong("jacobian_B")
class TanhApproximationOfGelu(Elementwise):
    """Off by a thousandth or less."""

    def phi(self, z):
        return z * special.ndtr(z)

    def dphi(self, z, z_next):
        c = float(np.sqrt(2 / np.pi))
        z = np.clip(z, -50, 50)
        t = np.tanh(c * (z + 0.044715 * z**3))
        return (1 + t) / 2 + z * (1 - t * t) * c * (1 + 0.134145 * z**2) / 2


@wrong("jacobian_B")
class NormWithoutEps(Layer):
    """The derivative forgets an eps of 1e-5 under the root."""

    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return z / np.sqrt(np.mean(z * z, axis=1, keepdims=True) + z.dtype.type(1e-5))

    def jacobian(self, w, z, z_next):
        s = np.sqrt(np.mean(z * z, axis=1, keepdims=True))
        return {}, np.eye(z.shape[1], dtype=z.dtype) / s[..., None] - z[:, :, None] * z[:, None, :] / (
            z.shape[1] * s[..., None] ** 3
        )


@wrong("jacobian_B")
class Relu6WithoutItsUpperKink(Elementwise):
    """Wrong for large arguments alone."""

    def phi(self, z):
        return np.clip(z, 0, 3)

    def dphi(self, z, z_next):
        return (z > 0).astype(z.dtype)


@wrong("jacobian_B", says="it should be zero")
class Staircase(Elementwise):
    """Its derivative is zero; the one given is that of what it approximates."""

    def phi(self, z):
        return np.floor(z)

    def dphi(self, z, z_next):
        return np.ones_like(z)


# Operators inside layers.


class GivesB(Right):
    """Its B is an author's own operator."""

    operator = Own

    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, self.operator(w.W)


def test_an_operator_of_its_own_is_right() -> None:
    assert check_layer(GivesB(), 3).failures == ()


@wrong("vjp", says="B.*by vjp .* a constant factor of 2")
class WrongVjpInB(GivesB):
    operator = own_operators.VjpIsDouble


@wrong("jacobian_B", says="B.*by jvp .* a constant factor of 2")
class WrongJvpInB(GivesB):
    """Only jvp is reported."""

    operator = own_operators.JvpIsDouble


@wrong("linear", says=r"B: jvp\(2u − 3v\)")
class NoLinearMapInB(GivesB):
    operator = own_operators.RoundsItsDirection


@wrong("dense", says=r"B\[\d, \d\] .* by dense\(\) .* a constant factor of 2")
class WrongDenseInB(GivesB):
    operator = own_operators.DenseIsDouble


@wrong("columns", says=r"B: columns\(1, 3\)")
class WrongColumnsInB(GivesB):
    operator = own_operators.ColumnsFromTheFirst


@wrong("into", says="B: jvp_into against jvp")
class WrongIntoInB(GivesB):
    operator = own_operators.AddsWhenWritingInto


@wrong("leading_axes", says="B: vjp_sum of shape")
class WrongLeadingAxesInB(GivesB):
    operator = own_operators.SumsTheLeadingAxes


@wrong("structure", says="B.*by the numbers that the DiagonalPlusLowRank holds", n_in=4)
class WrongStructureInB(GivesB):
    operator = own_operators.HoldsOtherNumbers


@wrong("edges", says="B: edges: expected at least .*, got 0")
class WrongEdgesInB(GivesB):
    operator = own_operators.ForFree


class MeanOfSamples(Kronecker):
    def vjp_sum(self, q, out=None):
        p = super().vjp_sum(q) / q.shape[-2]
        if out is not None:
            out[...] = p
        return p


@wrong("vjp_sum", says="the mean was taken, not the sum: a factor of N is missing")
class MeanInsteadOfSum(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": MeanOfSamples(4, z)}, B


# The engine: what each layer says is right, and its use is not.


def test_a_wrong_engine_is_caught_by_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    right = recursions.forward
    monkeypatch.setattr(recursions, "forward", lambda *args: -right(*args))
    failures = failures_of(check_layer, Right(), 3)
    assert [failure.name for failure in failures] == ["network"]
    place = r'mode="forward".* for entry \d+ of \w+ in layers\[\d\].*likely cause: the sign'
    assert re.search(place, failures[0].message)
