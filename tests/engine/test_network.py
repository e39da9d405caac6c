"""A network's sizes, the order of `w`, and dtypes."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from tests.helpers.networks import small

RNG = np.random.default_rng(3)


def test_sizes():
    net = small()
    assert (net.n, net.r, net.size) == ((3, 4, 4, 2), (16, 0, 10), 26)
    assert [layer.name for layer in net.layers] == ["affine", "tanh", "affine"]
    assert repr(net) == "Network(3 → affine → 4 → tanh → 4 → affine → 2; 26 parameters)"


def test_a_bare_name_is_a_layer_without_options():
    layers = [{"name": "affine", "width": 4}, "tanh", prograd.layer("softmax")]
    net = prograd.Network.from_config(layers, n_in=3)
    assert net.layers[1] == prograd.layer("tanh")
    assert net.layers == prograd.Network.from_config([layers[0], {"name": "tanh"}, layers[2]], n_in=3).layers
    inside = prograd.layer("residual", layers=["tanh", {"name": "affine", "width": 3}])
    assert inside.layers[0] == prograd.layer("tanh")


def test_w_has_the_newest_layer_first():
    net = small()
    w = np.arange(26.0)
    first, second, third = net.unpack(w)
    np.testing.assert_array_equal(third["W"], np.arange(8.0).reshape(2, 4))
    np.testing.assert_array_equal(third.b, [8, 9])
    assert second == {}
    np.testing.assert_array_equal(first.W, np.arange(10.0, 22).reshape(4, 3))
    np.testing.assert_array_equal(first.b, np.arange(22.0, 26))


def test_unpack_gives_views_and_pack_inverts_it():
    net = small()
    w = net.init(RNG)
    parts = net.unpack(w)
    assert all(np.shares_memory(a, w) for part in parts for a in part.values())
    np.testing.assert_array_equal(net.pack(parts), w)
    parts[0].W[1, 2] = 17
    assert 17 in w


def test_calls_layer_after_layer():
    net = small()
    w, x = RNG.normal(size=26), RNG.normal(size=(5, 3))
    first, _, third = net.unpack(w)
    expected = np.tanh(x @ first.W.T + first.b) @ third.W.T + third.b
    np.testing.assert_allclose(net(w, x), expected, rtol=1e-14)
    np.testing.assert_allclose(net(w, x[0]), expected[0], rtol=1e-14)
    assert net(w, x[0]).shape == (2,)


def test_init_depends_on_the_generator_alone():
    net = small()
    w = net.init(np.random.default_rng(5))
    np.testing.assert_array_equal(w, net.init(np.random.default_rng(5)))
    np.testing.assert_array_equal(w, net.init(5))
    assert not np.array_equal(w, net.init(6))
    np.testing.assert_array_equal(net.unpack(w)[0].b, 0)
    wide = prograd.Network([prograd.layer("affine", width=300)], n_in=400)
    assert abs(wide.unpack(wide.init(0))[0].W.std() - 400**-0.5) < 1e-3  # variance 1/fan_in


@pytest.mark.parametrize(("narrow_w", "narrow_x", "dtype"), [(1, 1, "f4"), (1, 0, "f8"), (0, 1, "f8"), (0, 0, "f8")])
def test_dtype(narrow_w, narrow_x, dtype):
    net = small()
    w = RNG.normal(size=26).astype("f4" if narrow_w else "f8")
    x = RNG.normal(size=(5, 3)).astype("f4" if narrow_x else "f8")
    assert net(w, x).dtype == dtype
    lin = prograd.linearize(net, w, x)
    assert lin.output.dtype == lin.jvp(w).dtype == dtype
    assert lin.vjp(np.ones((5, 2), dtype)).dtype == dtype
    for mode in prograd.MODES:
        assert prograd.jacobian(net, w, x, mode=mode).dtype == dtype
    f = prograd.Objective(net, prograd.loss("squared_error"), x, np.ones((5, 2)))
    assert all(f.gradient(w, mode=mode).dtype == dtype for mode in prograd.MODES)
    assert f.per_sample_gradients(w).dtype == dtype


def test_other_real_input_becomes_float64():
    net = small()
    assert net([0] * 26, [[1, 2, 3]]).dtype == np.float64
    assert net(np.zeros(26, np.float16), np.ones((1, 3), np.float16)).dtype == np.float64
    assert net(np.zeros(26, bool), np.ones((1, 3), np.int8)).dtype == np.float64


def test_strided_input():
    net = small()
    w, x = RNG.normal(size=52)[::2], RNG.normal(size=(3, 5)).T
    np.testing.assert_array_equal(net(w, x), net(w.copy(), x.copy()))


def test_huge_but_finite_parameters_pass():
    small()(np.full(26, 1e300), np.full(3, 1e-300))  # the square overflows, the numbers don't


def test_parameters_read_both_ways():
    w = prograd.Parameters({"W": np.ones(2), "0.b": np.zeros(1)})
    assert w.W is w["W"]
    assert w["0.b"].shape == (1,)
    with pytest.raises(AttributeError, match=r"no parameter named 'b'; known: W, 0\.b"):
        w.b  # noqa: B018


def test_numpy_numbers_as_options_do_not_widen_float32():
    z, y = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    for layer in (prograd.layer("leaky_relu", slope=np.float64(0.1)), prograd.layer("elu", alpha=np.float64(0.5))):
        assert layer.phi(z).dtype == layer.dphi(z, layer.phi(z)).dtype == np.float32
    assert prograd.loss("huber", delta=np.float64(0.5)).gradient(z, y).dtype == np.float32
