"""The planned multiply-adds are exactly those that are done, for every mode, layer and composition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prograd
from prograd import Layer
from prograd.modes import MODES
from prograd.modes.structure import structure
from prograd.operators import Dense, Operator
from prograd.testing import counted
from tests.helpers.networks import EXAMPLES, networks


class Problem:
    """A network with samples whose multiply-adds are planned and counted."""

    def __init__(self, net, samples):
        rng = np.random.default_rng(0)
        self.net, self.samples = net, samples
        self.x, y = rng.normal(size=(samples, net.n[0])), rng.normal(size=(samples, net.n[-1]))
        self.w = net.init(rng)
        self.f = prograd.Objective(net, prograd.loss("squared_error"), self.x, y)
        self.f.gradient(self.w)  # the first call checks what layers give
        self.structure = structure(net, samples, np.dtype(float))

    def planned(self, outputs, mode):
        of = self.structure.by_input() if outputs == "input" else self.structure
        cost = MODES[mode].gradient_cost if outputs == "gradient" else MODES[mode].jacobian_cost
        return cost(of, None).multiply_adds

    def done(self, outputs, mode):
        with counted() as count:
            if outputs == "gradient":
                self.f.gradient(self.w, mode=mode)
            else:
                prograd.jacobian(self.net, self.w, self.x, wrt=outputs, mode=mode)
        closing = self.samples * self.net.size * self.net.n[-1] if (outputs, mode) == ("gradient", "forward") else 0
        return count.multiply_adds + closing


def assert_exact(net, samples):
    problem = Problem(net, samples)
    for outputs in ("gradient", "parameters", "input"):
        for mode in MODES:
            assert problem.planned(outputs, mode) == problem.done(outputs, mode), (outputs, mode)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_every_layer_between_others(layer, n_in, samples):
    before = prograd.layer("affine", width=n_in)
    assert_exact(prograd.Network([before, prograd.layer("tanh"), layer, prograd.layer("affine", width=2)], 3), samples)


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_every_layer_alone(layer, n_in):
    assert_exact(prograd.Network([layer], n_in), 2)


@pytest.mark.slow
@settings(max_examples=60)
@given(networks(), st.integers(1, 4))
def test_every_composition(net, samples):
    assert_exact(net, samples)


def test_chunks_count_the_same():
    net = prograd.Network.from_config([{"name": "affine", "width": 40}, {"name": "tanh"}] * 3, 40)
    for outputs, mode, samples in (("gradient", "forward", 30), ("parameters", "forward", 3)):
        problem = Problem(net, samples)
        assert problem.planned(outputs, mode) == problem.done(outputs, mode)


class Particular(Operator):
    """A plugin author's operator with only the required members."""

    def __init__(self, scale):
        self.scale = scale
        self.rows = self.cols = scale.shape[-1]

    def jvp(self, v):
        return v * self.scale

    def vjp(self, q):
        return q * self.scale


class Particularly(Layer):
    """Writes into what it is given, wants outputs that it puts out, and gives plain arrays beside operators."""

    def shapes(self, n_in):
        return n_in, {"a": (n_in,)}

    def g(self, w, z):
        return np.exp(z) * w.a

    def jacobian(self, w, z, z_next):
        z_next += 0
        if not (z_next == np.exp(z) * w.a).all():
            raise ValueError
        return {"a": np.einsum("ni,ij->nij", np.exp(z), np.eye(z.shape[1]))}, Particular(np.exp(z) * w.a)


def test_a_layer_that_needs_more_than_shapes():
    assert_exact(prograd.Network([Particularly(), prograd.layer("affine", width=2), Particularly()], 3), 3)


class Refusing(prograd.Elementwise):
    def phi(self, z):
        return z

    def dphi(self, z, z_next):
        raise ValueError("not today")


def test_a_layer_that_has_no_jacobian_at_all():
    with pytest.raises(
        prograd.errors.PluginError,
        match=r"layers\[0\] \(refusing\): expected a Jacobian that can be planned.*not today",
    ):
        structure(prograd.Network([Refusing()], 2), 2, np.dtype(float))


class Misshapen(Layer):
    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return z

    def jacobian(self, w, z, z_next):
        return {}, Dense(np.ones((2, 7)))


def test_blocks_are_checked():
    with pytest.raises(prograd.errors.PluginError, match="expected B to be 2 × 2"):
        structure(prograd.Network([Misshapen()], 2), 2, np.dtype(float))
