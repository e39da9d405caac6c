"""Outputs that a loss or its derivatives are not defined for are refused by every way in, and the sample is named."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd import errors
from prograd.operators import Diagonal

SIMPLEX = ["cross_entropy", "kl_divergence"]
WAYS = {
    "f": lambda f, w: f(w),
    "per_sample_gradients": lambda f, w: f.per_sample_gradients(w),
    "per_sample_norms": lambda f, w: f.per_sample_norms(w),
    "clipped_gradient": lambda f, w: f.clipped_gradient(w, 1.0),
    "gauss_newton": lambda f, w: f.gauss_newton(w),
    "gauss_newton_diagonal": lambda f, w: f.gauss_newton_diagonal(w),
    "fisher_diagonal": lambda f, w: f.fisher_diagonal(w),
    "kronecker_factors": lambda f, w: f.kronecker_factors(w)[0]["W"][0],
    "hessian_vector": lambda f, w: f.hessian_vector(w, np.ones_like(w)),
    **{f"gradient by {mode}": lambda f, w, mode=mode: f.gradient(w, mode=mode) for mode in (*prograd.MODES, "auto")},
    "value_and_gradient": lambda f, w: f.value_and_gradient(w),
}


class Logarithmic(prograd.Loss):
    """−Σ y log z, as an outsider would write it."""

    def value(self, z, y):
        with np.errstate(invalid="ignore"):
            return -(y * np.log(z)).sum(axis=1)

    def gradient(self, z, y):
        return -y / z

    def hessian(self, z, y):
        return Diagonal(y / z**2)


def passed_on(loss: prograd.Loss, z: list[float], y: list[float], dtype: type = np.float64):
    """An objective whose outputs are its parameters, with an ordinary sample before the one that matters."""
    n = len(z)
    net = prograd.Network([prograd.layer("affine", width=n, bias=False)], n_in=2)
    inside = np.full(n, 1 / n)
    f = prograd.Objective(net, loss, np.eye(2, dtype=dtype), np.array([inside, y], dtype))
    return f, np.array([inside, z], dtype).T.ravel()


def softmax_behind(margin: float, dtype: type = np.float32):
    net = prograd.Network([prograd.layer("affine", width=2, bias=False), prograd.layer("softmax")], n_in=2)
    y = np.array([[0.5, 0.5], [0, 1]], dtype)
    f = prograd.Objective(net, prograd.loss("cross_entropy"), np.eye(2, dtype=dtype), y)
    return f, np.array([0, margin, 0, 0], dtype)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("loss", "z", "y"),
    [
        *[(prograd.loss(name), [-4.0, 4.0, 1.0], [0.0, 0.5, 0.5]) for name in SIMPLEX],
        *[(prograd.loss(name), [-0.1, 0.5, 0.6], [0.5, 0.25, 0.25]) for name in SIMPLEX],
        *[(prograd.loss(name), [1.0, 0.0, -1e-300], [1.0, 0.0, 0.0]) for name in SIMPLEX],
        (Logarithmic(), [0.5, -2.0], [0.5, 0.5]),
    ],
)
def test_outputs_that_a_loss_is_not_defined_for_are_named(loss, z, y, way):
    f, w = passed_on(loss, z, y)
    with pytest.raises(
        errors.NonFiniteError,
        match=rf"loss {loss.name}: expected outputs that it is defined for, got .* for sample 1; .* which a softmax as",
    ):
        WAYS[way](f, w)


@pytest.mark.parametrize("way", [way for way in WAYS if "gradient" in way])
@pytest.mark.parametrize("margin", [90, 103, 200])  # a probability that is denormal, the least of all, zero
def test_an_infinite_gradient_is_named(way, margin):
    f, w = softmax_behind(margin)
    expected = r"expected outputs at which its gradient is finite.* for sample 1$"
    with np.errstate(invalid="ignore"), pytest.raises(errors.NonFiniteError, match=expected):
        WAYS[way](f, w)


def test_an_infinite_hessian_is_named():
    f, w = softmax_behind(200)
    with pytest.raises(errors.NonFiniteError, match=r"expected outputs at which its hessian is finite.* for sample 1$"):
        f.gauss_newton(w)


@pytest.mark.parametrize("name", SIMPLEX)
def test_an_infinite_loss_is_a_value(name):
    f, w = passed_on(prograd.loss(name), [0.0, 1.0], [0.5, 0.5])
    assert f(w) == np.inf


@pytest.mark.parametrize("name", SIMPLEX)
def test_zeros_that_were_not_observed_are_inside(name):
    f, w = passed_on(prograd.loss(name), [0.0, 1.0], [0.0, 1.0])
    assert f(w) == pytest.approx(0.5 * prograd.loss(name).value(np.full((1, 2), 0.5), np.full((1, 2), 0.5))[0])
    for way in WAYS.values():
        way(f, w)


def test_targets_beyond_float32_are_named():
    net = prograd.Network([prograd.layer("affine", width=2)], n_in=2)
    x, y = np.ones((2, 2), np.float32), np.array([[0, 1], [1e300, 0]])
    with pytest.raises(errors.NonFiniteError, match=r"y in float32.*: expected finite numbers, got inf at \[1, 0\]"):
        prograd.Objective(net, prograd.loss("squared_error"), x, y)
