"""Errors of an objective, and the layer or loss that each names."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd import errors
from tests.helpers.networks import classifier


@pytest.mark.parametrize(
    "out",
    [np.empty(3), np.empty(43, np.float32), np.empty(86)[::2], [0.0] * 43],
    ids=["size", "dtype", "stride", "list"],
)
def test_bad_out(out):
    f, w, _, _ = classifier()
    assert len(w) == 43
    with pytest.raises(errors.ShapeError, match="out: expected a contiguous, writable float64 vector"):
        f.gradient(w, out=out)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda f, w: f.gradient(w, mode="forwards"),
            errors.UnknownNameError,
            "mode: expected a known name, got 'forwards'; did you mean 'forward'",
        ),
        (
            lambda f, w: f.gradient(w, mode="forward", max_bytes=10),
            errors.OptionError,
            "max_bytes: expected at least .* one column of 6 samples .* got 10",
        ),
        (lambda f, w: f(w[:-1]), errors.ShapeError, r"w: expected shape \(43,\)"),
        (lambda f, w: f.per_sample_gradients(w * np.nan), errors.NonFiniteError, "w: expected finite"),
        (
            lambda f, w: prograd.jacobian(f.net, w, np.ones(4), wrt="x"),
            errors.UnknownNameError,
            "wrt: expected a known name, got 'x'",
        ),
        (
            lambda f, w: prograd.jacobian(f.net, w, np.ones(4), mode="backwards"),
            errors.UnknownNameError,
            "mode: expected a known name, got 'backwards'",
        ),
        (
            lambda f, w: prograd.linearize(f.net, w, np.ones(4)).jvp(w[1:]),
            errors.ShapeError,
            r"dw: expected shape \(..., 43\), got \(42,\)",
        ),
        (
            lambda f, w: prograd.linearize(f.net, w, np.ones((2, 4))).vjp(np.ones(3)),
            errors.ShapeError,
            r"q: expected shape \(..., 2, 3\)",
        ),
        (
            lambda f, _: prograd.Objective(f.net, 3, np.ones(4), np.ones(3)),
            errors.OptionError,
            "a Network and a Loss, got Network and int",
        ),
    ],
)
def test_bad_calls(call, error, message):
    f, w, _, _ = classifier()
    with pytest.raises(error, match=message):
        call(f, w)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.array([0, 1]), errors.ShapeError, r"y: expected shape \(2, 3\).*layers\[2\] \(affine\).*one_hot"),
        (np.ones((2, 2)), errors.ShapeError, r"y: expected shape \(2, 3\).*got \(2, 2\)"),
        (np.full((2, 3), np.nan), errors.NonFiniteError, "y: expected finite numbers, got nan at"),
        (np.ones((2, 3)), errors.LabelError, "softmax_cross_entropy"),
        (np.array([[1, 0, 0], [1.5, -0.5, 0]]), errors.LabelError, "softmax_cross_entropy"),
    ],
)
def test_bad_labels(y, error, message):
    f, _, _, _ = classifier()
    with pytest.raises(error, match=message):
        prograd.Objective(f.net, f.loss, np.ones((2, 4)), y)


def test_outputs_that_a_loss_is_not_defined_for_are_named():
    net = prograd.Network.from_config([{"name": "affine", "width": 2}], n_in=2)  # a softmax was forgotten
    f = prograd.Objective(net, prograd.loss("cross_entropy"), np.eye(2), [[1.0, 0.0], [1.0, 0.0]])
    w = np.array([1.0, -1.0, 1.0, 0.5, 0.0, 0.0])
    for evaluated in (f, f.gradient):
        with pytest.raises(errors.NonFiniteError, match=r"loss cross_entropy: .* got \[-1. +0.5\] for sample 1"):
            evaluated(w)


@pytest.mark.parametrize("mode", prograd.MODES)
def test_out_may_not_be_w(mode):
    f, w, _, _ = classifier()
    with pytest.raises(errors.ShapeError, match="an array that shares w's"):
        f.gradient(w, mode=mode, out=w)


def test_infinity_written_into_w_is_noticed_behind_a_saturated_activation():
    f, w, _, _ = classifier()
    f.gradient(w)
    f.net.unpack(w)[0].b[1] = np.inf  # tanh(inf) is finite
    for call in (f, f.gradient):
        with pytest.raises(errors.NonFiniteError, match=r"got inf in layers\[0\] \(affine\), b\[1\]"):
            call(w)


class Misshapen(prograd.Loss):
    def __init__(self, what):
        self.what = what

    def value(self, z, y):
        return z if self.what == "value" else z.sum(axis=1)

    def gradient(self, z, y):
        return np.ones(len(z)) if self.what == "gradient" else np.ones_like(z)


@pytest.mark.parametrize("what", ["value", "gradient"])
def test_a_loss_that_gives_the_wrong_shape_is_named(what):
    f, w, x, y = classifier()
    with pytest.raises(errors.PluginError, match=f"loss misshapen: expected {what} to give shape"):
        prograd.Objective(f.net, Misshapen(what), x, y).gradient(w)
