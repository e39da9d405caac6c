"""First-party layers and losses where they saturate, cancel or overflow, against 60-digit arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd.errors import OptionError
from tests.helpers.exact import ACTIVATIONS, LOSSES, blocks, errors, exact

FEW = 8  # units of rounding: one for each of a handful of operations
DTYPES = [np.float64, np.float32]
SATURATED = [0.0, 0.5, 2.0, 5.0, 9.1, 13.1, 16.0, 17.0, 20.0, 36.0, 40.0, 87.0, 90.0, 102.0, 300.0, 700.0]


def units(dtype: type) -> tuple[float, float]:
    """The unit of rounding, and the least normal number."""
    return float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_and_their_slopes(name, dtype):
    layer, (eps, tiny) = prograd.layer(name), units(dtype)
    z = np.array([[*SATURATED, *(-z for z in SATURATED)]], dtype)
    z_next = layer.phi(z)
    phi, dphi = ACTIVATIONS[name]
    for found, right in ((z_next, phi), (layer.dphi(z, z_next), dphi)):
        assert errors(found[0], [right(layer, x) for x in exact(z[0])], eps, tiny).max() < FEW


@pytest.mark.parametrize(
    ("name", "z", "slope"),
    [
        ("sigmoid", 40.0, 4.248354255291589e-18),
        ("sigmoid", -40.0, 4.248354255291589e-18),
        ("tanh", 20.0, 1.6993417021166355e-17),
        ("tanh", -20.0, 1.6993417021166355e-17),
        ("elu", -40.0, 4.248354255291589e-18),
    ],
)
def test_slopes_by_hand(name, z, slope):
    """`e⁻⁴⁰`, for `tanh` four times."""
    layer, z = prograd.layer(name), np.array([[z]])
    assert layer.dphi(z, layer.phi(z))[0, 0] == pytest.approx(slope, rel=1e-15, abs=0)


ROWS = [
    [3.0],
    [1.0, 2.0],
    [10.0, -10.0],
    [18.0, 0.0],
    [0.0, 40.0],
    [1e4, 1.0],
    [1.0, 2.0, 3.0],
    [5.0, 5.0, -1.0],
    [1e3, 0.1, -0.2, 0.0],
    [-1e3, 0.1, -0.2, 0.0],
    [1e30, 2e30, 3e30],
    [3e38, -3e38],
    [-3e38, 3e38, 1e38],
    [0.0, 0.0, 0.0],
]
ONCE_MORE = 2 * FEW  # for blocks: twice as many operations


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("layer", [prograd.layer("softmax"), prograd.layer("layer_norm", affine=False)], ids=str)
def test_every_entry_of_a_normalisations_block(layer, row, dtype):
    (eps, tiny), z = units(dtype), np.array([row], dtype)
    z_next = layer.g(prograd.Parameters(), z)
    B = layer.jacobian(prograd.Parameters(), z, z_next)[1].dense()[0]
    right, _, right_B = blocks(layer, {}, exact(z[0]))
    assert errors(z_next[0], right, eps, max(tiny, 1e-6)).max() < FEW  # where x̂ is nearly zero, the mean has cancelled
    assert errors(B, right_B, eps, tiny).max() < ONCE_MORE


@pytest.mark.parametrize("scale", [1e30, 3e38])
def test_layer_norm_of_large_numbers(scale):
    z = np.array([[1, 2, 3]], np.float32) / 3 * np.float32(scale)
    layer = prograd.layer("layer_norm", affine=False)
    assert layer.g({}, z)[0] == pytest.approx([-(1.5**0.5), 0, 1.5**0.5], rel=1e-6, abs=1e-6)
    assert np.array_equal(layer.g({}, np.full((1, 3), scale, np.float32)), np.zeros((1, 3)))


POINTS = [
    ("softmax_cross_entropy", [15.0, 0.0, 0.0], [0.999999, 5e-7, 5e-7]),
    ("softmax_cross_entropy", [18.0, 0.0], [1.0, 0.0]),
    ("softmax_cross_entropy", [18.0, 0.0], [0.5, 0.5]),
    ("softmax_cross_entropy", [0.0, 60.0, 59.0], [0.0, 1.0, 0.0]),
    ("softmax_cross_entropy", [2e38, -2e38], [1.0, 0.0]),
    ("softmax_cross_entropy", [2e38, -2e38], [0.5, 0.5]),
    ("softmax_cross_entropy", [1e4, 1e4, -1e4], [0.25, 0.5, 0.25]),
    ("softmax_cross_entropy", [7.0], [1.0]),
    ("logistic", [1e4], [1 - 1e-7]),
    ("logistic", [-1e4], [1e-7]),
    ("logistic", [88.0, -80.0, 20.0], [1.0, 0.0, 1 - 1e-6]),
    ("logistic", [3e38, -3e38], [1.0, 0.0]),
    ("logistic", [0.0, 0.5], [0.5, 0.75]),
    ("hinge", [2.0**25, 2.0**25, 0.0], [1.0, 0.0, 0.0]),
    ("hinge", [-(2.0**30), 0.0, -(2.0**30)], [0.0, 0.0, 1.0]),
    ("hinge", [2e38, -2e38], [1.0, 0.0]),
    ("hinge", [1e-3, 0.0, 5.0], [1.0, 0.0, 0.0]),
    ("squared_error", [1.5e19, 0.0], [0.0, 1.0]),
    ("huber", [3e38, 1e-3], [-1.0, 0.0]),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "z", "y"), POINTS)
def test_losses(name, z, y, dtype):
    loss, (eps, tiny) = prograd.loss(name), units(dtype)
    z, y = np.array([z], dtype), np.array([y], dtype)
    value, gradient, hessian = LOSSES[name](loss, exact(z[0]), exact(y[0]))
    found, q = loss.value_and_gradient(z, y)
    assert errors(found, [value], eps, tiny).max() < FEW
    assert np.array_equal(loss.value(z, y), found)
    assert np.array_equal(loss.gradient(z, y), q)
    assert errors(q[0], gradient, eps, tiny).max() < FEW
    assert errors(loss.hessian(z, y).dense()[0], hessian, eps, tiny).max() < ONCE_MORE


@pytest.mark.parametrize(("dtype", "z", "value"), [(np.float64, 1.5e154, 1.125e308), (np.float32, 2.5e19, 3.125e38)])
def test_half_a_square_that_overflows(dtype, z, value):
    loss = prograd.loss("squared_error")
    assert loss.value(np.array([[z]], dtype), np.zeros((1, 1), dtype))[0] == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_mean_of_large_numbers(dtype):
    half = np.finfo(dtype).max / 2
    pool = prograd.layer("avg_pool2d", image=(1, 2, 4), window=2)
    assert np.array_equal(pool.g({}, np.full((1, 8), half, dtype)), np.full((1, 2), half))


@pytest.mark.parametrize("mode", prograd.MODES)
def test_the_mean_of_losses_whose_sum_overflows(mode):
    net = prograd.Network([prograd.layer("affine", width=1, bias=False)], n_in=1)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.full((4, 1), 1.0), np.zeros((4, 1)))
    w = np.array([1.5e154])
    with np.errstate(over="ignore"):
        value, gradient = f.value_and_gradient(w, mode)
        assert f(w) == value == pytest.approx(1.125e308, rel=1e-15)
    assert gradient == pytest.approx(w, rel=1e-15)


def test_gauss_newton_is_positive_where_a_softmax_is_certain():
    """By hand: `vᵀ(diag(p) − p pᵀ)v = p₀ p₁ (v₀ − v₁)²`."""
    net = prograd.Network([prograd.layer("affine", width=2, bias=False)], n_in=1)
    for margin in (1, 18, 40, 80):
        for first in (0, 1):
            y = np.eye(2, dtype=np.float32)[[first]]
            f = prograd.Objective(net, prograd.loss("softmax_cross_entropy"), np.ones((1, 1), np.float32), y)
            G = f.gauss_newton(np.array([margin, 0], np.float32))
            v = np.array([1, 0.3], np.float32)
            right = 0.49 * np.exp(-margin) / (1 + np.exp(-margin)) ** 2
            assert v @ (G @ v) == pytest.approx(right, rel=1e-6)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_no_form_of_a_certain_softmax_is_negative(n):
    rng, loss = np.random.default_rng(0), prograd.loss("softmax_cross_entropy")
    z = (30 * rng.normal(size=(500, n))).astype(np.float32)
    y = np.full_like(z, 1 / n)
    v = rng.normal(size=z.shape).astype(np.float32)
    for H in (loss.hessian(z, y), prograd.layer("softmax").jacobian({}, z, prograd.layer("softmax").g({}, z))[1]):
        assert (np.vecdot(v, H.jvp(v)) >= 0).all()


@pytest.mark.parametrize("margin", [20, 46, 80])
def test_cross_entropy_behind_a_softmax(margin):
    """A float32 probability whose square is zero: `∇ = p − y`, and Gauss–Newton is `p₀ p₁ (y₀/p₀² + y₁/p₁²)`."""
    net = prograd.Network([prograd.layer("affine", width=2, bias=False), prograd.layer("softmax")], n_in=1)
    y = np.array([[0, 1]], np.float32)
    f = prograd.Objective(net, prograd.loss("cross_entropy"), np.ones((1, 1), np.float32), y)
    w = np.array([margin, 0], np.float32)
    for mode in prograd.MODES:
        assert f.gradient(w, mode) == pytest.approx([1, -1], rel=1e-6)
    assert f.gauss_newton(w) @ np.array([1, 0], np.float32) == pytest.approx([1, -1], rel=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "option"),
    [
        ("layer_norm", {"eps": 1e-50}, r"layers\[1\] layer_norm: eps"),
        ("leaky_relu", {"slope": 1e39}, r"layers\[1\] leaky_relu: slope"),
        ("sine", {"omega": -1e300}, r"layers\[1\] sine: omega"),
        ("residual", {"layers": [{"name": "elu", "alpha": 1e-60}]}, r"layers\[1\] elu: alpha"),
    ],
)
def test_options_that_float32_cannot_hold(name, options, option):
    net = prograd.Network([prograd.layer("affine", width=2), prograd.layer(name, **options)], n_in=2)
    w, x = net.init(0), np.ones((3, 2))
    f = prograd.Objective(net, prograd.loss("squared_error"), x.astype(np.float32), x)
    with np.errstate(over="ignore"):
        assert np.isfinite(f.net(w, x)).all() or name == "sine"
    for call in (f, f.gradient, f.per_sample_gradients, f.linearize, lambda w: net(w, x.astype(np.float32))):
        with pytest.raises(OptionError, match=f"^{option}: expected a number that float32 can hold"):
            call(w.astype(np.float32))


def test_a_loss_with_an_option_that_float32_cannot_hold():
    net = prograd.Network([prograd.layer("affine", width=2)], n_in=2)
    x = np.ones((3, 2), np.float32)
    f = prograd.Objective(net, prograd.loss("huber", delta=1e39), x, x)
    w = net.init(0)
    assert np.isfinite(f(w))
    with pytest.raises(OptionError, match=r"^huber: delta: expected a number that float32 can hold.* got 1e\+39"):
        f(w.astype(np.float32))
