"""Multiply-adds: what a recording without numbers counts, a run counts, and closed forms say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prograd
from prograd import Layer
from prograd.modes import MODES
from prograd.operators import Dense, Operator
from prograd.planning.recording import Task, cost
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

    def planned(self, outputs, mode):
        wrt, what = (outputs, "jacobian") if outputs in {"parameters", "input"} else ("parameters", outputs)
        return cost(Task(self.net, self.samples, wrt, what, np.dtype(float)), MODES[mode], None).multiply_adds

    def done(self, outputs, mode):
        with counted() as count:
            if outputs == "gradient":
                self.f.gradient(self.w, mode=mode)
            elif outputs == "hessian_vector":
                self.f.hessian_vector(self.w, self.w)
            else:
                prograd.jacobian(self.net, self.w, self.x, wrt=outputs, mode=mode)
        return count.multiply_adds


def assert_exact(net, samples):
    problem = Problem(net, samples)
    for outputs in ("gradient", "parameters", "input"):
        for mode in MODES:
            assert problem.planned(outputs, mode) == problem.done(outputs, mode), (outputs, mode)


@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_products_with_the_hessian(layer, n_in):
    before, after = prograd.layer("affine", width=n_in), prograd.layer("affine", width=2)
    problem = Problem(prograd.Network([before, prograd.layer("tanh"), layer, after], 3), 3)
    assert problem.planned("hessian_vector", "reverse") == problem.done("hessian_vector", "reverse")


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


def test_affine_chains():
    """Reverse mode: `A_i^T q`, and `B_i^T q` for i > 1. Forward mode: the older columns through `B_i`."""
    N, n = 3, (5, 4, 7, 2)
    problem = Problem(prograd.Network([prograd.layer("affine", width=k, bias=False) for k in n[1:]], n[0]), N)
    matrices = [rows * cols for rows, cols in zip(n[1:], n, strict=False)]
    assert problem.done("gradient", "reverse") == N * (sum(matrices) + sum(matrices[1:]))
    # A dw, A^T dq, dA^T q; B dz, B^T q, B^T dq, dB^T q, of which the first layer has only B dz, for one row of zeros
    moved = 3 * N * sum(matrices) + matrices[0] + 4 * N * sum(matrices[1:])
    assert problem.done("hessian_vector", "reverse") == moved
    # The rows are the same for all samples until an A_i of each sample is multiplied.
    assert problem.done("parameters", "reverse") == n[-1] * (N * sum(matrices) + sum(matrices[1:]))
    pushed = N * sum(sum(matrices[:i]) * matrix for i, matrix in enumerate(matrices))
    assert problem.done("parameters", "forward") == pushed
    assert problem.done("gradient", "forward") == pushed + N * n[-1] * sum(matrices)  # and the columns times ∇ℓ
    assert problem.done("input", "reverse") == n[-1] * sum(matrices)  # the same rows for all samples
    assert problem.done("input", "forward") == n[0] * N * sum(matrices)


def test_convolutions_and_residuals():
    N, taps, pixels = 2, 3 * 3 * 2, 4 * 4
    conv = prograd.layer("conv2d", image=[2, 4, 4], channels=3, kernel=3, padding=1)
    first = N * 3 * pixels * taps  # the kernel of each channel at each pixel
    bias = N * 3 * pixels
    assert Problem(prograd.Network([conv], 32), N).done("gradient", "reverse") == first + bias
    inside = [{"name": "affine", "width": 6, "bias": False}]
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 6, "bias": False}, {"name": "residual", "layers": inside}], 6
    )
    assert Problem(net, N).done("gradient", "reverse") == 3 * N * 6 * 6  # A_1, A_2, and B_2 = I + W


def test_grouped_convolutions_and_overlapping_windows():
    N, size = 3, 2 * 2  # a kernel sees two of eight channels, and two numbers of each
    conv = {"name": "conv1d", "signal": [8, 25], "channels": 16, "kernel": 2, "dilation": 2, "groups": 4}
    pool = {"name": "avg_pool2d", "image": [16, 23, 1], "window": (3, 1), "stride": (2, 1)}
    positions, pooled = 25 - 2, (23 - 3) // 2 + 1
    net = prograd.Network.from_config([conv, pool], 8 * 25)
    weights, bias = 16 * positions * size, 16 * positions
    assert Problem(net, N).done("gradient", "reverse") == N * (weights + bias + 16 * pooled * 3)
    assert Problem(net, 1).done("input", "reverse") == 16 * pooled * (16 * pooled * 3 + 16 * 2 * positions * 2)


def test_branches_count_like_layers_of_their_own():
    N, n = 3, 5
    affine = {"name": "affine", "width": 4, "bias": False}
    branches = {"name": "concat", "branches": [[], affine, affine]}
    net = prograd.Network.from_config([{"name": "affine", "width": n, "bias": False}, branches], 6)
    assert Problem(net, N).done("gradient", "reverse") == N * (6 * n + 2 * 4 * n + 2 * 4 * n)  # A_1, A_2, and B_2
    columns = 6 * n * 2 * 4 * n  # those of A_1 through B_2
    assert Problem(net, 1).done("parameters", "forward") == columns


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
        prograd.plan(prograd.Network([Refusing()], 2), 2)


class Misshapen(Layer):
    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return z

    def jacobian(self, w, z, z_next):
        return {}, Dense(np.ones((2, 7)))


def test_blocks_are_checked():
    with pytest.raises(prograd.errors.PluginError, match="expected B to be 2 × 2"):
        prograd.plan(prograd.Network([Misshapen()], 2), 2)
