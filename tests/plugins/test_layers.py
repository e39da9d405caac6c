"""The first-party layers: hand values, structure, options. The conformance kit checks the derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest

import prograd
from prograd import Network, Parameters
from prograd.errors import OptionError, ShapeError
from prograd.operators import Dense, Diagonal, DiagonalPlusLowRank, Identity, Kronecker
from tests.helpers.networks import at, rng

ACTIVATIONS = ["relu", "leaky_relu", "elu", "sigmoid", "tanh", "softplus", "silu", "gelu", "sine"]


@pytest.mark.parametrize(
    ("name", "z", "expected"),
    [
        ("relu", -2.0, 0.0),
        ("relu", 3.0, 3.0),
        ("leaky_relu", -2.0, -0.02),
        ("elu", -1.0, math.exp(-1) - 1),
        ("elu", 2.0, 2.0),
        ("sigmoid", 0.0, 0.5),
        ("sigmoid", -800.0, 0.0),
        ("sigmoid", 800.0, 1.0),
        ("tanh", 1.0, math.tanh(1)),
        ("softplus", 0.0, math.log(2)),
        ("softplus", 1000.0, 1000.0),
        ("softplus", -50.0, math.exp(-50)),
        ("silu", 1.0, 1 / (1 + math.exp(-1))),
        ("silu", -1000.0, 0.0),
        ("gelu", 1.0, 0.5 * (1 + math.erf(1 / math.sqrt(2)))),
        ("gelu", -1e200, 0.0),
        ("sine", 0.5, math.sin(0.5)),
    ],
)
def test_activation_has_its_value(name, z, expected) -> None:
    layer = prograd.layer(name)
    assert layer.phi(np.array([[z]]))[0, 0] == pytest.approx(expected, rel=1e-14, abs=1e-300)


@pytest.mark.parametrize(
    ("name", "option", "expected"),
    [
        ("leaky_relu", "slope", [-0.259, 0.3]),
        ("elu", "alpha", [0.37 * math.expm1(-0.7), 0.3]),
        ("sine", "omega", [math.sin(-0.259), math.sin(0.111)]),
    ],
)
def test_activation_uses_its_option(name, option, expected) -> None:
    found = prograd.layer(name, **{option: 0.37}).phi(np.array([[-0.7, 0.3]]))
    np.testing.assert_allclose(found, [expected], rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activation_takes_any_size_of_number(name, dtype) -> None:
    z = np.array([[0.0, 1.0, -1.0, 90.0, -90.0, 1e4, -1e4, np.finfo(dtype).max, np.finfo(dtype).min]], dtype)
    layer = prograd.layer(name)
    z_next = layer.phi(z)
    assert np.isfinite(z_next).all()
    assert np.isfinite(layer.dphi(z, z_next)).all()
    assert z_next.dtype == layer.dphi(z, z_next).dtype == dtype


def test_relu_has_derivative_zero_at_its_kink() -> None:
    z = np.array([[0.0]])
    assert prograd.layer("relu").dphi(z, z)[0, 0] == 0


def test_softmax_is_a_point_of_the_simplex_however_large_the_inputs() -> None:
    z = np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0], [-1e308, -1e308, -1e308]])
    p = prograd.layer("softmax").g(Parameters(), z)
    assert np.array_equal(p[0], [1, 0, 0])
    assert np.allclose(p[1:], 1 / 3)


def test_layer_norm_has_mean_zero_and_variance_one() -> None:
    _, _, z_next, _, _ = at(prograd.layer("layer_norm", affine=False, eps=1e-12), 7)
    assert np.allclose(z_next.mean(axis=1), 0)
    assert np.allclose(z_next.var(axis=1), 1)


def test_affine_is_a_matrix_product() -> None:
    w, z, z_next, _, _ = at(prograd.layer("affine", width=4), 3)
    assert np.allclose(z_next, [[w.W[j] @ z_n + w.b[j] for j in range(4)] for z_n in z])


def test_affine_without_bias_has_one_parameter() -> None:
    assert prograd.layer("affine", width=4, bias=False).shapes(3) == (4, {"W": (4, 3)})


@pytest.mark.parametrize(("name", "expected"), [("scale_shift", ("scale", "shift")), ("layer_norm", ("gamma", "beta"))])
def test_what_starts_as_the_identity(name, expected) -> None:
    one, zero = expected
    w = prograd.layer(name).init(rng(), 3)
    assert np.array_equal(w[one], np.ones(3))
    assert np.array_equal(w[zero], np.zeros(3))


def test_affine_keeps_its_structure() -> None:
    _, _, _, A, B = at(prograd.layer("affine", width=4), 3)
    assert [type(A["W"]), type(A["b"]), type(B)] == [Kronecker, Identity, Dense]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_diagonal(name) -> None:
    _, _, _, A, B = at(prograd.layer(name), 3)
    assert dict(A) == {}
    assert type(B) is Diagonal


@pytest.mark.parametrize(("name", "rank"), [("softmax", 2), ("layer_norm", 3)])
def test_normalisation_is_diagonal_plus_low_rank(name, rank) -> None:
    _, _, _, _, B = at(prograd.layer(name), 6)
    assert type(B) is DiagonalPlusLowRank
    assert B.U.shape[-1] == rank


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("affine", {"width": 0}, "affine: width: expected an integer of at least 1, got 0"),
        ("affine", {"width": 2.5}, "width: expected an integer"),
        ("affine", {"width": True}, "width: expected an integer"),
        ("affine", {"width": 3, "bias": "no"}, "bias: expected true or false"),
        ("leaky_relu", {"slope": "steep"}, "slope: expected a finite number"),
        ("elu", {"alpha": -1.0}, "alpha: expected a finite number greater than 0"),
        ("sine", {"omega": math.inf}, "omega: expected a finite number"),
        ("layer_norm", {"eps": 0.0}, "eps: expected a finite number greater than 0"),
        ("layer_norm", {"affine": 1}, "affine: expected true or false"),
        (
            "conv2d",
            {"image": (3, 3), "channels": 1, "kernel": 1},
            r"image: expected \[channels, height, width\], int",
        ),
        ("conv2d", {"image": (1, 3, 0), "channels": 1, "kernel": 1}, r"image: expected .*, got \(1, 3, 0\)"),
        (
            "conv2d",
            {"image": (1, 3, 3), "channels": 1, "kernel": 4},
            "kernel: expected at most .* 3, got 4",
        ),
        (
            "conv2d",
            {"image": (1, 3, 3), "channels": 1, "kernel": 3, "padding": -1},
            "padding: expected an integer of at least 0",
        ),
        ("max_pool2d", {"image": (1, 3, 3), "window": 4}, "window: expected at most the image's height of 3, got 4"),
        (
            "conv2d",
            {"image": (1, 5, 9), "channels": 1, "kernel": 3, "dilation": (3, 1), "padding": (0, 2)},
            "kernel: expected at most the padded image's height of 5, got 3, which reaches over 7 with dilation 3",
        ),
        ("conv2d", {"image": (1, 5, 5), "channels": 1, "kernel": (1, 2, 3)}, r"kernel: .*\[height, width\] of them"),
        (
            "conv2d",
            {"image": (4, 5, 5), "channels": 6, "kernel": 1, "groups": 4},
            "groups: expected a divisor of the image's 4 channels and of channels = 6, got 4",
        ),
        ("conv1d", {"signal": (2, 5), "channels": 4, "kernel": 1, "groups": 0}, "groups: expected an integer"),
        ("conv1d", {"signal": (2, 5, 5), "channels": 4, "kernel": 1}, r"signal: expected \[channels, length\]"),
        ("conv1d", {"signal": (1, 5), "channels": 1, "kernel": 6}, "at most the signal's length of 5, got 6"),
        ("max_pool2d", {"image": (1, 3, 3), "window": (1, 4)}, "the image's width of 3, got 4"),
        ("max_pool2d", {"image": (1, 3, 3), "window": 2, "stride": 0}, "stride: expected an integer of at least 1"),
        (
            "avg_pool2d",
            {"image": (1, 3, 3), "window": (2, 1), "padding": 1},
            "padding: expected at most half a window of 1, since others have no pixel, got 1",
        ),
        ("avg_pool2d", {"image": (1, 3, 3), "window": 2, "count_include_pad": 0}, "expected true or false"),
        ("residual", {"layers": []}, "layers: expected a list of layers"),
        ("residual", {"layers": "affine"}, "layers: expected a list of layers"),
        ("residual", {"layers": [{"width": 3}]}, r"layers\[0\]: expected a config with a name"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(name, options, message) -> None:
    with pytest.raises(OptionError, match=message):
        prograd.layer(name, **options)


@pytest.mark.parametrize(
    ("name", "options", "n_in", "message"),
    [
        ("conv2d", {"image": (2, 3, 3), "channels": 1, "kernel": 1}, 17, "expected inputs of size 18 .* got 17"),
        ("conv1d", {"signal": (2, 3), "channels": 1, "kernel": 1}, 5, r"size 6 \(a signal 2 × 3\), got 5"),
        ("avg_pool2d", {"image": (2, 4, 4), "window": 2}, 16, "expected inputs of size 32 .* got 16"),
        (
            "residual",
            {"layers": [{"name": "affine", "width": 4}]},
            3,
            "expected layers with as many outputs as inputs, 3, got 4",
        ),
        (
            "residual",
            {"layers": [{"name": "tanh"}, {"name": "conv2d", "image": (1, 2, 2), "channels": 1, "kernel": 1}]},
            5,
            r"layers\[1\] \(conv2d\) can't take 5 inputs",
        ),
    ],
)
def test_inputs_of_the_wrong_size_are_refused(name, options, n_in, message) -> None:
    with pytest.raises(ShapeError, match=message):
        prograd.layer(name, **options).shapes(n_in)


@pytest.mark.parametrize("name", sorted(prograd.registry().layers))
def test_every_layer_works_in_every_mode(name) -> None:
    """Beside the kit: a network of float32 stays float32 from end to end, with this layer in it."""
    layer, n_in = next(iter(prograd.registry().layers[name].examples()))
    net = Network([prograd.layer("affine", width=n_in), layer, prograd.layer("affine", width=2)], n_in=3)
    w = net.init(0).astype(np.float32)
    x, y = rng().normal(size=(4, 3)).astype(np.float32), np.zeros((4, 2), np.float32)
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    gradients = [f.gradient(w, mode=mode) for mode in prograd.MODES]
    for gradient in gradients:
        assert gradient.dtype == np.float32
        assert np.allclose(gradient, gradients[0], rtol=1e-3, atol=1e-5)
