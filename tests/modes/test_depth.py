"""Deep networks: no deep recursion, and counts that grow with the depth and not with its square."""

from __future__ import annotations

import itertools
import pickle
import sys
from functools import reduce

import numpy as np
import pytest

import prograd
from prograd import Network, Objective
from prograd.errors import OptionError
from prograd.modes import MODES
from prograd.operators import Dense, Diagonal, DiagonalPlusLowRank, Product, multiply
from prograd.tape import machine
from prograd.testing import counted
from tests.helpers.operators import RunningSum

affine, norm, tanh = prograd.layer("affine", width=3), prograd.layer("layer_norm"), prograd.layer("tanh")
scale = prograd.layer("scale_shift")


def networks(depth: int):
    return {
        "norms, affine": Network([norm] * depth + [affine], n_in=3),
        "affine, norms": Network([affine] + [norm] * depth, n_in=3),
        "tanh, affine": Network([tanh] * depth + [affine], n_in=3),
        "affine and tanh": Network([affine, tanh] * (depth // 2) + [affine], n_in=3),
        "residual": Network([prograd.layer("residual", layers=[scale, tanh, scale])] * depth, n_in=3),
    }


NAMES = list(networks(1))


def task(net: Network):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, net.n[0])), rng.normal(size=(2, net.n[-1]))
    return Objective(net, prograd.loss("squared_error"), x, y), x, net.init(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mode"),
    [*itertools.product(NAMES, MODES), ("affine and tanh", "auto"), ("residual", "auto")],  # which plans all modes
)
def test_more_layers_than_python_has_frames(name: str, mode: str) -> None:
    """With frames for a hundred calls or so instead of a thousand, so that fewer layers do."""
    net = networks(150)[name]
    f, x, w = task(net)
    gradient = f.gradient(w)
    J = {wrt: prograd.jacobian(net, w, x, wrt=wrt, mode="reverse") for wrt in ("parameters", "input")}
    before = sys.getrecursionlimit()
    depth = len(list(iter_frames()))
    sys.setrecursionlimit(depth + 100)
    try:
        np.testing.assert_allclose(f.gradient(w, mode=mode), gradient, rtol=1e-9, atol=1e-13)
        for wrt, expected in J.items():
            found = prograd.jacobian(net, w, x, wrt=wrt, mode=mode)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13)
    finally:
        sys.setrecursionlimit(before)


def iter_frames():
    frame = sys._getframe()  # noqa: SLF001  (the only way to learn how deep the test itself is)
    while frame is not None:
        yield frame
        frame = frame.f_back


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_lazy_jacobians_of_deep_networks(name: str) -> None:
    net = networks(400)[name]
    _, x, w = task(net)
    J = prograd.jacobian(net, w, x, mode="reverse")
    for mode in ("reverse", "factored", "auto"):
        lazy = prograd.jacobian(net, w, x, mode=mode, lazy=True)
        np.testing.assert_allclose(lazy.dense(), J, rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(lazy.row_norms(), np.linalg.norm(J, axis=2), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("outputs", ["gradient", "jacobian"])
def test_as_many_multiply_adds_as_planned(name: str, outputs: str) -> None:
    net = networks(60)[name]
    f, x, w = task(net)
    f.gradient(w)
    plan = prograd.plan(net, 2, outputs=outputs)
    for mode, cost in plan.costs.items():
        with counted() as count:
            f.gradient(w, mode=mode) if outputs == "gradient" else prograd.jacobian(net, w, x, mode=mode)
        assert count.multiply_adds == cost.multiply_adds, mode


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_plans_of_ten_thousand_layers(name: str) -> None:
    net = networks(10_000)[name]
    plan = prograd.plan(net, 2, outputs="jacobian")
    diagonal = name == "tanh, affine"  # its factors are multiplied in few instructions
    assert set(plan.costs) == ({"reverse", "factored"} if diagonal else {"reverse"})
    assert f"optimal: not planned: {len(net.layers)} layers are more than 200" in str(plan)
    assert plan.as_json()["left_out"]["forward"].startswith("expected a recording of at most")
    assert len(str(plan)) < 3000


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@machine.using("off")  # a recording takes milliseconds for each layer, and no mode comes back often enough here
def test_ten_thousand_layers(name: str) -> None:
    net = networks(2000 if "norms" in name else 10_000)[name]  # a norm has a dozen operations
    f, x, w = task(net)
    gradient = f.gradient(w)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(f.gradient(w, mode="auto"), gradient, rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(f.gradient(w, mode="optimal"), gradient)
    np.testing.assert_array_equal(f.gradient(w, max_bytes=2**26), gradient)
    J = prograd.jacobian(net, w, x, wrt="input", mode="reverse")
    for mode in ("forward", "factored"):
        np.testing.assert_allclose(prograd.jacobian(net, w, x, wrt="input", mode=mode), J, rtol=1e-6, atol=1e-15)
    with pytest.raises(OptionError, match='mode="optimal": expected a Jacobian of at most 2000 layers'):
        prograd.jacobian(net, w, x, mode="optimal")
    assert len(repr(net)) < 500


def test_a_product_of_thousands_of_factors() -> None:
    """Sums cost nothing to apply, so no matrix would pay, and the product stays as long as it is."""
    J = reduce(Product, [RunningSum(2) for _ in range(5000)])
    assert (len(J.factors), J.edges, J.samples, J.rows) == (5000, 0, 1, 2)
    np.testing.assert_array_equal(J.dense(), [[[1, 0], [5000, 1]]])
    np.testing.assert_array_equal(J.vjp(np.array([[1.0, 2.0]])), [[10001, 2]])
    assert len(repr(J)) < 300
    again = pickle.loads(pickle.dumps(J))
    np.testing.assert_array_equal(again.dense(), J.dense())
    for made in (multiply(J, Dense(np.eye(2))), multiply(Dense(np.eye(2)), J)):
        np.testing.assert_array_equal(made.dense(), J.dense())


def test_a_long_product_becomes_a_matrix_where_that_pays() -> None:
    rng = np.random.default_rng(0)
    few = [DiagonalPlusLowRank(rng.normal(size=(2, 3)), rng.normal(size=(3, 1)), rng.normal(size=(3, 1)))] * 30
    made = reduce(multiply, few)
    assert isinstance(made, Dense)
    np.testing.assert_allclose(made.dense(), reduce(np.matmul, [J.dense() for J in few]), rtol=1e-9)
    wide = [DiagonalPlusLowRank(np.ones(100), np.ones((100, 1)), np.zeros((100, 1)))] * 12
    made = reduce(multiply, wide)
    assert isinstance(made, Product)
    assert len(made.factors) == 12
    assert isinstance(reduce(multiply, [Diagonal(np.ones(3))] * 30), Diagonal)
