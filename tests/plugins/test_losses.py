"""The first-party losses: hand values at the boundaries, labels. The conformance kit checks the derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest

import prograd
from prograd.errors import LabelError, OptionError
from prograd.operators import Diagonal, DiagonalPlusLowRank, Identity, Product, Zero

INF = math.inf


@pytest.mark.parametrize(
    "case",
    [
        ("squared_error", {}, [3.0, -1.0], [1.0, 1.0], 4.0, [2.0, -2.0]),
        ("softmax_cross_entropy", {}, [0.0, 0.0], [1.0, 0.0], math.log(2), [-0.5, 0.5]),
        ("softmax_cross_entropy", {}, [0.0, math.log(3)], [0.5, 0.5], math.log(4) - math.log(3) / 2, [-0.25, 0.25]),
        ("softmax_cross_entropy", {}, [1e4, 0.0], [0.0, 1.0], 1e4, [1.0, -1.0]),
        ("softmax_cross_entropy", {}, [1e4, 0.0], [1.0, 0.0], 0.0, [0.0, 0.0]),
        ("softmax_cross_entropy", {}, [40.0, 0.0], [1.0, 0.0], math.exp(-40), [-math.exp(-40), math.exp(-40)]),
        ("softmax_cross_entropy", {}, [0.0, 40.0], [1.0, 0.0], 40.0, [-1.0, 1.0]),
        ("softmax_cross_entropy", {}, [8e307, -8e307], [1.0, 0.0], 0.0, [0.0, 0.0]),
        ("cross_entropy", {}, [0.5, 0.5], [1.0, 0.0], math.log(2), [-2.0, 0.0]),
        ("cross_entropy", {}, [1.0, 0.0], [1.0, 0.0], 0.0, [-1.0, 0.0]),
        ("cross_entropy", {}, [0.0, 1.0], [0.5, 0.5], INF, [-INF, -0.5]),
        ("kl_divergence", {}, [0.25, 0.75], [0.25, 0.75], 0.0, [-1.0, -1.0]),
        ("kl_divergence", {}, [0.5, 0.5], [1.0, 0.0], math.log(2), [-2.0, 0.0]),
        ("kl_divergence", {}, [1.0, 0.0], [1.0, 0.0], 0.0, [-1.0, 0.0]),
        ("kl_divergence", {}, [0.0, 1.0], [0.5, 0.5], INF, [-INF, -0.5]),
        ("logistic", {}, [0.0], [0.5], math.log(2), [0.0]),
        ("logistic", {}, [1000.0], [1.0], 0.0, [0.0]),
        ("logistic", {}, [-1000.0], [0.0], 0.0, [0.0]),
        ("logistic", {}, [1000.0], [0.0], 1000.0, [1.0]),
        ("logistic", {}, [40.0], [1.0], math.exp(-40), [-math.exp(-40)]),
        ("logistic", {}, [-40.0], [0.0], math.exp(-40), [math.exp(-40)]),
        ("huber", {}, [0.5], [0.0], 0.125, [0.5]),
        ("huber", {}, [1.0], [0.0], 0.5, [1.0]),
        ("huber", {}, [3.0], [0.0], 2.5, [1.0]),
        ("huber", {}, [-3.0, 0.5], [0.0, 0.0], 2.625, [-1.0, 0.5]),
        ("huber", {"delta": 2.0}, [3.0], [0.0], 4.0, [2.0]),
        ("hinge", {}, [2.0, 0.5, 0.0], [1.0, 0.0, 0.0], 0.0, [0.0, 0.0, 0.0]),
        ("hinge", {}, [2.0, 1.5, 0.0], [1.0, 0.0, 0.0], 0.5, [-1.0, 1.0, 0.0]),
        ("hinge", {}, [1.0, 0.0], [1.0, 0.0], 0.0, [0.0, 0.0]),
        ("hinge", {}, [0.0, 5.0, 5.0], [1.0, 0.0, 0.0], 6.0, [-1.0, 1.0, 0.0]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_loss_has_its_value_and_gradient(case, dtype) -> None:
    name, options, z, y, value, gradient = case
    if dtype == np.float32 and np.abs(z).max() > 1e38:
        pytest.skip("no float32")
    loss = prograd.loss(name, **options)
    z, y = np.array([z], dtype), np.array([y], dtype)
    loss.check(z, y)
    tolerance = 1e-14 if dtype == np.float64 else 1e-6
    for found in (loss.value(z, y), loss.value_and_gradient(z, y)[0]):
        assert found.shape == (1,)
        assert found.dtype == dtype
        assert found[0] == pytest.approx(value, rel=tolerance, abs=1e-300)
    for found in (loss.gradient(z, y), loss.value_and_gradient(z, y)[1]):
        assert found.dtype == dtype
        assert found[0] == pytest.approx(gradient, rel=tolerance, abs=1e-300)


def test_cross_entropy_of_softmax_is_softmax_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(5, 4)), rng.dirichlet(np.ones(4), size=5)
    p = prograd.layer("softmax").g(None, z)
    assert np.allclose(prograd.loss("softmax_cross_entropy").value(z, y), prograd.loss("cross_entropy").value(p, y))


def test_kl_divergence_is_cross_entropy_less_entropy() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.dirichlet(np.ones(4), size=5), rng.dirichlet(np.ones(4), size=5)
    entropy = -(y * np.log(y)).sum(axis=1)
    difference = prograd.loss("cross_entropy").value(z, y) - prograd.loss("kl_divergence").value(z, y)
    assert np.allclose(difference, entropy)


def test_kl_divergence_of_near_points_is_small() -> None:
    y = np.array([[0.3, 0.7]])
    z = y + np.array([[1e-9, -1e-9]])
    assert abs(prograd.loss("kl_divergence").value(z, y)[0]) < 1e-15


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("squared_error", Identity),
        ("softmax_cross_entropy", DiagonalPlusLowRank),
        ("cross_entropy", Product),
        ("kl_divergence", Product),
        ("logistic", Diagonal),
        ("huber", Diagonal),
        ("hinge", Zero),
    ],
)
def test_hessian_keeps_its_structure(name, kind) -> None:
    loss, z, y = next(iter(prograd.registry().losses[name].examples()))
    assert type(loss.hessian(z, y)) is kind


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "cross_entropy", "kl_divergence"])
@pytest.mark.parametrize(
    "wrong",
    [[0.5, 0.6, 0.0], [-0.1, 0.6, 0.5], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, -1.0, 0.0], [math.nan, 0.5, 0.5]],
)
def test_labels_outside_the_simplex_are_refused(name, wrong) -> None:
    y = np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5], wrong])
    with pytest.raises(
        LabelError, match=rf"{name}: expected each label to be a point of the simplex .* got row 2: .* sum"
    ):
        prograd.loss(name).check(y, y)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "cross_entropy", "kl_divergence"])
def test_labels_that_were_normalised_in_float32_are_accepted(name) -> None:
    y = np.random.default_rng(0).random((1000, 1000)).astype(np.float32)
    y /= y.sum(axis=1, keepdims=True)
    prograd.loss(name).check(y, y)
    prograd.loss(name).check(y, y.astype(np.float64))


@pytest.mark.parametrize("wrong", [-0.5, 1.5, 2.0, math.nan])
def test_logistic_labels_outside_the_unit_interval_are_refused(wrong) -> None:
    with pytest.raises(LabelError, match=r"logistic: expected labels in \[0, 1\], got y\[1, 0\] = "):
        prograd.loss("logistic").check(np.zeros((2, 2)), np.array([[0.0, 1.0], [wrong, 0.5]]))


@pytest.mark.parametrize("wrong", [[0.5, 0.5], [1.0, 1.0], [0.0, 0.0], [2.0, -1.0], [math.nan, 1.0]])
def test_hinge_labels_that_are_not_one_hot_are_refused(wrong) -> None:
    with pytest.raises(LabelError, match=r"hinge: expected one-hot labels .* got row 1"):
        prograd.loss("hinge").check(np.zeros((2, 2)), np.array([[0.0, 1.0], wrong]))


def test_hinge_needs_two_classes() -> None:
    with pytest.raises(LabelError, match="at least two classes, got 1"):
        prograd.loss("hinge").check(np.zeros((2, 1)), np.ones((2, 1)))


@pytest.mark.parametrize("delta", [0, -1.0, math.nan, math.inf, "wide", True])
def test_huber_needs_a_positive_delta(delta) -> None:
    with pytest.raises(OptionError, match="huber: delta: expected a finite number greater than 0"):
        prograd.loss("huber", delta=delta)


def test_regression_takes_any_labels() -> None:
    for name in ("squared_error", "huber"):
        prograd.loss(name).check(np.zeros((1, 2)), np.array([[-1e9, 1e9]]))
