"""The results that the peers are held to are right, and the floor has the products that theory counts, no more."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np
import pytest

import prograd
from prograd_benchmarks import floor as theory
from prograd_benchmarks.problems import Mlp
from prograd_experiments.peers import compare
from prograd_experiments.peers.engines.base import MAX_NORM, TASKS
from prograd_experiments.peers.engines.floor import Floor
from prograd_experiments.peers.engines.mkl import by_mkl
from prograd_experiments.peers.workload import Workload


def factors(floor) -> list:
    """The arrays `(a, b, out)` of each product."""
    return [product.args for product in floor.args[0]]


def pushes(floor) -> list:
    """How often each product of forward mode is taken, and its arrays."""
    return [(times, product.args) for times, product in floor.args[0]]


def test_the_reference_is_right() -> None:
    # Against prograd in its other mode and against differences: neither shares a line with what is by hand.
    point = Workload("reverse", 3, 4, 5, "float64")
    given = point.given(seed=1)
    net, loss, x, y, w = Mlp(3, 4, 5, n_in=4, n_out=4, seed=1).parts()
    f = prograd.Objective(net, loss, x, y)
    by_hand = {task: compare.reference(task, given) for task in TASKS}

    assert by_hand["reverse"].value == pytest.approx(f(w), rel=1e-14)
    steps = 1e-6 * np.eye(net.size)
    differences = [(f(w + step) - f(w - step)) / 2e-6 for step in steps]
    assert by_hand["forward"].derivative == pytest.approx(np.array(differences), abs=1e-8)
    assert by_hand["reverse"].derivative == pytest.approx(f.gradient(w, mode="forward"), rel=1e-12)
    assert by_hand["jacobian"].derivative == pytest.approx(prograd.jacobian(net, w, x, mode="forward"), rel=1e-12)
    gradients = f.per_sample_gradients(w)
    assert by_hand["per_sample"].derivative == pytest.approx(gradients, rel=1e-12)
    norms = np.linalg.norm(gradients, axis=1)
    assert norms.max() > MAX_NORM
    clipped = (gradients * np.minimum(1, MAX_NORM / norms)[:, None]).mean(axis=0)
    assert by_hand["clipped"].derivative == pytest.approx(clipped, rel=1e-12)
    assert by_hand["last"].derivative == pytest.approx(f.gradient(w)[net.entries(-1)], rel=1e-12)
    moved = f.gradient(1.0001 * w) - f.gradient(0.9999 * w)
    assert by_hand["hessian"].derivative == pytest.approx(moved / 2e-4, abs=1e-7)
    assert by_hand["last"].value == by_hand["reverse"].value


def test_the_floor_multiplies_layers_of_different_sizes() -> None:
    shapes = [(5, 7), (2, 5), (3, 2)]
    for a, b, out in factors(theory.reverse(shapes, samples=4)):
        assert (a @ b).shape == out.shape
    pushed = [(len(J) * times, *W.shape) for times, (J, W, _) in pushes(theory.forward(shapes, samples=4))]
    assert sum(rows * n_in * n_out for rows, n_in, n_out in pushed) == 4 * (5 * 8 * 10 + (5 * 8 + 2 * 6) * 6)
    theory.reverse(shapes, samples=4)()
    theory.forward(shapes, samples=4)()


def test_the_floor_has_the_products_that_theory_counts() -> None:
    depth, width, batch = 4, 6, 3
    given = Workload("reverse", depth, width, batch, "float64").given(seed=0)

    def multiply_adds(products) -> int:
        return sum(a.shape[0] * a.shape[1] * b.shape[1] for a, b, _ in products)

    shapes = [W.shape for W, _ in given.layers]
    back_and_forth = factors(theory.reverse(shapes, batch))
    assert len(back_and_forth) == 3 * depth - 1
    assert multiply_adds(back_and_forth) == (3 * depth - 1) * batch * width**2
    assert all((a @ b).shape == out.shape for a, b, out in back_and_forth)
    by_last = factors(theory.last(shapes, batch))
    assert multiply_adds(by_last) == (depth + 1) * batch * width**2
    assert all((a @ b).shape == out.shape for a, b, out in by_last)
    by_hessian = factors(theory.hessian_vector(shapes, batch))
    assert multiply_adds(by_hessian) == (8 * depth - 5) * batch * width**2
    assert all((a @ b).shape == out.shape for a, b, out in by_hessian)
    per_sample = Workload("per_sample", depth, width, width, "float64").given(seed=0)
    shared, outer = Floor(threads=1).ways("per_sample", per_sample)[""].args
    assert (len(shared), len(outer)) == (2 * depth - 1, depth)
    # Σ n_{i+1} n_i (r_{i-1} + … + r_1), for each sample
    pushed = sum(width**2 * i * width * (width + 1) for i in range(depth))
    each_time = [product for times, product in pushes(theory.forward(shapes, batch)) for _ in range(times)]
    assert multiply_adds(each_time) == batch * pushed


@pytest.mark.skipif(not any(found.name == "mkl" for found in metadata.distributions()), reason="needs MKL")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rows", [1, 4])
def test_the_floor_by_mkl_multiplies(rows: int, dtype: Any) -> None:
    random = np.random.default_rng(0)
    whole = random.normal(size=(rows, 5)).astype(dtype), random.normal(size=(5, 7)).astype(dtype)
    for a in (whole[0], whole[0].T.copy().T):
        for b in (whole[1], whole[1].T.copy().T):
            out = np.empty((rows, 7), dtype)
            by_mkl(a, b, out)()
            np.testing.assert_allclose(out, a @ b, rtol=1e-5, atol=1e-5)
