"""Norms and clipped sums of per-sample gradients, against the gradients themselves, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import prograd
from prograd.errors import OptionError, ShapeError
from prograd.modes import MODES
from prograd.operators import Operator
from prograd.planning.recording import Task, cost
from prograd.tape import machine
from prograd.testing import counted
from tests.helpers.closeness import ROUNDING, assert_close
from tests.helpers.exact import errors, exact, mp
from tests.helpers.networks import EXAMPLES, classifier, point, problems
from tests.helpers.recorded import MACHINES


def objective(net, w, x, y):
    return prograd.Objective(net, prograd.loss("squared_error"), x, y), w


def clipped(gradients, limit):
    norms = np.linalg.norm(gradients, axis=1)
    return np.mean([g * min(1, limit / norm) if norm else g for g, norm in zip(gradients, norms, strict=True)], axis=0)


def check(f, w, rounding=ROUNDING, penalty=0.0):
    gradients = f.per_sample_gradients(w)
    norms = np.linalg.norm(gradients, axis=1)
    assert_close(f.per_sample_norms(w), norms, rounding)
    for limit in (0.5 * norms.min(), np.median(norms), 2 * norms.max()):
        if limit > 0:
            assert_close(f.clipped_gradient(w, limit), clipped(gradients, limit) + penalty, rounding)
    assert_close(f.clipped_gradient(w, np.inf), f.gradient(w), rounding)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_every_layer(layer, n_in, dtype):
    net = prograd.Network([prograd.layer("affine", width=n_in), layer, prograd.layer("affine", width=2)], n_in=3)
    f, w = objective(net, *(a.astype(dtype) for a in point(net, 4)))
    assert f.per_sample_norms(w).dtype == f.clipped_gradient(w, 1e300).dtype == dtype
    check(f, w, ROUNDING if dtype == np.float64 else 1e-5)


@pytest.mark.slow
@settings(max_examples=60)
@given(problems())
def test_random_networks(problem):
    check(*objective(*problem))


def test_a_layer_that_stands_twice_has_parameters_of_its_own_each_time():
    twice = prograd.layer("affine", width=3)
    check(*objective(net := prograd.Network([twice, prograd.layer("tanh"), twice], 3), *point(net, 5)))


def test_one_sample():
    f, w, x, y = classifier(samples=1)
    one = prograd.Objective(f.net, f.loss, x[0], y[0])
    assert np.shape(one.per_sample_norms(w)) == ()
    assert one.per_sample_norms(w) == f.per_sample_norms(w)[0]
    np.testing.assert_array_equal(one.clipped_gradient(w, 0.1), f.clipped_gradient(w, 0.1))


def test_the_clipped_gradient_is_a_mean_of_short_gradients():
    f, w, _, _ = classifier()
    limit = 0.01 * f.per_sample_norms(w).min()
    directions = f.per_sample_gradients(w) / f.per_sample_norms(w)[:, None]
    np.testing.assert_allclose(f.clipped_gradient(w, limit), limit * directions.mean(axis=0), rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30])
def test_no_square_overflows_or_vanishes(scale, dtype):
    """Entries whose squares are no normal numbers in either type; a convolution's products are added up themselves."""
    scale = dtype(scale if dtype == np.float32 else scale**6)
    net = prograd.Network.from_config(
        [
            {"name": "conv2d", "image": (1, 3, 3), "channels": 2, "kernel": 2},
            {"name": "scale_shift"},
            {"name": "affine", "width": 2},
        ],
        9,
    )
    w, x, y = (a.astype(dtype) for a in point(net, 3))
    f = prograd.Objective(net, Linear(float(scale)), x, y)
    norms, clipped_sum = f.per_sample_norms(w), f.clipped_gradient(w, scale)
    exactly = exact(f.per_sample_gradients(w))
    right = np.array([mp.sqrt((g * g).sum()) for g in exactly])
    eps = float(np.finfo(dtype).eps)
    assert errors(norms, right, eps).max() < 16
    shares = np.array([min(mp.mpf(1), mp.mpf(float(scale)) / norm) for norm in right])[:, None]
    assert errors(clipped_sum, (exactly * shares).mean(axis=0), eps, float(scale) / 100).max() < 1e3


class Linear(prograd.Loss):
    """`scale · Σ z y`."""

    def __init__(self, scale):
        self.scale = scale

    def value(self, z, y):
        return np.vecdot(z, y * z.dtype.type(self.scale))

    def gradient(self, z, y):
        return y * z.dtype.type(self.scale)


def test_a_sample_without_a_gradient_has_norm_zero_and_no_warning():
    net = prograd.Network.from_config([{"name": "affine", "width": 2}], 2)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.zeros((2, 2)), np.array([[0.0, 0.0], [3.0, 4.0]]))
    w = np.zeros(net.size)
    np.testing.assert_array_equal(f.per_sample_norms(w), [0, 5])
    np.testing.assert_allclose(f.clipped_gradient(w, 1.0), [0, 0, 0, 0, -0.3, -0.4])


def test_limits_that_the_dtype_does_not_hold():
    f, w, x, y = classifier()
    w, x, y = (a.astype(np.float32) for a in (w, x, y))
    f = prograd.Objective(f.net, f.loss, x, y)
    np.testing.assert_allclose(f.clipped_gradient(w, 1e300), f.gradient(w), rtol=1e-5, atol=1e-7)
    assert np.abs(f.clipped_gradient(w, 1e-300)).max() < 1e-40


@pytest.mark.parametrize("max_norm", [0, -1.0, np.nan, "1", None, True, [1.0]])
def test_refuses_what_is_no_positive_limit(max_norm):
    f, w, _, _ = classifier()
    with pytest.raises(OptionError, match="clipped_gradient: max_norm: expected a positive number, got"):
        f.clipped_gradient(w, max_norm)


def test_out():
    f, w, _, _ = classifier()
    out = np.empty_like(w)
    assert f.clipped_gradient(w, 0.1, out=out) is out
    np.testing.assert_array_equal(out, f.clipped_gradient(w, 0.1))
    with pytest.raises(ShapeError, match="out: expected"):
        f.clipped_gradient(w, 0.1, out=out[1:])


@pytest.mark.parametrize("used", MACHINES)
def test_one_recording_serves_every_limit(used):
    f, w, x, y = classifier()
    calls = []

    class Watched(type(f.loss)):
        def value_and_gradient(self, z, y):
            calls.append(z)
            return super().value_and_gradient(z, y)

    f = prograd.Objective(f.net, Watched(), x, y)
    gradients = f.per_sample_gradients(w)
    with machine.using(used):
        f.clipped_gradient(w, 0.1)
        f.clipped_gradient(w, 0.2)
        calls.clear()
        for limit in (0.3, 0.4):
            assert_close(f.clipped_gradient(w, limit), clipped(gradients, limit))
    assert not calls


WIDE, DEEP = 200, 3
"""Much more of a gradient than of activations."""


def wide(samples=64):
    net = prograd.Network.from_config([{"name": "affine", "width": WIDE}, {"name": "tanh"}] * DEEP, WIDE)
    f, w = objective(net, *point(net, samples))
    return f, w, net.size * 8


def costs(f):
    known = ("gradient", "per_sample_norms", "clipped_gradient")
    return [prograd.plan(f.net, f.samples, outputs=outputs, modes=["reverse"]).cost for outputs in known]


@pytest.mark.slow
def test_memory_is_that_of_one_gradient_to_the_byte(peak):
    """Norms take what a gradient takes without itself, and N numbers; the clipped one also the `q^i` that it keeps."""
    f, w, gradient = wide()
    plain, norms, clipped = costs(f)
    numbers, each = f.samples * 8, f.samples * WIDE * 8
    assert norms.run_bytes == plain.run_bytes - gradient + numbers
    assert clipped.run_bytes == plain.run_bytes + numbers + (DEEP - 1) * each
    assert norms.tape_bytes <= plain.tape_bytes - gradient + 2 * numbers
    assert clipped.tape_bytes <= plain.tape_bytes + 2 * numbers
    with machine.using("off"):
        for call, cost in (
            (lambda: f.gradient(w), plain),
            (lambda: f.per_sample_norms(w), norms),
            (lambda: f.clipped_gradient(w, 1.0), clipped),
        ):
            assert cost.run_bytes <= peak(call) < cost.run_bytes + 2**14  # of Python's objects


def test_multiply_adds_by_hand():
    f, w, _ = wide()
    plain, norms, clipped = costs(f)
    N, square = f.samples, WIDE**2
    # tanh, the matrices that q goes through, and ‖q‖ ‖z‖ and ‖q‖ for each layer
    by_hand = N * (DEEP * WIDE + (DEEP - 1) * square + DEEP * 3 * WIDE)
    with counted() as count:
        f.per_sample_norms(w)
    assert norms.multiply_adds == count.multiply_adds == by_hand
    with counted() as count:
        f.clipped_gradient(w, 1.0)
    assert clipped.multiply_adds == count.multiply_adds == by_hand + N * DEEP * square
    assert clipped.multiply_adds == plain.multiply_adds + N * DEEP * 3 * WIDE  # q goes through no matrix twice


def test_a_convolution_is_measured_a_few_samples_at_a_time(peak):
    conv = {"name": "conv2d", "image": (64, 3, 3), "channels": 128, "kernel": 3, "padding": 1}
    net = prograd.Network.from_config([conv, {"name": "tanh"}, {"name": "affine", "width": 2}], 64 * 9)
    f, w = objective(net, *point(net, 100))
    f.per_sample_norms(w)
    patches = 100 * 9 * 64 * 9 * 8
    assert peak(lambda: f.per_sample_norms(w)) < 2 * patches + net.size * 8 < 100 * net.size * 8 / 5


@pytest.mark.slow
@pytest.mark.parametrize("outputs", ["per_sample_norms", "clipped_gradient"])
def test_a_limit_on_bytes_is_kept_or_refused(outputs, peak):
    f, w, gradient = wide()
    states = f.samples * sum(f.net.n) * 8
    whole = f.per_sample_norms(w) if outputs == "per_sample_norms" else f.clipped_gradient(w, 1.0)
    kept = 3 * gradient // 2 if outputs == "clipped_gradient" else 0  # itself, and what a part adds to a matrix
    for limit in (kept + states // 2, kept + 2 * states):
        call = {
            "per_sample_norms": lambda limit=limit: f.per_sample_norms(w, max_bytes=limit),
            "clipped_gradient": lambda limit=limit: f.clipped_gradient(w, 1.0, max_bytes=limit),
        }[outputs]
        assert_close(call(), whole)
        assert peak(call) <= limit
    with pytest.raises(OptionError, match=r"max_bytes: expected at least .* got 2000"):
        f.per_sample_norms(w, 2000) if outputs == "per_sample_norms" else f.clipped_gradient(w, 1.0, None, 2000)


def test_only_reverse_mode_has_them():
    f, _, _, _ = classifier()
    plan = prograd.plan(f.net, 6, outputs="per_sample_norms")
    assert plan.mode == "reverse"
    assert set(plan.left_out) == set(MODES) - {"reverse"}
    assert "expected a mode that has them (reverse), got forward" in str(plan)
    assert str(plan).startswith("norms of per-sample gradients of Network(")
    assert str(prograd.plan(f.net, 6, outputs="clipped_gradient")).startswith("clipped gradient of Network(")
    with pytest.raises(OptionError, match="expected a mode that has it"):
        prograd.plan(f.net, 6, outputs="clipped_gradient", modes=["factored"])
    with pytest.raises(OptionError, match='expected outputs="jacobian"'):
        prograd.plan(f.net, 6, wrt="input", outputs="per_sample_norms")


class Plain(Operator):
    """An author's own, with nothing but what must be given."""

    def __init__(self, z):
        self.z = z
        self.rows = self.cols = z.shape[-1]

    def jvp(self, v):
        return self.z * v

    def vjp(self, q):
        return self.z * q


class Scale(prograd.Layer):
    def shapes(self, n_in):
        return n_in, {"a": (n_in,)}

    def g(self, w, z):
        return w.a * z

    def jacobian(self, w, z, z_next):
        return {"a": Plain(z)}, Plain(w.a[None])


def test_an_authors_operator_needs_no_norm_of_its_own():
    net = prograd.Network([Scale(), prograd.layer("tanh"), Scale()], 4)
    rng = np.random.default_rng(0)
    check(*objective(net, *rng.normal(size=(1, 8)), *rng.normal(size=(2, 5, 4))))


def test_penalties_are_not_clipped():
    f, w, x, y = classifier()
    penalized = prograd.Objective(f.net, f.loss, x, y, penalty=prograd.penalty("l2", rate=0.1))
    check(penalized, w, penalty=penalized.gradient(w) - f.gradient(w))


def test_weights_come_before_the_clipping():
    f, w, x, y = classifier()
    weights = np.arange(6.0)
    f = prograd.Objective(f.net, f.loss, x, y, weights)
    assert f.per_sample_norms(w)[0] == 0
    check(f, w)
    task = Task(f.net, 6, "parameters", "clipped_gradient", w.dtype, weighted=True)
    assert cost(task, MODES["reverse"], None).multiply_adds > 0
    whole = f.clipped_gradient(w, 1.0)
    np.testing.assert_allclose(f.clipped_gradient(w, 1.0, max_bytes=2**16), whole, rtol=1e-12, atol=1e-15)
