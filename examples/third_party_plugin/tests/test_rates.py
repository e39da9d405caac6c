"""The operator, the layer and the loss pass the conformance kit of prograd and agree with closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from prograd_rates import FourierFeatures, Poisson, SignedHadamard
from prograd_rates.hadamard import walsh_hadamard

import prograd
from prograd.errors import LabelError, OptionError
from prograd.operators import Diagonal, Product
from prograd.testing import parametrize_with_checks


def signed_hadamard(blocks, p, rows, cols):
    return SignedHadamard(np.random.default_rng(0).choice((-1.0, 1.0), size=(blocks, p)), rows, cols)


@parametrize_with_checks(
    [
        FourierFeatures,
        Poisson,
        signed_hadamard(1, 1, 1, 1),
        signed_hadamard(1, 8, 8, 8),
        signed_hadamard(1, 8, 7, 6),
        signed_hadamard(3, 16, 40, 13),
        signed_hadamard(2, 64, 100, 50),
    ]
)
def test_conformance(check):
    check()


@pytest.mark.parametrize("p", [1, 2, 8, 64])
def test_the_transform_is_the_hadamard_matrix(p):
    np.testing.assert_array_equal(walsh_hadamard(np.eye(p)), scipy.linalg.hadamard(p))


def test_the_operator_is_signs_and_hadamard_matrices():
    operator = signed_hadamard(2, 8, 13, 5)
    H = scipy.linalg.hadamard(8)
    expected = np.vstack([H * operator.signs[0], H * operator.signs[1]])[:13, :5]
    np.testing.assert_array_equal(operator.dense()[0], expected)


def test_an_operator_costs_its_additions():
    assert signed_hadamard(1, 1024, 1024, 1024).edges == 1024 * 10


def test_a_rule_of_its_own_takes_a_scaling_before_the_transform_into_the_signs():
    rng = np.random.default_rng(0)
    H, scale = SignedHadamard(rng.choice((-1.0, 1.0), size=(2, 64)), rows=100, cols=50), Diagonal(rng.normal(size=50))
    composed, plain = H @ scale, Product(H, scale)
    assert type(composed) is SignedHadamard
    v, q = rng.normal(size=(3, 50)), rng.normal(size=(3, 100))
    np.testing.assert_allclose(composed.jvp(v), plain.jvp(v), rtol=1e-12)
    np.testing.assert_allclose(composed.vjp(q), plain.vjp(q), rtol=1e-12)
    assert (composed.edges, plain.edges) == (2 * 64 * 6, 2 * 64 * 6 + 50)
    assert (
        type(H @ Diagonal(rng.normal(size=(3, 50)))) is Product
    )  # other signs for each sample would have to be stored


def test_the_rule_saves_a_pass_over_the_columns_in_a_network():
    def multiply_adds():
        layers = [prograd.layer("affine", width=64), prograd.layer("scale_shift"), FourierFeatures()]
        return prograd.plan(prograd.Network(layers, n_in=64), 2, outputs="jacobian").costs["factored"].multiply_adds

    own = multiply_adds()

    def no_rule(outer, inner):
        return Product(outer, inner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SignedHadamard, "__matmul__", no_rule)
        without = multiply_adds()
    assert without - own == 2 * 64 * 64 - 64  # for 2 samples a pass over 64 rows of 64 numbers; the 64 signs once


def test_products_of_features_approximate_the_kernel():
    rng = np.random.default_rng(3)
    x, y = 0.5 * rng.normal(size=(2, 6, 4))
    layer = FourierFeatures(features=4 * 4096, omega=0.8)
    net = prograd.Network([layer], n_in=4)
    kernel = np.prod(np.cos(0.8 * (x - y)), axis=1)
    # 4096 independent blocks, whose terms lie in [-2, 2]: five standard deviations of their mean at most.
    np.testing.assert_allclose(np.vecdot(net([], x), net([], y)), kernel, atol=5 * 2 / np.sqrt(4096))


def test_equal_seeds_give_equal_features():
    z = np.ones((1, 5))
    net = [prograd.Network([FourierFeatures(seed=seed)], n_in=5) for seed in (1, 1, 2)]
    assert np.array_equal(net[0]([], z), net[1]([], z))
    assert not np.array_equal(net[0]([], z), net[2]([], z))


def test_options_may_be_numpy_numbers_and_float32_stays_float32():
    layer = FourierFeatures(features=np.int64(4), omega=np.float64(0.5))
    assert layer.g(prograd.Parameters(), np.ones((2, 3), np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    "options", [{"features": 0}, {"features": 2.5}, {"features": True}, {"omega": 0}, {"omega": "1"}, {"seed": -1}]
)
def test_invalid_options_are_refused(options):
    with pytest.raises(OptionError, match=f"fourier_features: {next(iter(options))}: expected "):
        FourierFeatures(**options)


def test_the_loss_is_the_negative_log_likelihood():
    z = np.array([[0.5, -1.0, 3.0]])
    y = np.array([[0.0, 2.0, 17.0]])
    np.testing.assert_allclose(Poisson().value(z, y), -scipy.stats.poisson.logpmf(y, np.exp(z)).sum(axis=1), rtol=1e-13)


def test_labels_are_counts():
    net = prograd.Network([prograd.layer("affine", width=2)], n_in=1)
    with pytest.raises(LabelError, match=r"poisson: expected counts of at least 0, got y\[1, 0\]"):
        prograd.Objective(net, prograd.loss("poisson"), np.ones((2, 1)), np.array([[1.0, 2.0], [-1.0, 0.0]]))


@pytest.mark.parametrize("mode", ["reverse", "forward", "factored", "optimal"])
def test_gradients_run_from_a_tape(mode):
    rng = np.random.default_rng(7)
    net = prograd.Network(
        [prograd.layer("affine", width=5), FourierFeatures(features=21), prograd.layer("affine", width=2)], 3
    )
    f = prograd.Objective(net, Poisson(), rng.normal(size=(20, 3)), rng.poisson(2.0, size=(20, 2)))
    f.tape(mode)  # raises where a layer, an operator or the loss asks for numbers
    w = net.init(rng)
    first, recorded, replayed = (f.gradient(w, mode) for _ in range(3))
    np.testing.assert_array_equal(recorded, first)
    np.testing.assert_array_equal(replayed, first)


def test_both_modes_and_gauss_newton_by_name():
    rng = np.random.default_rng(5)
    net = prograd.Network.from_config(
        [{"name": "fourier_features", "features": 32, "omega": 0.5}, {"name": "affine", "width": 2}], n_in=3
    )
    w = net.init(rng)
    f = prograd.Objective(net, prograd.loss("poisson"), rng.normal(size=(20, 3)), rng.poisson(2.0, size=(20, 2)))
    np.testing.assert_allclose(f.gradient(w, mode="forward"), f.gradient(w, mode="reverse"), rtol=1e-10, atol=1e-14)

    # The model is a generalized linear model in its features: Gauss-Newton is Newton's method, and converges.
    for _ in range(20):
        w -= np.linalg.solve(f.gauss_newton(w) @ np.eye(net.size) + 1e-8 * np.eye(net.size), f.gradient(w))
    assert np.linalg.norm(f.gradient(w)) < 1e-6
