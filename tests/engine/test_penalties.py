"""Penalties in an objective: in the value, in the gradient of every mode, and in Gauss-Newton products."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

import prograd
from prograd import Penalty, errors
from tests.helpers import exact
from tests.helpers.networks import classifier

MODE_NAMES = [*prograd.MODES, "auto"]
RATE = 2.0**-7
"""A power of two, which rounds nothing."""


@dataclass(frozen=True)
class Roots(Penalty):
    """ρ(w) = Σ √w, which has no derivative at 0, and no value below it."""

    def value(self, w):
        return np.add.reduce(np.sqrt(w), axis=None)

    def gradient(self, w):
        return 0.5 / np.sqrt(w)


@dataclass(frozen=True)
class Wide(Penalty):
    """One that returns something else than it should."""

    what: str = "gradient"

    def value(self, w):
        return np.zeros(2 if self.what == "value" else ())

    def gradient(self, w):
        return np.zeros(w.shape + (2,) * (self.what == "gradient"))

    def hessian_vector(self, w, v):
        return np.zeros(v.shape + (2,) * (self.what == "hessian_vector"))


@dataclass(frozen=True)
class ByLoop(Penalty):
    """ρ(w) = Σ |w|³/3, entry by entry, which can't be recorded."""

    def value(self, w):
        return np.asarray(sum(abs(float(a)) ** 3 for a in w.flat) / 3)

    def gradient(self, w):
        return w * abs(w)


def penalized(penalty, **more):
    f, w, x, y = classifier()
    return prograd.Objective(f.net, f.loss, x, y, penalty=penalty, **more), f, w


def test_ridge_regression_by_fractions():
    """`(1/2N) ‖Xw − y‖² + rate/2 ‖w‖²`, exact but for the last rounding."""
    x, y, w = [[1.0, -2.0], [0.5, 3.0]], [0.25, -1.0], np.array([0.75, -1.5])
    net = prograd.Network([prograd.layer("affine", width=1, bias=False)], 2)
    f = prograd.Objective(net, "squared_error", x, np.array([y]).T, penalty=prograd.penalty("l2", rate=0.1))
    rate, v = Fraction(0.1), list(map(Fraction, w))
    r = [sum(map(Fraction.__mul__, map(Fraction, row), v)) - Fraction(y_n) for row, y_n in zip(x, y, strict=True)]
    value = sum(a * a for a in r) / 4 + rate / 2 * sum(a * a for a in v)
    slopes = [sum(a * Fraction(row[k]) for a, row in zip(r, x, strict=True)) / 2 + rate * v[k] for k in range(2)]
    for _ in range(3):  # interpreted, recorded, replayed
        assert f(w) == pytest.approx(float(value), rel=1e-15)
        for mode in MODE_NAMES:
            np.testing.assert_allclose(f.gradient(w, mode=mode), list(map(float, slopes)), rtol=1e-15)
    product, X = f.gauss_newton(w), np.array(x)
    for _ in range(3):
        np.testing.assert_allclose(product @ np.eye(2), X.T @ X / 2 + 0.1 * np.eye(2), rtol=1e-15)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "squared_error", "logistic"])
def test_a_network_in_60_digits(loss):
    """`(1/N) Σ c_n ∇ℓ_n + ∇R`, by recursion in matrices and by the formula of the penalty."""
    c, rng = np.array([2.5, 1e-3, 0.75]), np.random.default_rng(3)
    net = prograd.Network.from_config([{"name": "affine", "width": 3}, "tanh", {"name": "affine", "width": 2}], 2)
    x, y, w = rng.normal(size=(3, 2)), prograd.one_hot([0, 1, 1], 2), net.init(rng)
    rate, eps = 0.05, 0.25
    f = prograd.Objective(net, loss, x, y, c, prograd.penalty("l1", rate=rate, eps=eps))
    values, gradients, _ = exact.derivatives(f, w, x, y)
    v, C = exact.exact(w), exact.exact(c)
    h = np.array([exact.mp.sqrt(a * a + exact.mp.mpf(eps) ** 2) for a in v], dtype=object)
    value = (C * values).sum() / 3 + exact.mp.mpf(rate) * (h - exact.mp.mpf(eps)).sum()
    gradient = (C[:, None] * gradients).sum(axis=0) / 3 + exact.mp.mpf(rate) * v / h
    for _ in range(3):
        assert f(w) == pytest.approx(float(value), rel=1e-14)
        for mode in MODE_NAMES:
            np.testing.assert_allclose(f.gradient(w, mode=mode), gradient.astype(float), rtol=1e-13, atol=1e-16)


def test_scikit_learn_ends_where_the_gradient_is_zero():
    """It minimises `C Σ c_n ℓ_n + ½ ‖W‖²`, with weights that are balanced by class and a bias without penalty."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (slow to import)

    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(60, 4)), rng.choice(3, size=60, p=[0.7, 0.2, 0.1])
    found = LogisticRegression(C=0.5, class_weight="balanced", tol=1e-10, max_iter=1000).fit(x, labels)
    balanced = {k: float(60 / (3 * np.sum(labels == k))) for k in range(3)}
    net = prograd.Network.from_config([{"name": "affine", "width": 3}], 4)
    ridge = prograd.penalty("l2", rate=1 / (0.5 * 60), parameters=["W"])
    f = prograd.Objective(net, "softmax_cross_entropy", x, prograd.one_hot(labels, 3), balanced, ridge)
    w = net.pack([{"W": found.coef_, "b": found.intercept_}])
    assert np.abs(f.gradient(w)).max() < 1e-7
    assert np.abs(f.gradient(net.init(0))).max() > 0.01


@pytest.mark.parametrize("name", ["l1", "l2"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_share_of_a_penalty_is_the_same_to_the_bit_in_every_mode(name, dtype):
    """Where the losses add nothing, the gradient is that of the penalty."""
    net, rng = classifier()[0].net, np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)).astype(dtype), prograd.one_hot([0, 1, 2] * 2, 3)
    f = prograd.Objective(net, "softmax_cross_entropy", x, y, weights=np.zeros(6), penalty=name)
    w = net.init(rng).astype(dtype)
    (penalty,) = f.penalties
    expected = net.pack([{k: penalty.gradient(a) for k, a in of_layer.items()} for of_layer in net.unpack(w)])
    for _ in range(3):
        for mode in MODE_NAMES:
            found = f.gradient(w, mode=mode)
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, expected)
    assert np.abs(expected).max() > 0


def test_each_penalty_adds_to_what_there_is():
    both = [prograd.penalty("l2", rate=RATE), prograd.penalty("l1", rate=RATE, eps=0.5)]
    f, plain, w = penalized(both)
    parts = [a for of_layer in f.net.unpack(w) for a in of_layer.values()]
    added = sum(float(penalty.value(a)) for penalty in both for a in parts)
    for _ in range(3):
        assert f(w) == pytest.approx(plain(w) + added, rel=1e-14)
        assert f.value_and_gradient(w)[0] == f(w)
    step = 1e-6 * np.eye(len(w))
    numeric = [(f(w + h) - f(w - h)) / 2e-6 for h in step]
    np.testing.assert_allclose(f.gradient(w), numeric, atol=1e-9)  # h² of truncation and 1e-16/h of rounding
    difference = f.gauss_newton(w) @ np.eye(len(w)) - plain.gauss_newton(w) @ np.eye(len(w))
    diagonal = [np.diff([one.gradient(np.array([a - 1e-6, a + 1e-6])) for one in both]).sum() / 2e-6 for a in w]
    np.testing.assert_allclose(difference, np.diag(diagonal), atol=1e-8)
    assert repr(f).startswith("Objective(softmax_cross_entropy + l2 + l1 of ")


def test_gradients_of_samples_are_those_of_the_losses():
    f, plain, w = penalized("l2")
    np.testing.assert_array_equal(f.per_sample_gradients(w), plain.per_sample_gradients(w))


RESIDUAL = [{"name": "affine", "width": 2}, "tanh", {"name": "residual", "layers": [{"name": "affine", "width": 2}]}]


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, [(0, "W"), (0, "b"), (2, "0.W"), (2, "0.b")]),
        ({"parameters": ["W"]}, [(0, "W"), (2, "0.W")]),
        ({"parameters": ["0.W", "b"]}, [(0, "b"), (2, "0.W"), (2, "0.b")]),
        ({"layers": [-1]}, [(2, "0.W"), (2, "0.b")]),
        ({"layers": (0, np.int64(2), -3), "parameters": ("b",)}, [(0, "b"), (2, "0.b")]),
    ],
    ids=repr,
)
def test_which_parameters_have_a_penalty(options, chosen):
    net = prograd.Network.from_config(RESIDUAL, 2)
    f = prograd.Objective(
        net, "squared_error", np.ones((1, 2)), np.ones((1, 2)), [0.0], prograd.penalty("l2", rate=1.0, **options)
    )
    w = np.arange(1.0, net.size + 1)
    expected = net.unpack(np.zeros(net.size))
    expected = [{name: np.zeros(a.shape) for name, a in part.items()} for part in expected]
    for i, name in chosen:
        expected[i][name] = net.unpack(w)[i][name]
    np.testing.assert_array_equal(f.gradient(w), net.pack(expected))
    np.testing.assert_array_equal(f.gauss_newton(w) @ w, net.pack(expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [3]}, "penalty l2: layers: expected numbers from -3 to 2, got 3"),
        ({"layers": [0.0]}, "layers: expected numbers from -3 to 2, got 0.0"),
        ({"layers": [True]}, "got True"),
        ({"layers": [1]}, r"layers: expected layers with parameters, got 1, layers\[1\] \(tanh\)"),
        ({"layers": 0}, r"layers: expected numbers of layers, such as \[0, -1\], got 0"),
        ({"layers": []}, r"got \[\]"),
        ({"parameters": "W"}, r"parameters: expected names of parameters, such as \[W\], got 'W'"),
        ({"parameters": ["V"]}, r"parameters: expected some of \['W', 'b'\], got 'V'"),
        ({"parameters": []}, r"got \[\]"),
    ],
    ids=repr,
)
def test_parameters_that_there_are_not(options, message):
    with pytest.raises(errors.OptionError, match=message):
        penalized(prograd.penalty("l2", **options))


@pytest.mark.parametrize(
    ("penalty", "error", "message"),
    [
        (3, errors.OptionError, "Objective: expected a Penalty, its name, or a list of these, got int"),
        ([prograd.loss("huber")], errors.OptionError, "got Huber"),
        (["l2", "l3"], errors.UnknownNameError, "penalty: expected a known name, got 'l3'"),
    ],
)
def test_what_is_no_penalty(penalty, error, message):
    with pytest.raises(error, match=message):
        penalized(penalty)


@pytest.mark.parametrize("what", ["value", "gradient", "hessian_vector"])
def test_a_wrong_shape_is_told_at_the_first_call(what):
    f, _, w = penalized(Wide(what=what))
    with pytest.raises(
        errors.PluginError, match=rf"penalty wide: expected {what} to give shape .* for W of layers\[0\]"
    ):
        f.gradient(w)


def test_a_rate_that_float32_does_not_hold():
    f, _, _, y = classifier()
    f = prograd.Objective(f.net, f.loss, np.ones((6, 4), np.float32), y, penalty=prograd.penalty("l2", rate=1e-50))
    with pytest.raises(errors.OptionError, match="l2: rate: expected a number that float32 can hold"):
        f.gradient(np.ones(f.net.size, np.float32))


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (0.0, r"penalty roots: expected parameters at which its gradient is finite, got others for W of layers\[0\]"),
        (-1.0, "expected parameters that it is defined for"),
    ],
)
def test_where_a_penalty_has_no_gradient(at, message):
    f, _, w = penalized(Roots())
    with np.errstate(all="ignore"):
        for _ in range(3):
            with pytest.raises(errors.NonFiniteError, match=message):
                f.gradient(np.full_like(w, at))
        assert f(np.zeros_like(w)) == pytest.approx(np.log(3))


def test_gauss_newton_needs_a_hessian_of_each():
    f, _, w = penalized(Roots())
    with pytest.raises(errors.OptionError, match="penalty roots: expected a hessian_vector for Gauss-Newton, got none"):
        f.gauss_newton(abs(w) + 1)


def test_a_penalty_that_overflows_is_infinite():
    f, plain, w = penalized("l2")
    far = np.full_like(w, 1e200)
    with np.errstate(over="ignore"):
        for _ in range(3):
            assert f(far) == np.inf
            np.testing.assert_array_equal(f.gradient(far), plain.gradient(far) + 1e-4 * far)


def test_a_penalty_that_python_has_to_run():
    f, plain, w = penalized(ByLoop())
    for _ in range(4):
        np.testing.assert_array_equal(f.gradient(w), plain.gradient(w) + w * abs(w))
        assert f(w) == pytest.approx(plain(w) + (abs(w) ** 3).sum() / 3, rel=1e-14)
    with pytest.raises(errors.OptionError, match=r"max_bytes: expected at least .* for the penalty, got 3000"):
        f.gradient(w, max_bytes=3000)


@pytest.mark.parametrize("mode", ["reverse", "forward", "factored"])
def test_a_limit_holds_for_penalties(mode, peak):
    """One layer, so that nothing is larger than the gradient and what a penalty takes."""
    net = prograd.Network.from_config([{"name": "affine", "width": 1, "bias": False}], 100_000)
    f = prograd.Objective(net, "squared_error", np.ones((1, 100_000)), np.ones((1, 1)), penalty="l1")
    w = net.init(0)
    f.gradient(w)
    kept = 0
    for limit in (1_000_000, 2_000_000, 4_000_000, 8_000_000):
        try:
            f.gradient(w, mode, max_bytes=limit)
        except errors.OptionError as error:
            assert f"got {limit}" in str(error)  # noqa: PT017  (either will do)
            continue
        kept += 1
        assert peak(lambda limit=limit: f.gradient(w, mode, max_bytes=limit)) <= limit
    assert 1 <= kept <= 3


def test_a_network_without_parameters_has_no_penalty():
    net = prograd.Network.from_config(["tanh"], 2)
    f = prograd.Objective(net, "squared_error", np.ones((1, 2)), np.ones((1, 2)), penalty="l2")
    assert f(np.empty(0)) == prograd.Objective(net, "squared_error", np.ones((1, 2)), np.ones((1, 2)))(np.empty(0))
    assert f.gradient(np.empty(0)).shape == (0,)
