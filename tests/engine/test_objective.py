"""The objective and its derivatives, against hand values, finite differences and each other."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import scipy.optimize

import prograd
from prograd import errors
from prograd.modes import forward
from tests.helpers.networks import classifier


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


def test_a_loss_by_its_name():
    net = prograd.Network.from_config([{"name": "affine", "width": 2}], n_in=3)
    f = prograd.Objective(net, "squared_error", np.ones((5, 3)), np.zeros((5, 2)))
    assert f.loss == prograd.loss("squared_error")
    assert repr(f) == "Objective(squared_error of Network(3 → affine → 2; 8 parameters); 5 samples, float64)"
    assert "1 sample, float32" in repr(prograd.Objective(net, "huber", np.ones(3, np.float32), np.zeros(2, np.float32)))
    with pytest.raises(
        errors.UnknownNameError, match="loss: expected a known name, got 'hubber'; did you mean 'huber'"
    ):
        prograd.Objective(net, "hubber", np.ones(3), np.zeros(2))


def test_value_and_gradient_agree_with_finite_differences():
    f, w, _, _ = classifier()
    value, gradient = f.value_and_gradient(w)
    assert value == f(w)
    steps = 1e-6 * np.eye(len(w))
    numeric = [(f(w + h) - f(w - h)) / 2e-6 for h in steps]
    np.testing.assert_allclose(gradient, numeric, atol=1e-9)  # h² of truncation and 1e-16/h of rounding


def test_scipy_minimises_it():
    f, w, _, _ = classifier()
    result = scipy.optimize.minimize(f.value_and_gradient, w, jac=True, method="L-BFGS-B")
    assert result.fun < 1e-3 < f(w)


def test_gauss_newton_is_the_dense_product():
    f, w, x, _ = classifier()
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
    f, w, x, y = classifier(samples=1)
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
    f, w, _, _ = classifier()
    out = np.empty_like(w)
    assert f.gradient(w, mode=mode, out=out) is out
    np.testing.assert_array_equal(out, f.gradient(w, mode=mode))


@pytest.mark.parametrize("mode", prograd.MODES)
def test_results_do_not_alias_earlier_ones(mode):
    f, w, _, _ = classifier()
    first = f.gradient(w, mode=mode)
    kept = first.copy()
    second = f.gradient(w + 1, mode=mode)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)


def test_inputs_are_not_modified():
    f, w, x, y = classifier()
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


@pytest.mark.parametrize("max_bytes", [1 << 16, 1 << 17, 1 << 20])
def test_forward_mode_stays_within_its_bytes(max_bytes, peak):
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 16}, {"name": "layer_norm"}, {"name": "tanh"}] * 4, n_in=16
    )
    rng = np.random.default_rng(0)
    f = prograd.Objective(net, prograd.loss("squared_error"), rng.normal(size=(2, 16)), rng.normal(size=(2, 16)))
    w, out = net.init(rng), np.empty(net.size)
    expected = f.gradient(w)
    f.gradient(w, mode="forward", out=out, max_bytes=max_bytes)
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-13)
    assert peak(lambda: f.gradient(w, mode="forward", max_bytes=max_bytes)) <= max_bytes


def test_a_loss_without_a_hessian_has_no_gauss_newton():
    class Cubic(prograd.Loss):
        def value(self, z, y):
            return ((z - y) ** 3).sum(axis=-1)

        def gradient(self, z, y):
            return 3 * (z - y) ** 2

    f, w, x, y = classifier()
    f = prograd.Objective(f.net, Cubic(), x, y)
    np.testing.assert_allclose(f.gradient(w), f.gradient(w, mode="forward"), rtol=1e-12)
    with pytest.raises(errors.OptionError, match="loss cubic: expected a hessian"):
        f.gauss_newton(w)


def test_a_hessian_that_is_an_array_is_refused():
    class Halved(prograd.Loss):
        def value(self, z, y):
            return 0.5 * ((z - y) ** 2).sum(axis=-1)

        def gradient(self, z, y):
            return z - y

        def hessian(self, z, y):
            return np.ones_like(z)

    f, w, x, y = classifier()
    f = prograd.Objective(f.net, Halved(), x, y)
    for product in (f.gauss_newton, f.kronecker_factors, lambda w: f.hessian_vector(w, w)):
        with pytest.raises(errors.PluginError, match="expected hessian to give an operator, got ndarray; Diag"):
            product(w)


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
    f, w, _, _ = classifier()
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


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_objective_follows_the_copied_w(duplicate):
    f, w, _, _ = classifier()
    f(w)
    g, v = duplicate((f, w))
    v += 0.5
    assert g(v) == f(w + 0.5)


@pytest.mark.parametrize(
    "configs",
    [[{"name": "affine", "width": 5}], [{"name": "scale_shift"}], [{"name": "affine", "width": 9}, {"name": "tanh"}]],
)
def test_auto_gives_the_gradient_of_reverse_mode(configs):
    net = prograd.Network.from_config(configs, n_in=6)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((3, 6)), np.zeros((3, net.n[-1])))
    np.testing.assert_array_equal(f.gradient(net.init(0), mode="auto"), f.gradient(net.init(0), mode="reverse"))


def test_big_endian_input():
    f, w, x, y = classifier()
    f = prograd.Objective(f.net, f.loss, x.astype(">f8"), y.astype(">f8"))
    np.testing.assert_array_equal(f.gradient(w.astype(">f8")), f.gradient(w))


def test_a_column_larger_than_the_default_limit_is_no_error(monkeypatch):
    monkeypatch.setattr(forward, "DEFAULT_BYTES", 1)  # as a batch of thousands on wide layers would be to the real one
    f, w, _, _ = classifier()
    np.testing.assert_allclose(f.gradient(w, mode="forward"), f.gradient(w), rtol=1e-10, atol=1e-13)
