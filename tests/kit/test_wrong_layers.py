"""Each wrong layer is caught by the check that is meant for it, and by no other."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import special

from prograd import Elementwise, Layer, recursions
from prograd.operators import Dense, Diagonal, DiagonalPlusLowRank, Identity, Kronecker, Zero
from prograd.testing import check_layer
from prograd.testing.layer_case import LayerCase
from prograd.testing.layer_checks import LAYER_CHECKS
from tests.helpers import operators
from tests.helpers.gallery import Gallery, failures_of
from tests.helpers.operators import Own

GALLERY = Gallery(check_layer, n_in=3)
wrong = GALLERY.wrong

NOTHING_WRONG = {
    "network": "only a wrong engine fails it; see test_a_wrong_engine_is_caught_by_the_network",
    "recordable": "it gives advice alone; see test_what_is_right_but_could_be_better_is_advice",
}


class Right(Layer):
    """g(W, b; z) = W z + b, correct; each wrong layer changes one thing about it."""

    def shapes(self, n_in):
        return 4, {"W": (4, n_in), "b": (4,)}

    def g(self, w, z):
        return z @ w.W.T + w.b

    def jacobian(self, w, z, z_next):
        return {"W": Kronecker(4, z), "b": Identity(4)}, Dense(w.W)


@pytest.mark.parametrize("entry", GALLERY.entries)
def test_wrong_layer_is_caught(entry) -> None:
    GALLERY.caught(entry)


def test_the_gallery_starts_from_a_right_layer() -> None:
    assert check_layer(Right(), 3).failures == ()


def test_each_check_catches_what_no_other_does() -> None:
    assert set(LAYER_CHECKS.names) - GALLERY.alone == set(NOTHING_WRONG)


@wrong("jacobian_B", says=r"B\[\d, \d\] of sample \d: .* differences of g, got .* by jvp .*; likely cause: the sign")
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


class GivesB(Right):
    """`B` is an operator that the plugin author wrote."""

    operator = Own

    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, self.operator(w.W)


def test_an_operator_of_its_own_is_right() -> None:
    assert check_layer(GivesB(), 3).failures == ()


@wrong("vjp", says="B.*by vjp .* a constant factor of 2")
class WrongVjpInB(GivesB):
    operator = operators.VjpIsDouble


@wrong("jacobian_B", says="B.*by jvp .* a constant factor of 2")
class WrongJvpInB(GivesB):
    """Only jvp is reported."""

    operator = operators.JvpIsDouble


@wrong("linear", says=r"B: jvp\(2u − 3v\)")
class NoLinearMapInB(GivesB):
    operator = operators.RoundsItsDirection


@wrong("dense", says=r"B\[\d, \d\] .* by dense\(\) .* a constant factor of 2")
class WrongDenseInB(GivesB):
    operator = operators.DenseIsDouble


@wrong("columns", says=r"B: columns\(1, 3\)")
class WrongColumnsInB(GivesB):
    operator = operators.ColumnsFromTheFirst


@wrong("into", says="B: jvp_into against jvp")
class WrongIntoInB(GivesB):
    operator = operators.AddsWhenWritingInto


@wrong("leading_axes", says="B: vjp_sum of shape")
class WrongLeadingAxesInB(GivesB):
    operator = operators.SumsTheLeadingAxes


@wrong("structure", says="B.*by the numbers that the DiagonalPlusLowRank holds", n_in=4)
class WrongStructureInB(GivesB):
    operator = operators.HoldsOtherNumbers


@wrong("edges", says="B: edges: expected at least .*, got 0")
class WrongEdgesInB(GivesB):
    operator = operators.ForFree


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


class WithoutTheRightFactor(Kronecker):
    def vjp_norm(self, q):
        return np.linalg.norm(q, axis=-1) + 0 * self.right[:, 0]


@wrong("vjp_norm", says=r'A\["W"\]: vjp_norm: expected')
class NormOfOneFactor(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": WithoutTheRightFactor(4, z)}, B


@wrong("shapes", says="B: expected 4 × 3, got .*; likely cause: the transpose")
class BTheOtherWay(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Dense(w.W.T)


@wrong("shapes", says="A: expected the parameters")
class ForgottenParameter(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return {"W": A["W"]}, B


@wrong("shapes", says="g of z .*: expected an array")
class LosesTheSampleAxis(Right):
    def g(self, w, z):
        return super().g(w, z)[0]


@wrong("shapes", says=r"g of z \(1, 3\): expected an array \(1, 4\), got shape \(4,\)")
class DropsTheSampleAxisOfOneSample(Right):
    """numpy broadcasts it where it is used, and then it seems right."""

    def g(self, w, z):
        z_next = super().g(w, z)
        return z_next[0] if len(z) == 1 else z_next


@wrong("shapes", says=r"B: vjp of shape \(1, 4\): expected shape .*, got \(3,\)")
class DropsTheSampleAxisInB(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, operators.SqueezesVjp(w.W)


@wrong("shapes", says="not a method of dict as a name, got 'items'")
class ParameterNamedLikeAMethod(Right):
    def shapes(self, n_in):
        return 4, {"items": (4, n_in), "b": (4,)}


@wrong("shapes", says="raised IndexError")
class Raises(Right):
    def g(self, w, z):
        return z[:, 17:18][0, 0]


@wrong("init", says="random numbers from elsewhere")
class InitFromTheGlobalGenerator(Right):
    def init(self, rng, n_in):
        return {"W": np.random.normal(size=(4, n_in)), "b": np.zeros(4)}  # noqa: NPY002  (the mistake)


@wrong("init", says="random numbers from elsewhere, or an array that is kept")
class InitHandsOutOneArray(Right):
    kept = np.zeros(4)

    def init(self, rng, n_in):
        return {"W": rng.normal(size=(4, n_in)), "b": self.kept}


@wrong("init", says="init: W: expected the declared shape")
class InitOfTheWrongShape(Right):
    def init(self, rng, n_in):
        return {"W": rng.normal(size=(n_in, 4)), "b": np.zeros(4)}


@wrong("differentiable", says="computes in less than float64")
class ComputesInFloat32(Elementwise):
    def phi(self, z):
        return np.tanh(z.astype(np.float32)).astype(z.dtype)

    def dphi(self, z, z_next):
        return 1 - z_next**2


@wrong("dtype", says="g: expected float32, got float64")
class WidensToFloat64(Right):
    scale = np.ones(4)

    def g(self, w, z):
        return super().g(w, z) * self.scale


@wrong("dtype", says="B: jvp: expected float32, got float64")
class WidensInB(Elementwise):
    def phi(self, z):
        return np.tanh(z)

    def dphi(self, z, z_next):
        return (1 - z_next**2).astype(np.float64)


@wrong("arguments", "repeatable", says="z is changed")
class WritesToZ(Elementwise):
    def phi(self, z):
        z_next = np.tanh(z)
        if z.flags.writeable and z.flags.owndata and len(z) == 4:
            z *= 1
            z[0, 0] = np.nextafter(z[0, 0], 9)
        return z_next

    def dphi(self, z, z_next):
        return 1 - np.tanh(z) ** 2


@wrong("arguments", says="raised ValueError")
class RefusesReadOnly(Right):
    def g(self, w, z):
        w.b[...] += 0
        return super().g(w, z)


@wrong("repeatable", says="a buffer that is kept and reused")
class ReusesItsOutput(Right):
    def __init__(self):
        self.buffers = {}

    def g(self, w, z):
        out = self.buffers.setdefault((len(z), z.dtype), np.empty((len(z), 4), z.dtype))
        out[...] = super().g(w, z)
        return out


@wrong("repeatable", says="gives another result when called again")
class CountsItsCalls(Right):
    def __init__(self):
        self.calls = 0

    def g(self, w, z):
        self.calls += 1
        return super().g(w, z) * z.dtype.type(1 + 1e-14 * (self.calls % 2))


@wrong("repeatable", says="depends on the last call of g")
class RemembersItsInput(Right):
    def g(self, w, z):
        self.z = z
        return super().g(w, z)

    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": Kronecker(4, self.z)}, B


@wrong("layout", says="strided|column-major|reversed")
class AssumesContiguousInput(Right):
    def g(self, w, z):
        return super().g(w, np.lib.stride_tricks.as_strided(z, z.shape, (z.shape[1] * z.itemsize, z.itemsize)))


@wrong("samples", says="over the samples")
class NormalisesOverTheBatch(Elementwise):
    def phi(self, z):
        return z - z.mean(axis=0)

    def dphi(self, z, z_next):
        return np.full_like(z, 1 - 1 / len(z))


@wrong("samples", says="sample 0 alone")
class MaximumOfTheBatch(Elementwise):
    def phi(self, z):
        return z / np.abs(z).max()

    def dphi(self, z, z_next):
        return np.ones_like(z) / np.abs(z).max()


@wrong("jacobian_B", says="a constant factor of 1.01")
class TinyAndOnePercentOff(Elementwise):
    def phi(self, z):
        return 1e-12 * np.sin(z)

    def dphi(self, z, z_next):
        return 1.01e-12 * np.cos(z)


class TinyRow(Right):
    """The last of four outputs is smaller than the others by nine digits."""

    scale = np.array([1, 1, 1, 1e-9])

    def g(self, w, z):
        return super().g(w, z) * self.scale.astype(z.dtype)

    def blocks(self, w, z, scale):
        return {"W": Diagonal(scale) @ Kronecker(4, z), "b": Diagonal(scale)}, Diagonal(scale) @ Dense(w.W)

    def jacobian(self, w, z, z_next):
        return self.blocks(w, z, self.scale.astype(z.dtype))


def test_a_tiny_row_is_right() -> None:
    assert check_layer(TinyRow(), 3).failures == ()


@wrong("jacobian_A", "jacobian_B", says=r"A.*\[3, \d+\]|B\[3, \d\]")
class OnePercentOffInATinyRow(TinyRow):
    def jacobian(self, w, z, z_next):
        return self.blocks(w, z, (self.scale * [1, 1, 1, 1.01]).astype(z.dtype))


@wrong("zeros", says="g at a row of zeros: expected finite numbers.*a division by a norm")
class UnitLength(Layer):
    """z / ‖z‖, which is no number where a layer before it gives zeros."""

    def shapes(self, n_in):
        return n_in, {}

    def norm(self, z):
        return np.sqrt(np.sum(z * z, axis=1, keepdims=True))

    def g(self, w, z):
        return z / self.norm(z)

    def jacobian(self, w, z, z_next):
        n, g = self.norm(z), z_next[:, :, None]
        return {}, DiagonalPlusLowRank(np.broadcast_to(1 / n, z.shape), -g / n[:, :, None], g)


@wrong("zeros", says="at a row of zeros: B.*expected 0 by finite differences of g, got 1 by jvp")
class SineOverItsArgument(Elementwise):
    """Zero is an exception in g, and the derivative there is guessed."""

    def phi(self, z):
        return np.where(z == 0, z.dtype.type(1), np.sin(z) / np.where(z == 0, z.dtype.type(1), z))

    def dphi(self, z, z_next):
        safe = np.where(z == 0, z.dtype.type(1), z)
        return np.where(z == 0, z.dtype.type(1), (np.cos(z) - z_next) / safe)


@wrong("zeros", says="B at a row of zeros: expected finite numbers.*a division by zero, where g itself is a number")
class DerivativeByDivision(Elementwise):
    def phi(self, z):
        return z * z * z

    def dphi(self, z, z_next):
        with np.errstate(invalid="ignore"):
            return 3 * z_next / z


@wrong("saturation", says="at inputs of ±17: B.*expected 0 by finite differences of g, got 1 by jvp")
class ForgetsThatItClips(Elementwise):
    """Wrong beyond the ordinary inputs."""

    def phi(self, z):
        return np.clip(z, -12, 12)

    def dphi(self, z, z_next):
        return np.ones_like(z)


@wrong("large_arguments", says="overflow encountered in exp")
class NaiveSigmoid(Elementwise):
    def phi(self, z):
        return 1 / (1 + np.exp(-z))

    def dphi(self, z, z_next):
        return z_next * (1 - z_next)


@wrong("large_arguments", says="overflow encountered in exp")
class NaiveSoftplus(Elementwise):
    def phi(self, z):
        return np.log(1 + np.exp(z))

    def dphi(self, z, z_next):
        return special.expit(z)


@wrong("large_arguments", says="B is not finite in float64 at inputs of 10000")
class NanInSaturation(Elementwise):
    def phi(self, z):
        return np.tanh(z)

    def dphi(self, z, z_next):
        return np.where(np.abs(z) > 1e3, z.dtype.type(np.nan), 1 - z_next**2)


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


@pytest.mark.parametrize(
    ("layer", "check", "says"),
    [
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
