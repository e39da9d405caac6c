"""Forward mode on operators: it agrees with the other modes, and does the multiply-adds that were predicted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import prograd
from prograd import recursions
from prograd.errors import OptionError
from prograd.modes import factored
from prograd.operators import Dense
from prograd.planning.recording import Task
from prograd.tape import machine
from prograd.testing import counted
from tests.helpers.closeness import ROUNDING, assert_close
from tests.helpers.networks import EXAMPLES, point, problems

FACTORED = prograd.mode("factored")


def around(layer, n_in, samples=2):
    """`layer` between two affine maps, and two more behind an activation, so that its blocks meet every kind."""
    parts = [prograd.layer("affine", width=n_in), layer, prograd.layer("affine", width=4), prograd.layer("tanh")]
    net = prograd.Network([*parts, prograd.layer("affine", width=3)], n_in=3)
    return net, *point(net, samples, seed=5)


@settings(max_examples=60)
@given(problems())
def test_equals_the_other_modes(problem):
    net, w, x, y = problem
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    assert_close(f.gradient(w, mode="factored"), f.gradient(w))
    for wrt in ("parameters", "input"):
        expected = prograd.jacobian(net, w, x, wrt=wrt, mode="reverse")
        assert_close(prograd.jacobian(net, w, x, wrt=wrt, mode="factored"), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_works_for_every_layer(layer, n_in, dtype):
    net, w, x, y = around(layer, n_in)
    w, x, y = (a.astype(dtype) for a in (w, x, y))
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    gradient, J = f.gradient(w, mode="factored"), prograd.jacobian(net, w, x, mode="factored")
    assert gradient.dtype == J.dtype == dtype
    rounding = ROUNDING if dtype == np.float64 else 1e-4  # the same, in units of float32
    assert_close(gradient, f.gradient(w), rounding)
    assert_close(J, prograd.jacobian(net, w, x, mode="reverse"), rounding)


def multiply_adds(mode, lin):
    """Multiply-adds of the left factors."""
    with counted() as count:
        mode.left_factors(lin.blocks)
    return count.multiply_adds


def check_counts(net, w, x):
    lin = prograd.linearize(net, w, x)
    q, p = np.ones_like(lin.output), np.empty(net.size)
    with counted() as count:
        J = FACTORED.left_factors(lin.blocks)
        factored.pull(J, lin.blocks, q, lin.slices(p), recursions.sum_into)
    assert prograd.plan(net, len(x)).costs["factored"].multiply_adds == count.multiply_adds
    for wrt, one in (("parameters", lin), ("input", lin.by_input())):
        without_numbers = Task(net, len(x), wrt, "jacobian", lin.dtype).linearization()
        for mode in (FACTORED, prograd.mode("reverse")):
            assert multiply_adds(mode, without_numbers) == multiply_adds(mode, one)


@pytest.mark.slow
@settings(max_examples=60)
@given(problems())
def test_multiply_adds_are_predicted(problem):
    net, w, x, _ = problem
    check_counts(net, w, x)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_multiply_adds_are_predicted_for_every_layer(layer, n_in, samples):
    net, w, x, _ = around(layer, n_in, samples)
    check_counts(net, w, x)


def mlp(depth, width, samples, outputs=10):
    hidden_layers = [{"name": "affine", "width": width}, {"name": "tanh"}] * (depth - 1)
    net = prograd.Network.from_config([*hidden_layers, {"name": "affine", "width": outputs}], n_in=width)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(samples, width)), rng.normal(size=(samples, outputs))
    return prograd.Objective(net, prograd.loss("squared_error"), x, y), net.init(rng)


def test_a_cube_where_forward_mode_takes_a_fourth_power():
    """Affine layers alone, one sample: `n_{i+1} n_i (n_i + … + n_2)` against `n_{i+1} n_i (r_{i-1} + … + r_1)`."""
    counts = {}
    for n in (8, 16):
        net = prograd.Network([prograd.layer("affine", width=n, bias=False)] * 4, n_in=n)
        lin = prograd.linearize(net, net.init(0), np.ones((1, n)))
        costs = prograd.plan(net, outputs="jacobian").costs
        counts[n] = {mode: costs[mode].multiply_adds for mode in ("forward", "factored")}
        by = multiply_adds(FACTORED, lin)
        assert by == (1 + 2) * n**3  # I · W_2 is W_2; W_3 W_2; W_4 times both
        assert counts[n]["forward"] == (1 + 2 + 3) * n**4
        assert counts[n]["factored"] == by + 4 * n * n**2  # n rows of each A_i = I ⊗ z^T, n² multiply-adds a row


def test_large_batches_go_through_in_parts(peak):
    f, w = mlp(depth=4, width=32, samples=96)
    one = 3 * 32 * (3 * 32) * 8
    whole = f.gradient(w, mode="factored")
    assert_close(whole, f.gradient(w))
    for limit in (7 * one, 30 * one, 96 * one):
        assert_close(f.gradient(w, mode="factored", max_bytes=limit), whole)
        assert peak(lambda limit=limit: f.gradient(w, mode="factored", max_bytes=limit)) <= limit
    with pytest.raises(OptionError, match=f"expected at least .* got {one - 1}"):
        f.gradient(w, mode="factored", max_bytes=one - 1)
    with machine.using("off"):
        assert peak(lambda: f.gradient(w, mode="factored")) > 40 * one


def test_a_bottleneck_stays_two_thin_matrices():
    """64 → 2 → 64: the left factors behind it have rank two, and take no 64 × 64 matrix."""
    net = prograd.Network([prograd.layer("affine", width=n) for n in (64, 2, 64, 64)], n_in=64)
    lin = prograd.linearize(net, net.init(0), np.ones((1, 64)))
    P = factored.each(FACTORED.left_factors(lin.blocks), lin.blocks)
    assert P[0].edges == 2 * 64 * 2
    assert P[1].edges == 64 * 2
    assert type(P[2]) is Dense
    assert_close(P[0].dense()[0], lin.blocks[3][1].a @ lin.blocks[2][1].a @ lin.blocks[1][1].a)
