"""Diagonals of Gauss-Newton and of the Fisher matrix, and Kronecker factors, against the dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

import prograd
from prograd import curvature, errors
from tests.helpers.closeness import assert_close
from tests.helpers.networks import EXAMPLES, classifier

LOSSES = [
    pytest.param(loss, z, y, id=f"{name}-{k}")
    for name, kind in sorted(prograd.registry().losses.items())
    for k, (loss, z, y) in enumerate(kind.examples())
]


def gauss_newton(f: prograd.Objective, w, x, y, c=1.0) -> np.ndarray:
    """`(1/N) Σ c_n J_n^T H_n J_n` in matrices."""
    J = prograd.jacobian(f.net, w, x)
    H = f.loss.hessian(f.net(w, x), y).dense() * np.reshape(c, (-1, 1, 1))
    return np.einsum("nak,nab,nbl->kl", J, np.broadcast_to(H, (len(x), *H.shape[1:])), J) / len(x)


def of(net: prograd.Network, samples: int, loss: str = "softmax_cross_entropy", **options):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(samples, net.n[0])), rng.dirichlet(np.ones(net.n[-1]), samples)
    return prograd.Objective(net, loss, x, y, **options), net.init(rng) + 0.1 * rng.normal(size=net.size), x, y


@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_diagonals_of_every_layer(layer, n_in):
    net = prograd.Network([prograd.layer("scale_shift"), layer, prograd.layer("affine", width=3)], n_in)
    f, w, x, y = of(net, 4)
    assert_close(f.gauss_newton_diagonal(w), np.diag(gauss_newton(f, w, x, y)), rounding=1e-12)
    assert_close(f.fisher_diagonal(w), np.mean(f.per_sample_gradients(w) ** 2, axis=0), rounding=1e-12)


@pytest.mark.parametrize(("loss", "z", "y"), LOSSES)
def test_diagonals_of_every_loss(loss, z, y):
    """Outputs that are `scale z`, at `scale = 1`."""
    net = prograd.Network([prograd.layer("scale_shift")], z.shape[1])
    f, w = prograd.Objective(net, loss, z, y), net.init(0)
    expected = np.diag(gauss_newton(f, w, z, y))
    assert_close(f.gauss_newton_diagonal(w), expected, rounding=1e-12, least=0)
    assert_close(f.fisher_diagonal(w), np.mean(f.per_sample_gradients(w) ** 2, axis=0), rounding=1e-12, least=0)


def test_weights_count_once_and_penalties_not():
    f, w, x, y = classifier()
    c = np.array([0.5, 2, 0, 1, 3, 1e-3])
    weighted = prograd.Objective(f.net, f.loss, x, y, weights=c, penalty="l2")
    assert_close(weighted.gauss_newton_diagonal(w), np.diag(gauss_newton(f, w, x, y, c)), rounding=1e-13)
    squares = f.per_sample_gradients(w) ** 2
    assert_close(weighted.fisher_diagonal(w), np.mean(c[:, None] * squares, axis=0), rounding=1e-13)
    G = [of_layer["b"][0] for of_layer in weighted.kronecker_factors(w) if of_layer]
    dense = gauss_newton(f, w, x, y, c)
    for G_i, at in zip(G, [f.net.spans[0].each["b"], f.net.spans[2].each["b"]], strict=True):
        assert_close(G_i, dense[np.ix_(at, at)], rounding=1e-13)


def test_samples_in_parts_give_the_same(monkeypatch: pytest.MonkeyPatch):
    net = prograd.Network(
        [prograd.layer("conv2d", image=(1, 4, 4), channels=2, kernel=2), prograd.layer("softmax")], 16
    )
    f, w, _, _ = of(net, 7)
    whole = f.gauss_newton_diagonal(w), f.fisher_diagonal(w), *f.kronecker_factors(w)[0]["W"]
    monkeypatch.setattr(curvature, "CHUNK_NUMBERS", 2 * 18 * 18)  # two samples of eighteen outputs
    parts = f.gauss_newton_diagonal(w), f.fisher_diagonal(w), *f.kronecker_factors(w)[0]["W"]
    for one, other in zip(parts, whole, strict=True):
        assert_close(one, other, rounding=1e-13)


def test_no_jacobian_is_formed(peak):
    net = prograd.Network.from_config([{"name": "affine", "width": 100}, "tanh", {"name": "affine", "width": 10}], 100)
    f, w, _, _ = of(net, 50)
    J = 50 * 10 * net.size * 8  # bytes
    for compute in (f.gauss_newton_diagonal, f.fisher_diagonal, f.kronecker_factors):
        compute(w)
        assert peak(lambda compute=compute: compute(w)) < J / 10


def test_float32_stays():
    f, w, x, y = classifier()
    narrow = prograd.Objective(f.net, f.loss, x.astype(np.float32), y)
    w = w.astype(np.float32)
    for diagonal in (narrow.gauss_newton_diagonal(w), narrow.fisher_diagonal(w)):
        assert diagonal.dtype == np.float32
    assert {a.dtype.char for of_layer in narrow.kronecker_factors(w) for pair in of_layer.values() for a in pair} == {
        "f"
    }
    assert_close(narrow.gauss_newton_diagonal(w), f.gauss_newton_diagonal(w), rounding=1e-5)


def blocks_of(f, w, x, y):
    """Each parameter's block of Gauss-Newton, beside its factors."""
    dense = gauss_newton(f, w, x, y)
    for factors, span in zip(f.kronecker_factors(w), f.net.spans, strict=True):
        for name, (G, Z) in factors.items():
            at = span.each[name]
            yield name, G, Z, dense[np.ix_(at, at)]


NETWORKS = {
    "mlp": [{"name": "affine", "width": 5}, "tanh", {"name": "affine", "width": 3}],
    "lookup": [{"name": "lookup", "width": 4}, "scale_shift", {"name": "affine", "width": 3, "bias": False}],
    "residual": [{"name": "residual", "layers": [{"name": "affine", "width": 4}, "sigmoid"]}, "softmax"],
}


@pytest.mark.parametrize("configs", NETWORKS.values(), ids=NETWORKS)
def test_of_one_sample_kronecker_factors_are_exact(configs):
    f, w, x, y = of(prograd.Network.from_config(configs, 4), 1)
    found = list(blocks_of(f, w, x, y))
    assert len(found) == sum(map(len, f.net.shapes))
    for _, G, Z, block in found:
        assert_close(np.kron(G, Z), block, rounding=1e-12)


def test_of_a_linear_model_kronecker_factors_are_exact():
    """`H = I` for every sample, so that the mean of the products is the product of the means."""
    f, w, x, y = of(prograd.Network([prograd.layer("affine", width=3)], 4), 9, "squared_error")
    for name, G, Z, block in blocks_of(f, w, x, y):
        assert_close(np.kron(G, Z), block, rounding=1e-13)
        np.testing.assert_allclose(Z, x.T @ x / 9 if name == "W" else 1, rtol=1e-13)
        np.testing.assert_allclose(G, np.eye(3), rtol=1e-13)


def test_factors_of_a_convolution_by_their_definition():
    """`Z` is the sum over the positions, and `G` the mean over them of the blocks of the outputs there."""
    convolution = prograd.layer("conv2d", image=(2, 4, 3), channels=3, kernel=2, stride=(2, 1))
    f, w, x, y = of(prograd.Network([convolution, prograd.layer("tanh"), prograd.layer("affine", width=3)], 24), 5)
    lin = prograd.linearize(f.net, w, x)
    P = prograd.jacobian(f.net, w, x, lazy=True).P[0].dense().reshape(5, 3, 3, 4)
    H = f.loss.hessian(f.net(w, x), y).dense()
    patches = lin.blocks[0][0]["W"].right
    factors = f.kronecker_factors(w)[0]
    G = np.einsum("naip,nab,nbjp->ij", P, H, P) / (5 * 4)
    assert_close(factors["W"][0], G, rounding=1e-13)
    assert_close(factors["W"][1], np.einsum("npk,npl->kl", patches, patches) / 5, rounding=1e-13)
    assert_close(factors["b"][0], G, rounding=1e-13)
    np.testing.assert_allclose(factors["b"][1], [[4.0]])


def test_blocks_that_are_no_kronecker_product_are_left_out():
    convolution = prograd.layer("conv1d", signal=(4, 6), channels=4, kernel=5, groups=2)
    f, w, _, _ = of(prograd.Network([convolution, prograd.layer("relu"), prograd.layer("affine", width=2)], 24), 3)
    assert [set(of_layer) for of_layer in f.kronecker_factors(w)] == [{"b"}, set(), {"W", "b"}]


def test_a_loss_without_a_hessian_has_a_fisher_matrix_alone():
    class Quartic(prograd.Loss):
        def value(self, z, y):
            return ((z - y) ** 4).sum(axis=-1)

        def gradient(self, z, y):
            return 4 * (z - y) ** 3

    f, w, x, y = classifier()
    f = prograd.Objective(f.net, Quartic(), x, y)
    assert_close(f.fisher_diagonal(w), np.mean(f.per_sample_gradients(w) ** 2, axis=0), rounding=1e-13)
    for compute in (f.gauss_newton_diagonal, f.kronecker_factors):
        with pytest.raises(errors.OptionError, match="loss quartic: expected a hessian"):
            compute(w)


def test_least_squares_takes_a_lazy_jacobian():
    net = prograd.Network.from_config([{"name": "affine", "width": 8}, "tanh", {"name": "affine", "width": 1}], 1)
    x = np.linspace(-1, 1, 40)[:, None]
    y = np.sin(3 * x)
    found = scipy.optimize.least_squares(
        lambda w: (net(w, x) - y).ravel(),
        net.init(0),
        jac=lambda w: prograd.jacobian(net, w, x, lazy=True).to_scipy(),
        ftol=1e-5,
    )
    assert found.success
    assert np.abs(found.fun).max() < 0.02
    f = prograd.Objective(net, "squared_error", x, y)
    np.testing.assert_allclose(found.grad, 40 * f.gradient(found.x), atol=1e-10)
