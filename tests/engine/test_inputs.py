"""What callers pass: numpy's integers, masks, arrays changed in place, shared memory, wrong shapes; and pickles."""

from __future__ import annotations

import pickle
from typing import NamedTuple

import numpy as np
import pytest

import prograd
from prograd import errors
from prograd.operators import Dense, Identity, Kronecker, Zero
from tests.helpers.networks import EXAMPLES, at, classifier

INTEGERS = [np.int8, np.uint8, np.int32, np.uint64]
WAYS = {
    "f": lambda f, w: f(w),
    "gradient": lambda f, w: f.gradient(w),
    "per_sample_gradients": lambda f, w: f.per_sample_gradients(w),
    "per_sample_norms": lambda f, w: f.per_sample_norms(w),
    "clipped_gradient": lambda f, w: f.clipped_gradient(w, 1.0),
    "gauss_newton": lambda f, w: f.gauss_newton(w) @ np.ones(len(w)),
    "gauss_newton_diagonal": lambda f, w: f.gauss_newton_diagonal(w),
    "fisher_diagonal": lambda f, w: f.fisher_diagonal(w),
    "kronecker_factors": lambda f, w: f.kronecker_factors(w)[0]["W"][0],
    "hessian_vector": lambda f, w: f.hessian_vector(w, np.ones(len(w))),
    "linearize": lambda f, w: f.linearize(w).output,
}


@pytest.mark.parametrize("integer", INTEGERS)
def test_sizes_in_numpys_integers_become_pythons(integer):
    n = integer(100)
    operators = [Identity(n), Zero(n, n), Kronecker(n, np.ones((1, 100)))]
    layers = [
        prograd.layer("affine", width=n),
        prograd.layer("conv2d", image=(integer(1), n, integer(1)), channels=n, kernel=integer(1)),
        prograd.layer("avg_pool2d", image=(n, n, integer(1)), window=integer(1)),
    ]
    net = prograd.Network(layers, n_in=n)
    assert net.size == 100**2 + 100 + 200
    assert net.n == (100, 100, 100**2, 100**2)
    for sizes in ([operator.rows for operator in operators], [operator.cols for operator in operators], net.n, net.r):
        assert {type(size) for size in sizes} == {int}
    assert operators[2].cols == 100**2
    assert prograd.plan(net, batch=n).costs == prograd.plan(net, batch=100).costs


def test_optimal_mode_works_with_numpys_integers():
    for width in (200, np.int32(200), np.uint8(200)):
        net = prograd.Network([prograd.layer("affine", width=width)] * 3, n_in=width)
        J = prograd.jacobian(net, net.init(0), np.ones(200), wrt="input", mode="optimal")
        assert J.shape == (200, 200)


@pytest.mark.parametrize("max_bytes", [np.int32(2**20), np.uint32(2**20), np.int64(2**20)])
@pytest.mark.parametrize("mode", [*prograd.MODES, "auto"])
def test_max_bytes_may_be_numpys(max_bytes, mode):
    f, w, _, _ = classifier()
    np.testing.assert_array_equal(f.gradient(w, mode, max_bytes=max_bytes), f.gradient(w, mode, max_bytes=2**20))


@pytest.mark.parametrize("n", [2.0, -1, True, "3"])
@pytest.mark.parametrize("make", [Identity, lambda n: Zero(n, 1), lambda n: Zero(1, n)])
def test_sizes_of_operators_are_checked(make, n):
    with pytest.raises(errors.ShapeError, match=f"expected an integer of at least 0, got {n!r}"):
        make(n)


@pytest.mark.parametrize("K", [0, -2, 2.5, "3"])
def test_one_hot_checks_the_number_of_classes(K):
    with pytest.raises(errors.LabelError, match="one_hot: expected a positive number of classes, got"):
        prograd.one_hot([0, 0], K)


class Case(NamedTuple):
    f: prograd.Objective
    w: np.ndarray
    x: np.ndarray
    y: np.ndarray


def masked(a):
    return np.ma.masked_array(a, mask=np.arange(np.size(a)).reshape(np.shape(a)) == 0)


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("x", lambda c: prograd.Objective(c.f.net, c.f.loss, masked(c.x), c.y)),
        ("x", lambda c: prograd.Objective(c.f.net, c.f.loss, [masked(row) for row in c.x], c.y)),
        ("y", lambda c: prograd.Objective(c.f.net, c.f.loss, c.x, masked(c.y))),
        ("w", lambda c: c.f(masked(c.w))),
        ("w", lambda c: c.f.gradient(masked(c.w))),
        ("w", lambda c: c.f.gauss_newton(masked(c.w))),
        ("w", lambda c: c.f.net(masked(c.w), c.x)),
        ("w", lambda c: c.f.net.unpack(masked(c.w))),
        ("out", lambda c: c.f.gradient(c.w, out=masked(c.w.copy()))),
        ("x", lambda c: prograd.jacobian(c.f.net, c.w, masked(c.x))),
        ("dw", lambda c: c.f.linearize(c.w).jvp(masked(c.w))),
        ("q", lambda c: prograd.jacobian(c.f.net, c.w, c.x, lazy=True).vjp(masked(c.y))),
        ("v", lambda c: c.f.gauss_newton(c.w) @ masked(c.w)),
        ("w", lambda c: c.f.hessian_vector(masked(c.w), c.w)),
        ("v", lambda c: c.f.hessian_vector(c.w, masked(c.w))),
        ("v", lambda _: Dense(np.eye(3)).to_scipy() @ masked(np.ones(3))),
        ("Dense", lambda _: Dense(masked(np.eye(3)))),
        ("Kronecker: right", lambda c: Kronecker(2, masked(c.x))),
        (
            r"layers\[0\] \(affine\): b",
            lambda c: c.f.net.pack([{"W": np.ones((5, 4)), "b": masked(np.ones(5))}] * 3),
        ),
    ],
)
def test_masks_are_refused(what, call):
    with pytest.raises(errors.ShapeError, match=f"^{what}: expected .*(ask|MaskedArray)"):
        call(Case(*classifier()))


def test_masked_labels_are_refused():
    with pytest.raises(errors.LabelError, match="one_hot: expected numbers without a mask"):
        prograd.one_hot(masked(np.array([1, 0])), 3)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtypes", [(a, b, c) for a in "fd" for b in "fd" for c in "fd"], ids="".join)
def test_changes_in_place_are_seen_whatever_the_types(dtypes, way):
    f, *point = classifier()
    w, x, y = (a.astype(dtype) for a, dtype in zip(point, dtypes, strict=True))
    f = prograd.Objective(f.net, f.loss, x, y)
    before = WAYS[way](f, w)
    x *= 0.5
    y[:] = y[:, ::-1].copy()
    after = WAYS[way](f, w)
    np.testing.assert_array_equal(after, WAYS[way](prograd.Objective(f.net, f.loss, x.copy(), y.copy()), w.copy()))
    assert np.all(after != before) if np.ndim(after) == 0 else np.any(after != before)


@pytest.mark.parametrize("mode", [*prograd.MODES, "auto"])
@pytest.mark.parametrize("shared", ["x", "y", "row of x", "w"])
def test_out_shares_no_memory_with_what_is_read(mode, shared):
    f, w, _, _ = classifier(samples=43)
    memory = np.random.default_rng(0).dirichlet(np.ones(3), 43)
    x, y = memory[:, :1] * np.ones(4), memory
    out = {"x": x.ravel()[:43], "y": y.ravel()[40:83], "row of x": x.ravel()[2:45], "w": w}[shared]
    f = prograd.Objective(f.net, f.loss, x, y)
    before = [a.copy() for a in (w, x, y)]
    with pytest.raises(errors.ShapeError, match=f"out: expected memory of its own, .* shares {shared[-1]}'s"):
        f.gradient(w, mode=mode, out=out)
    for a, kept in zip((w, x, y), before, strict=True):
        np.testing.assert_array_equal(a, kept)


def test_out_may_lie_between_the_columns_of_x():
    f, w, x, y = classifier()
    memory = np.zeros((6, 100))
    memory[:, :4] = x
    f = prograd.Objective(f.net, f.loss, memory[:, :4], y)
    out = memory[0, 10:53]
    np.testing.assert_array_equal(f.gradient(w, out=out), f.gradient(w))


@pytest.mark.parametrize("shape", [(6,), (1, 6), (6, 1, 1)])
def test_targets_of_another_shape_get_the_right_hint(shape):
    net = prograd.Network([prograd.layer("affine", width=1)], n_in=4)
    with pytest.raises(errors.ShapeError, match=r"y: expected shape \(6, 1\).*; y\.reshape\(6, 1\) has it$"):
        prograd.Objective(net, prograd.loss("squared_error"), np.ones((6, 4)), np.ones(shape))


def test_a_single_target_gets_the_right_hint():
    net = prograd.Network([prograd.layer("affine", width=1)], n_in=4)
    with pytest.raises(errors.ShapeError, match=r"y: expected shape \(1,\).*; np\.reshape\(y, \(1,\)\) has it$"):
        prograd.Objective(net, prograd.loss("squared_error"), np.ones(4), 2.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: prograd.Objective(c.f.net, c.f.loss, c.x[:0], c.y[:0]),
        lambda c: c.f.net(c.w, c.x[:0]),
        lambda c: prograd.jacobian(c.f.net, c.w, c.x[:0]),
        lambda c: prograd.linearize(c.f.net, c.w, c.x[:0]),
    ],
)
def test_one_sample_is_the_least(call):
    with pytest.raises(errors.ShapeError, match=r"x: expected at least one sample, got shape \(0, 4\)"):
        call(Case(*classifier()))


@pytest.mark.parametrize("used", [False, True])
def test_what_scipy_takes_can_be_pickled(used):
    f, w, x, _ = classifier()
    lazy = prograd.jacobian(f.net, w, x, lazy=True)
    for A in (f.gauss_newton(w), f.gauss_newton(w).T, lazy.to_scipy(), lazy.to_scipy().H, Dense(np.eye(3)).to_scipy()):
        v = np.linspace(-1, 1, A.shape[1])
        if used:
            A.matvec(v)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(A)) @ v, A @ v)


@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_every_block_can_be_pickled_for_scipy(layer, n_in):
    _, _, _, A, B = at(layer, n_in)
    for block in (*A.values(), B):
        linear = block.to_scipy()
        v = np.linspace(-1, 1, linear.shape[1])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(linear)) @ v, linear @ v)
