"""The objective and its derivatives, against hand values, finite differences and each other."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import scipy.optimize

import prograd
from prograd import chain, errors


def problem(samples=6, loss="softmax_cross_entropy", seed=0):
    rng = np.random.default_rng(seed)
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 5}, {"name": "tanh"}, {"name": "affine", "width": 3}], n_in=4
    )
    x, y = rng.normal(size=(samples, 4)), prograd.one_hot(rng.integers(0, 3, samples), 3)
    return prograd.Objective(net, prograd.loss(loss), x, y), net.init(rng), x, y


def test_least_squares_by_hand():
    """`∇f = Xᵀ(Xw − y)/N` for one affine layer without bias."""
    rng = np.random.default_rng(1)
    x, y, w = rng.normal(size=(7, 3)), rng.normal(size=(7, 1)), rng.normal(size=3)
    f = prograd.Objective(
        prograd.Network([prograd.layer("affine", width=1, bias=False)], 3), prograd.loss("squared_error"), x, y
    )
    residual = x @ w - y[:, 0]
    assert f(w) == pytest.approx(residual @ residual / 14, rel=1e-14)
    for mode in (*prograd.MODES, "auto"):
        np.testing.assert_allclose(f.gradient(w, mode=mode), x.T @ residual / 7, rtol=1e-13)
    np.testing.assert_allclose(f.gauss_newton(w) @ np.eye(3), x.T @ x / 7, rtol=1e-13)
    np.testing.assert_allclose(f.per_sample_gradients(w), x * residual[:, None], rtol=1e-13)


def test_value_and_gradient_agree_with_finite_differences():
    f, w, _, _ = problem()
    value, gradient = f.value_and_gradient(w)
    assert value == f(w)
    steps = 1e-6 * np.eye(len(w))
    numeric = [(f(w + h) - f(w - h)) / 2e-6 for h in steps]
    np.testing.assert_allclose(gradient, numeric, atol=1e-9)  # h² of truncation and 1e-16/h of rounding


def test_scipy_minimises_it():
    f, w, _, _ = problem()
    result = scipy.optimize.minimize(f.value_and_gradient, w, jac=True, method="L-BFGS-B")
    assert result.fun < 1e-3 < f(w)


def test_gauss_newton_is_the_dense_product():
    f, w, x, _ = problem()
    J = prograd.jacobian(f.net, w, x)
    z = f.net(w, x)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    H = p[:, :, None] * np.eye(3) - p[:, :, None] * p[:, None, :]
    expected = np.einsum("nra,nrs,nsb->ab", J, H, J) / len(x)
    G = f.gauss_newton(w)
    np.testing.assert_allclose(G @ np.eye(len(w)), expected, atol=1e-14)
    np.testing.assert_allclose(G.matvec(w), expected @ w, atol=1e-14)
    np.testing.assert_allclose(G.rmatvec(w), expected @ w, atol=1e-14)


def test_one_sample():
    f, w, x, y = problem(samples=1)
    one = prograd.Objective(f.net, f.loss, x[0], y[0])
    assert one(w) == f(w)
    for mode in prograd.MODES:
        np.testing.assert_array_equal(one.gradient(w, mode=mode), f.gradient(w, mode=mode))
    assert one.per_sample_gradients(w).shape == w.shape
    assert prograd.jacobian(f.net, w, x[0]).shape == (3, len(w))
    assert prograd.jacobian(f.net, w, x[0], wrt="input").shape == (3, 4)
    lin = prograd.linearize(f.net, w, x[0])
    assert lin.output.shape == lin.jvp(w).shape == (3,)
    assert lin.jvp(np.ones((2, len(w)))).shape == (2, 3)
    assert lin.vjp(np.ones((2, 3))).shape == (2, len(w))


@pytest.mark.parametrize("mode", prograd.MODES)
def test_out(mode):
    f, w, _, _ = problem()
    out = np.empty_like(w)
    assert f.gradient(w, mode=mode, out=out) is out
    np.testing.assert_array_equal(out, f.gradient(w, mode=mode))


@pytest.mark.parametrize("mode", prograd.MODES)
def test_results_do_not_alias_earlier_ones(mode):
    f, w, _, _ = problem()
    first = f.gradient(w, mode=mode)
    kept = first.copy()
    second = f.gradient(w + 1, mode=mode)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    "out",
    [np.empty(3), np.empty(43, np.float32), np.empty(86)[::2], [0.0] * 43],
    ids=["size", "dtype", "stride", "list"],
)
def test_bad_out(out):
    f, w, _, _ = problem()
    assert len(w) == 43
    with pytest.raises(errors.ShapeError, match="out: expected a contiguous, writable float64 vector"):
        f.gradient(w, out=out)


def test_inputs_are_not_modified():
    f, w, x, y = problem()
    kept = [a.copy() for a in (w, x, y)]
    for a in (w, x, y):
        a.flags.writeable = False
    f = prograd.Objective(f.net, f.loss, x, y)
    for mode in prograd.MODES:
        f.value_and_gradient(w, mode=mode)
        prograd.jacobian(f.net, w, x, mode=mode)
    f.per_sample_gradients(w)
    for a, before in zip((w, x, y), kept, strict=True):
        np.testing.assert_array_equal(a, before)


@pytest.mark.parametrize("max_bytes", [1 << 15, 1 << 17, 1 << 20])
def test_forward_mode_stays_within_its_bytes(max_bytes, peak):
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 16}, {"name": "layer_norm"}, {"name": "tanh"}] * 4, n_in=16
    )
    rng = np.random.default_rng(0)
    f = prograd.Objective(net, prograd.loss("squared_error"), rng.normal(size=(2, 16)), rng.normal(size=(2, 16)))
    w, out = net.init(rng), np.empty(net.size)
    expected = f.gradient(w)
    f.gradient(w, mode="forward", out=out, max_bytes=max_bytes)
    rest = peak(lambda: f.linearize(w))  # the forward pass and all blocks, which it needs again for every chunk
    used = peak(lambda: f.gradient(w, mode="forward", out=out, max_bytes=max_bytes))
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-13)
    assert used - rest <= max_bytes


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda f, w: f.gradient(w, mode="forwards"),
            errors.UnknownNameError,
            "no mode named 'forwards'; did you mean 'forward'",
        ),
        (
            lambda f, w: f.gradient(w, mode="forward", max_bytes=10),
            errors.OptionError,
            "max_bytes=10: one column of 6 samples",
        ),
        (lambda f, w: f(w[:-1]), errors.ShapeError, r"w: expected shape \(43,\)"),
        (lambda f, w: f.per_sample_gradients(w * np.nan), errors.NonFiniteError, "w: expected finite"),
        (
            lambda f, w: prograd.jacobian(f.net, w, np.ones(4), wrt="x"),
            errors.UnknownNameError,
            "no variable named 'x'",
        ),
        (
            lambda f, w: prograd.jacobian(f.net, w, np.ones(4), mode="backward"),
            errors.UnknownNameError,
            "no mode named 'backward'",
        ),
        (
            lambda f, w: prograd.linearize(f.net, w, np.ones(4)).jvp(w[1:]),
            errors.ShapeError,
            r"dw: expected shape \(..., 43\), got \(42,\)",
        ),
        (
            lambda f, w: prograd.linearize(f.net, w, np.ones((2, 4))).vjp(np.ones(3)),
            errors.ShapeError,
            r"q: expected shape \(..., 2, 3\)",
        ),
        (
            lambda f, _: prograd.Objective(f.net, "huber", np.ones(4), np.ones(3)),
            errors.OptionError,
            "a Network and a Loss, got Network and str",
        ),
    ],
)
def test_bad_calls(call, error, message):
    f, w, _, _ = problem()
    with pytest.raises(error, match=message):
        call(f, w)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.array([0, 1]), errors.ShapeError, r"y: expected shape \(2, 3\).*layers\[2\] \(affine\).*one_hot"),
        (np.ones((2, 2)), errors.ShapeError, r"y: expected shape \(2, 3\).*got \(2, 2\)"),
        (np.full((2, 3), np.nan), errors.NonFiniteError, "y: expected finite numbers, got nan at"),
        (np.ones((2, 3)), errors.LabelError, "softmax_cross_entropy"),
        (np.array([[1, 0, 0], [1.5, -0.5, 0]]), errors.LabelError, "softmax_cross_entropy"),
    ],
)
def test_bad_labels(y, error, message):
    f, _, _, _ = problem()
    with pytest.raises(error, match=message):
        prograd.Objective(f.net, f.loss, np.ones((2, 4)), y)


def test_a_loss_without_a_hessian_has_no_gauss_newton():
    class Cubic(prograd.Loss):
        def value(self, z, y):
            return ((z - y) ** 3).sum(axis=-1)

        def gradient(self, z, y):
            return 3 * (z - y) ** 2

    f, w, x, y = problem()
    f = prograd.Objective(f.net, Cubic(), x, y)
    np.testing.assert_allclose(f.gradient(w), f.gradient(w, mode="forward"), rtol=1e-12)
    with pytest.raises(errors.OptionError, match="loss cubic gives no hessian"):
        f.gauss_newton(w)


def test_one_hot():
    np.testing.assert_array_equal(prograd.one_hot([1, 0, 2], 3), [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(prograd.one_hot(np.array([1.0]), 2), [[0, 1]])
    np.testing.assert_array_equal(prograd.one_hot(1, 3), [0, 1, 0])
    for labels, message in (
        ([3], r"in 0 … 2, got 3"),
        ([-1], "got -1"),
        ([0.5], "integers, got float64"),
        ([[1]], "shape"),
        (["a"], "integers"),
    ):
        with pytest.raises(errors.LabelError, match=message):
            prograd.one_hot(labels, 3)


def test_a_loop_may_change_w_in_place():
    f, w, _, _ = problem()
    for _ in range(3):
        value, gradient = f.value_and_gradient(w)
        fresh, expected = f.value_and_gradient(w.copy())
        assert value == fresh == f(w)
        np.testing.assert_array_equal(gradient, expected)
        w -= 0.1 * gradient
    w[3] = np.nan
    for call in (f, f.gradient, f.per_sample_gradients):
        with pytest.raises(errors.NonFiniteError, match="got nan in"):
            call(w)


def test_an_overflowing_loss_is_infinite_not_an_error():
    net = prograd.Network([prograd.layer("affine", width=1)], n_in=1)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones(1), np.zeros(1))
    with np.errstate(over="ignore"):
        assert f(np.array([1e200, 0])) == np.inf


def test_outputs_that_a_loss_is_not_defined_for_are_named():
    net = prograd.Network.from_config([{"name": "affine", "width": 2}], n_in=2)  # a softmax was forgotten
    f = prograd.Objective(net, prograd.loss("cross_entropy"), np.eye(2), [[1.0, 0.0], [1.0, 0.0]])
    w = np.array([1.0, -1.0, 1.0, 0.5, 0.0, 0.0])
    for evaluated in (f, f.gradient):
        with pytest.raises(errors.NonFiniteError, match=r"loss cross_entropy: .* got \[-1. +0.5\] for sample 1"):
            evaluated(w)


@pytest.mark.parametrize("mode", prograd.MODES)
def test_out_may_not_be_w(mode):
    f, w, _, _ = problem()
    with pytest.raises(errors.ShapeError, match="an array that shares w's"):
        f.gradient(w, mode=mode, out=w)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_objective_follows_the_copied_w(duplicate):
    f, w, _, _ = problem()
    f(w)
    g, v = duplicate((f, w))
    v += 0.5
    assert g(v) == f(w + 0.5)


def test_infinity_written_into_w_is_noticed_behind_a_saturated_activation():
    f, w, _, _ = problem()
    f.gradient(w)
    f.net.unpack(w)[0].b[1] = np.inf  # tanh(inf) is finite
    for call in (f, f.gradient):
        with pytest.raises(errors.NonFiniteError, match=r"got inf in layers\[0\] \(affine\), b\[1\]"):
            call(w)


@pytest.mark.parametrize(
    "configs",
    [[{"name": "affine", "width": 5}], [{"name": "scale_shift"}], [{"name": "affine", "width": 9}, {"name": "tanh"}]],
)
def test_auto_gives_the_gradient_of_reverse_mode(configs):
    net = prograd.Network.from_config(configs, n_in=6)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((3, 6)), np.zeros((3, net.n[-1])))
    np.testing.assert_array_equal(f.gradient(net.init(0), mode="auto"), f.gradient(net.init(0), mode="reverse"))


def test_big_endian_input():
    f, w, x, y = problem()
    f = prograd.Objective(f.net, f.loss, x.astype(">f8"), y.astype(">f8"))
    np.testing.assert_array_equal(f.gradient(w.astype(">f8")), f.gradient(w))


class Misshapen(prograd.Loss):
    def __init__(self, what):
        self.what = what

    def value(self, z, y):
        return z if self.what == "value" else z.sum(axis=1)

    def gradient(self, z, y):
        return np.ones(len(z)) if self.what == "gradient" else np.ones_like(z)


@pytest.mark.parametrize("what", ["value", "gradient"])
def test_a_loss_that_gives_the_wrong_shape_is_named(what):
    f, w, x, y = problem()
    with pytest.raises(errors.PluginError, match=f"loss misshapen: expected {what} to give shape"):
        prograd.Objective(f.net, Misshapen(what), x, y).gradient(w)


def test_a_column_larger_than_the_default_limit_is_no_error(monkeypatch):
    monkeypatch.setattr(chain, "DEFAULT_BYTES", 1)  # as a batch of thousands on wide layers would be to the real one
    f, w, _, _ = problem()
    np.testing.assert_allclose(f.gradient(w, mode="forward"), f.gradient(w), rtol=1e-10, atol=1e-13)
