"""Products with the Hessian: exact, symmetric and linear, in scipy's optimizers, refused where a layer has none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize

import prograd
from prograd import errors
from prograd.operators import Diagonal, Kronecker, Zero
from tests.helpers.closeness import assert_close
from tests.helpers.exact import ACTIVATIONS, LOSSES, derivatives, exact, mp
from tests.helpers.networks import EXAMPLES, classifier, small

AFFINE = {"name": "affine", "width": 3}
INSIDE: dict[str, Any] = {
    **{name: [name] for name in [*ACTIVATIONS, "softmax", "scale_shift", "layer_norm"]},
    "affine": [{"name": "affine", "width": 4, "bias": False}],
    "two": [{"name": "affine", "width": 2}, "layer_norm"],
    "residual": [{"name": "residual", "layers": [AFFINE, "tanh", {"name": "residual", "layers": ["sigmoid"]}]}],
}


def objective(inside: list[Any], loss: str = "softmax_cross_entropy", dtype: type = np.float64):
    """An objective of the layers between two affine ones, and a point."""
    net = prograd.Network.from_config([AFFINE, *inside, AFFINE], 2)
    rng = np.random.default_rng(1)
    y = np.eye(3)[[0, 2]] if loss == "hinge" else rng.dirichlet(np.ones(3), 2)
    x, y = rng.normal(size=(2, 2)).astype(dtype), y.astype(dtype)
    return prograd.Objective(net, loss, x, y), rng.normal(size=net.size).astype(dtype), x, y


def exact_product(f: prograd.Objective, w: Any, x: Any, y: Any, v: Any) -> Any:
    """`∇²f(w) v` to forty digits: central differences of the gradient in 60-digit arithmetic."""
    h = mp.mpf(10) ** -20
    up, down = (derivatives(f, exact(w) + t * exact(v), x, y)[1].mean(axis=0) for t in (h, -h))
    return ((up - down) / (2 * h)).astype(float)


@pytest.mark.parametrize("inside", INSIDE.values(), ids=INSIDE)
def test_every_layer_against_60_digits(inside):
    f, w, x, y = objective(inside)
    v = np.random.default_rng(2).normal(size=w.size)
    expected = exact_product(f, w, x, y, v)
    for _ in range(3):  # interpreted, recorded, replayed
        assert_close(f.hessian_vector(w, v), expected, rounding=1e-13, least=0)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_against_60_digits(loss):
    f, w, x, y = objective(["tanh"], loss)
    v = np.random.default_rng(2).normal(size=w.size)
    assert_close(f.hessian_vector(w, v), exact_product(f, w, x, y, v), rounding=1e-13, least=0)


@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_every_layer_is_symmetric_and_linear(layer, n_in):
    """`u^T H v = v^T H u`, which holds for no wrong `dA` beside a right `dB`."""
    net = prograd.Network([prograd.layer("scale_shift"), layer, prograd.layer("affine", width=2)], n_in)
    rng = np.random.default_rng(0)
    f = prograd.Objective(net, "logistic", rng.normal(size=(3, n_in)), rng.uniform(size=(3, 2)))
    w = net.init(rng) + 0.1 * rng.normal(size=net.size)
    u, v = rng.normal(size=(2, net.size))
    Hu, Hv = (f.hessian_vector(w, one) for one in (u, v))
    scale = np.linalg.norm(u) * np.linalg.norm(Hv)
    assert u @ Hv == pytest.approx(v @ Hu, abs=1e-13 * scale)
    assert_close(f.hessian_vector(w, 2 * u - 3 * v), 2 * Hu - 3 * Hv, rounding=1e-12)


def test_saturated_activations_keep_their_digits():
    """`φ''` at −30 and 12, where most are tiny."""
    z = np.array([[-30.0, -5.0, 5.0, 12.0]])
    for name, (_, dphi) in ACTIVATIONS.items():
        layer = prograd.layer(name)
        found = layer.d2phi(z, layer.phi(z))
        expected = [float(mp.diff(lambda x, layer=layer, dphi=dphi: dphi(layer, x), mp.mpf(z_k))) for z_k in z[0]]
        np.testing.assert_allclose(found[0], expected, rtol=1e-13, atol=1e-300)


def test_of_a_linear_model_it_is_gauss_newton():
    """Exact: a model that is linear in its parameters has no second derivatives of its own."""
    rng = np.random.default_rng(0)
    net = prograd.Network([prograd.layer("affine", width=3)], 4)
    x, y, w, v = rng.normal(size=(5, 4)), rng.dirichlet(np.ones(3), 5), net.init(rng), rng.normal(size=net.size)
    f = prograd.Objective(net, "softmax_cross_entropy", x, y, weights=[1, 0, 2.5, 3, 1])
    assert_close(f.hessian_vector(w, v), f.gauss_newton(w) @ v, rounding=1e-14)


def test_float32_stays_and_is_right():
    f, w, x, y = objective(["gelu", "layer_norm"], dtype=np.float32)
    v = np.random.default_rng(2).normal(size=w.size).astype(np.float32)
    product = f.hessian_vector(w, v)
    assert product.dtype == np.float32
    assert_close(product, exact_product(f, w, x, y, v), rounding=1e-5, least=0)
    assert f.hessian_vector(w.astype(np.float64), v).dtype == np.float64


def test_one_sample():
    f, w, x, y = classifier(samples=1)
    one = prograd.Objective(f.net, f.loss, x[0], y[0])
    np.testing.assert_array_equal(one.hessian_vector(w, w), f.hessian_vector(w, w))


def problem():
    """A curve to fit: 25 parameters, 40 samples."""
    rng = np.random.default_rng(0)
    net = prograd.Network.from_config([{"name": "affine", "width": 8}, "tanh", {"name": "affine", "width": 1}], 1)
    x = np.linspace(-1, 1, 40)[:, None]
    return prograd.Objective(net, "squared_error", x, np.sin(3 * x)), net.init(rng)


@pytest.mark.parametrize("method", ["trust-ncg", "trust-krylov"])
def test_scipys_methods_take_it_as_hessp(method):
    f, w = problem()
    found = scipy.optimize.minimize(
        f.value_and_gradient, w, jac=True, hessp=f.hessian_vector, method=method, options={"maxiter": 60}
    )
    assert f(w) > 0.1
    assert found.fun < 1e-4


class Square(prograd.Elementwise):
    """z², without its second derivative."""

    def phi(self, z):
        return z * z

    def dphi(self, z, z_next):
        return 2 * z


class Plain(prograd.Layer):
    """W z, without the derivative of its blocks."""

    def shapes(self, n_in):
        return 2, {"W": (2, n_in)}

    def g(self, w, z):
        return z @ w.W.T

    def jacobian(self, w, z, z_next):
        return {"W": Kronecker(2, z)}, w.W


class InArrays(Plain):
    """W z, with arrays as derivatives."""

    def jacobian_along(self, w, z, z_next, dw, dz):
        return {"W": Kronecker(2, dz).dense()}, dw.W


def behind_affine(layer: prograd.Layer):
    net = prograd.Network([prograd.layer("affine", width=3), layer], 3)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, net.n[-1]))
    return prograd.Objective(net, "squared_error", x, y), net.init(rng)


def test_arrays_are_taken_for_operators():
    (f, w), (g, _) = behind_affine(InArrays()), behind_affine(prograd.layer("affine", width=2, bias=False))
    np.testing.assert_allclose(f.hessian_vector(w, w + 1), g.hessian_vector(w, w + 1), rtol=1e-13)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (Square(), r"^layer square: expected d2phi for products with the Hessian, got none"),
        (Plain(), r"^layer plain: expected jacobian_along for products with the Hessian, got none"),
        (prograd.layer("residual", layers=[Square()]), "^layer square: expected d2phi"),
    ],
)
def test_a_layer_without_second_derivatives_is_refused_by_name(layer, says):
    f, w = behind_affine(layer)
    with pytest.raises(errors.OptionError, match=says):
        f.hessian_vector(w, w)
    f.gauss_newton(w)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda _: Diagonal(np.ones(3)), r"expected jacobian_along to give a pair \(dA, dB\) .*, got Diagonal"),
        (lambda dw: ({"V": dw.W}, dw.W), r"expected dA to hold none but \['W'\], got \['V'\]"),
        (lambda dw: ({"W": dw.W}, dw.W), r"expected dA\['W'\] to be 2 × 6, got Dense"),
        (lambda dw: ({}, dw.W.T), r"expected dB to be 2 × 3, got Dense"),
        (lambda _: ({}, Zero(2, 2)), r"expected dB to be 2 × 3, got Zero"),
    ],
)
def test_second_derivatives_of_another_size_are_refused(given, says):
    class Wrong(Plain):
        def jacobian_along(self, w, z, z_next, dw, dz):
            return given(dw)

    f, w = behind_affine(Wrong())
    with pytest.raises(errors.PluginError, match=rf"^layers\[1\] \(wrong\): {says}"):
        f.hessian_vector(w, w)


def test_a_loss_without_a_hessian_is_refused_by_name():
    class Cubic(prograd.Loss):
        def value(self, z, y):
            return ((z - y) ** 3).sum(axis=-1)

        def gradient(self, z, y):
            return 3 * (z - y) ** 2

    f, w, x, y = classifier()
    with pytest.raises(errors.OptionError, match="loss cubic: expected a hessian"):
        prograd.Objective(f.net, Cubic(), x, y).hessian_vector(w, w)


@pytest.mark.parametrize("shape", [(25,), (2, 26), (26, 1), ()])
def test_a_vector_of_another_shape_is_refused(shape):
    net = small()
    f = prograd.Objective(net, "squared_error", np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(errors.ShapeError, match=r"^v: expected shape \(26,\), as w has, got "):
        f.hessian_vector(net.init(0), np.ones(shape))


def test_penalties_are_added():
    f, w, x, y = classifier()
    v = np.random.default_rng(0).normal(size=w.size)
    ridge = prograd.Objective(f.net, f.loss, x, y, penalty=prograd.penalty("l2", rate=0.25))
    up, down = (ridge.gradient(w + t * v) - f.gradient(w + t * v) for t in (1, -1))  # linear in w
    for _ in range(3):
        assert_close(ridge.hessian_vector(w, v), f.hessian_vector(w, v) + (up - down) / 2, rounding=1e-13)
