"""The checker is checked: each layer here behaves in a wrong way, and is caught by the check meant for it alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from prograd import Elementwise, Layer
from prograd.operators import Dense, Diagonal, Kronecker
from prograd.testing import check_layer
from prograd.testing.layer_case import LayerCase
from prograd.testing.layer_checks import LAYER_CHECKS
from tests.helpers.gallery import Gallery, Right

GALLERY = Gallery(check_layer, n_in=3)
wrong = GALLERY.wrong


@pytest.mark.parametrize("entry", GALLERY.entries)
def test_wrong_layer_is_caught(entry) -> None:
    GALLERY.caught(entry)


# What g and jacobian say about themselves.


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


# Precision, arguments, state.


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


# Large arguments.


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


# Few points, given by the caller: they hide nothing.


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
