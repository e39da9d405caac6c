"""A network's sizes, the order of `w`, and the errors for what can't be one."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import prograd
from prograd import errors

RNG = np.random.default_rng(3)


def small():
    return prograd.Network.from_config(
        [{"name": "affine", "width": 4}, {"name": "tanh"}, {"name": "affine", "width": 2}], n_in=3
    )


def test_sizes():
    net = small()
    assert (net.n, net.r, net.size) == ((3, 4, 4, 2), (16, 0, 10), 26)
    assert [layer.name for layer in net.layers] == ["affine", "tanh", "affine"]
    assert repr(net) == "Network(3 → affine → 4 → tanh → 4 → affine → 2; 26 parameters)"


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


AFFINE = {"name": "affine", "width": 2}


class Shapeless(prograd.Layer):
    def shapes(self, n_in):
        return 0, {}

    g = jacobian = None


class Shadowing(Shapeless):
    def shapes(self, n_in):
        return n_in, {"items": (1,)}


class Choosy(Shapeless):
    def shapes(self, n_in):
        raise errors.ShapeError(f"expected 7 inputs, got {n_in}")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: prograd.Network([], n_in=3), errors.ShapeError, "at least one layer"),
        (lambda: prograd.Network.from_config([], n_in=3), errors.ShapeError, "at least one layer"),
        (
            lambda: prograd.Network([prograd.layer("tanh")], n_in=0),
            errors.ShapeError,
            "n_in: expected a positive integer, got 0",
        ),
        (lambda: prograd.Network([prograd.layer("tanh")], n_in=2.5), errors.ShapeError, "n_in: .* got 2.5"),
        (
            lambda: prograd.Network(["tanh"], n_in=3),
            errors.ShapeError,
            r"layers\[0\]: expected a Layer, got 'tanh'; use prograd.layer",
        ),
        (
            lambda: prograd.Network([Shapeless()], n_in=3),
            errors.ShapeError,
            r"layers\[0\] \(shapeless\).*positive number of outputs",
        ),
        (lambda: prograd.Network([Shadowing()], n_in=3), errors.PluginError, "can't be named 'items'"),
        (
            lambda: prograd.Network([prograd.layer("tanh"), Choosy()], n_in=3),
            errors.ShapeError,
            r"layers\[1\] \(choosy\) can't take 3 inputs: expected 7",
        ),
        (
            lambda: prograd.Network.from_config([AFFINE, {"name": "afine"}], n_in=3),
            errors.UnknownNameError,
            r"layers\[1\].*'afine'; did you mean 'affine'",
        ),
        (
            lambda: prograd.Network.from_config([{"name": "affine", "wdth": 3}], n_in=3),
            errors.OptionError,
            r"layers\[0\]: layer 'affine': unknown option 'wdth'; accepted options: width",
        ),
        (
            lambda: prograd.Network.from_config([{"name": "affine"}], n_in=3),
            errors.OptionError,
            "'width'; accepted options: width: int, bias: bool = True",
        ),
        (
            lambda: prograd.Network.from_config([{"width": 3}], n_in=3),
            errors.OptionError,
            r"layers\[0\]: expected a config with a name",
        ),
        (
            lambda: prograd.Network.from_config(["tanh"], n_in=3),
            errors.OptionError,
            r"layers\[0\]: expected a config with a name",
        ),
        (lambda: prograd.layer("quux"), errors.UnknownNameError, "there is no layer named 'quux'; known: .*affine"),
        (lambda: prograd.loss("squared_eror"), errors.UnknownNameError, "did you mean 'squared_error'"),
        (lambda: prograd.loss("huber", dleta=1), errors.OptionError, "accepted options: delta: float = 1.0"),
    ],
)
def test_what_is_no_network(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("w", "x", "error", "message"),
    [
        (
            np.zeros(25),
            np.ones(3),
            errors.ShapeError,
            r"w: expected shape \(26,\) = 16 \(affine\) \+ 10 \(affine\).*got \(25,\)",
        ),
        (np.zeros((26, 1)), np.ones(3), errors.ShapeError, "w: expected shape"),
        (
            np.zeros(26),
            np.ones(4),
            errors.ShapeError,
            r"x: expected \(N, 3\) or \(3,\).*layers\[0\] \(affine\).*got shape \(4,\)",
        ),
        (np.zeros(26), np.ones((0, 3)), errors.ShapeError, r"got shape \(0, 3\)"),
        (np.zeros(26), np.ones((2, 2, 3)), errors.ShapeError, "x: expected"),
        (np.zeros(26), np.ones(3, complex), errors.ShapeError, "x: expected real numbers, got complex128"),
        (np.array(["a"] * 26), np.ones(3), errors.ShapeError, "w: expected real numbers"),
        (None, np.ones(3), errors.ShapeError, "w: expected real numbers, got object"),
        (np.zeros(26), [[1, 2, 3], [1]], errors.ShapeError, "x: .*not rectangular"),
        (np.zeros(26), [1, np.nan, 3], errors.NonFiniteError, r"x: expected finite numbers, got nan at \[1\]"),
        (
            np.r_[np.zeros(17), np.inf, np.zeros(8)],
            np.ones(3),
            errors.NonFiniteError,
            r"got inf in layers\[0\] \(affine\), W\[2, 1\]",
        ),
        (
            np.r_[np.zeros(9), np.nan, np.zeros(16)],
            np.ones(3),
            errors.NonFiniteError,
            r"got nan in layers\[2\] \(affine\), b\[1\]",
        ),
    ],
)
def test_bad_w_and_x(w, x, error, message):
    net = small()
    for call in (net, lambda w, x: prograd.linearize(net, w, x), lambda w, x: prograd.jacobian(net, w, x)):
        with pytest.raises(error, match=message):
            call(w, x)


def test_huge_but_finite_parameters_pass():
    small()(np.full(26, 1e300), np.full(3, 1e-300))  # the square overflows, the numbers don't


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([{}], "expected parameters for 3 layers, got 1"),
        ([{"W": np.ones((4, 3))}, {}, {}], r"layers\[0\] \(affine\): expected parameters \['W', 'b'\], got \['W'\]"),
        ([{"W": np.ones((3, 4)), "b": np.ones(4)}, {}, {}], r"expected W of shape \(4, 3\), got \(3, 4\)"),
    ],
)
def test_pack_refuses_what_does_not_fit(parameters, message):
    with pytest.raises(errors.ShapeError, match=message):
        small().pack(parameters)


def test_parameters_read_both_ways():
    w = prograd.Parameters({"W": np.ones(2), "0.b": np.zeros(1)})
    assert w.W is w["W"]
    assert w["0.b"].shape == (1,)
    with pytest.raises(AttributeError, match=r"no parameter named 'b'; there are W, 0\.b"):
        w.b  # noqa: B018


def test_errors_are_pickled_whole():  # as parallel launchers do
    error = pickle.loads(pickle.dumps(errors.UnknownNameError("layer", "afine", ["affine"])))
    assert str(error) == "there is no layer named 'afine'; did you mean 'affine'?"
    assert pickle.loads(pickle.dumps(errors.ConformanceError("no", ["a"]))).failures == ["a"]


class Lying(prograd.Layer):
    """Says one thing in `shapes` and does another."""

    def __init__(self, what):
        self.what = what

    def shapes(self, n_in):
        return n_in, {"a": (n_in,)}

    def g(self, w, z):
        return {"g": z[:, :1], "none": None, "row": z[:, 0]}.get(self.what, z * w.a)

    def jacobian(self, w, z, z_next):
        if self.what == "pair":
            return np.eye(3)
        if self.what == "vector":
            return {"a": np.eye(3)}, np.ones(3)
        A = {"b" if self.what == "names" else "a": np.ones((1, 3, 2)) if self.what == "A" else np.ones((len(z), 3, 3))}
        return A, np.ones((5, 3, 3)) if self.what == "samples" else np.eye(2 if self.what == "B" else 3)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("g", r"expected g to give shape \(2, 3\), got \(2, 1\)"),
        ("none", r"expected g to give shape \(2, 3\), got NoneType"),
        ("row", r"expected g to give shape \(2, 3\), got \(2,\)"),
        ("pair", r"expected jacobian to give a pair \(A, B\) with A a dict, got ndarray"),
        ("vector", "B: Dense: expected an array"),
        ("names", r"expected A to hold \['a'\], got \['b'\]"),
        ("A", r"expected A\['a'\] to be 3 × 3, got Dense\[3 × 2\]"),
        ("B", r"expected B to be 3 × 3, got Dense\[2 × 2\]"),
        ("samples", "expected B for 1 or 2 samples, got .*5 samples"),
    ],
)
def test_a_layer_that_breaks_its_word_is_named(what, message):
    net = prograd.Network([Lying(what), prograd.layer("affine", width=3)], n_in=3)  # not its innocent successor
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((2, 3)), np.ones((2, 3)))
    w = np.ones(net.size)
    for call in (lambda: prograd.linearize(net, w, np.ones((2, 3))), lambda: f.gradient(w)):
        with pytest.raises(errors.PluginError, match=rf"layers\[0\] \(lying\): {message}"):
            call()


@pytest.mark.parametrize("given", [3, None, (3, {"a": 3}), (3, {"a": (2.7,)}), (3, {"a": (-1,)}), (3, {7: (1,)})])
def test_shapes_that_are_none(given):
    class Shapes(Lying):
        def shapes(self, n_in):
            return given

    with pytest.raises(errors.PluginError, match=r"layers\[0\] \(shapes\)"):
        prograd.Network([Shapes("")], n_in=3)


@pytest.mark.parametrize("w", [np.zeros(27), np.zeros(25), [0.0] * 26])
def test_unpack_refuses_what_does_not_fit(w):
    with pytest.raises(errors.ShapeError, match=r"w: expected an array of shape \(26,\)"):
        small().unpack(w)


def test_numpy_numbers_as_options_do_not_widen_float32():
    z, y = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    for layer in (prograd.layer("leaky_relu", slope=np.float64(0.1)), prograd.layer("elu", alpha=np.float64(0.5))):
        assert layer.phi(z).dtype == layer.dphi(z, layer.phi(z)).dtype == np.float32
    assert prograd.loss("huber", delta=np.float64(0.5)).gradient(z, y).dtype == np.float32
