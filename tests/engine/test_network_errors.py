"""Errors for impossible networks, parameters and inputs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import prograd
from prograd import errors
from tests.helpers.networks import small

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
            lambda: prograd.Network([type(prograd.layer("tanh"))], n_in=3),
            errors.ShapeError,
            r"layers\[0\]: expected a Layer, got <class .*>; did you mean Tanh\(…\)\?",
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
            lambda: prograd.Network.from_config([3], n_in=3),
            errors.OptionError,
            r"layers\[0\]: expected a config with a name, such as .*, or a bare name, got 3",
        ),
        (
            lambda: prograd.Network.from_config(["tanhh"], n_in=3),
            errors.UnknownNameError,
            r"layers\[0\]: expected a known name, got 'tanhh'; did you mean 'tanh'",
        ),
        (
            lambda: prograd.Network.from_config("tanh", n_in=3),
            errors.OptionError,
            "layers: expected a list of layers, got 'tanh'",
        ),
        (
            lambda: prograd.layer("quux"),
            errors.UnknownNameError,
            "layer: expected a known name, got 'quux'; known: .*affine",
        ),
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


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([{}], "parameters: expected those of 3 layers, got 1"),
        ([np.ones(3), {}, {}], r"layers\[0\] \(affine\): expected a dict of the parameters .*, got ndarray"),
        ([{"W": np.ones((4, 3))}, {}, {}], r"layers\[0\] \(affine\): expected parameters \['W', 'b'\], got \['W'\]"),
        ([{"W": np.ones((3, 4)), "b": np.ones(4)}, {}, {}], r"expected W of shape \(4, 3\), got \(3, 4\)"),
    ],
)
def test_pack_refuses_what_does_not_fit(parameters, message):
    with pytest.raises(errors.ShapeError, match=message):
        small().pack(parameters)


def test_errors_are_pickled_whole():  # as parallel launchers do
    error = pickle.loads(pickle.dumps(errors.UnknownNameError("layer", "afine", ["affine"])))
    assert str(error) == "layer: expected a known name, got 'afine'; did you mean 'affine'?"
    assert pickle.loads(pickle.dumps(errors.ConformanceError("no", ["a"]))).failures == ["a"]


class Lying(prograd.Layer):
    """Its `shapes` contradicts what it computes."""

    def __init__(self, what):
        self.what = what

    def shapes(self, n_in):
        return n_in, {"a": (n_in,)}

    def g(self, w, z):
        return {"g": z[:, :1], "none": None, "row": z[:, 0]}.get(self.what, z * w.a)

    def jacobian(self, w, z, z_next):
        if self.what == "pair":
            return np.eye(3)
        if self.what == "swapped":
            return np.eye(3), {"a": np.eye(3)}
        if self.what == "derivatives":
            return {"a": z}, w.a
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
        ("swapped", r"expected jacobian .*, got \(ndarray, dict\); likely cause: B and A are swapped"),
        ("derivatives", r"expected A\['a'\] to be 3 × 3, got Dense\[2 × 3\]; did you mean Diagonal\(…\)\?"),
        ("vector", r"B: Dense: expected an array .*; did you mean Diagonal\(…\)\?"),
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
