"""The best bracketing gives the same Jacobian, with exactly the multiply-adds that were predicted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prograd
from prograd.bracketing.blocks import cheapest, layer_costs
from prograd.bracketing.programming import best, forward_cost, reverse_cost
from prograd.modes.optimal import Accumulation
from prograd.operators import Product, Sum
from prograd.testing import counted
from tests.helpers.networks import networks, point


def chains(net, w, x):
    lin = prograd.linearize(net, w, x)
    return lin, lin.by_input()


def pushed(lin):
    """Multiply-adds of forward mode's products with the `B_i`, over all samples."""
    older = np.cumsum([0, *(len(span.all) for span in lin.spans)])
    return lin.samples * sum(int(n) * B.edges for n, (_, B) in zip(older, lin.blocks, strict=False))


@pytest.mark.slow
@settings(max_examples=150)
@given(networks(), st.integers(1, 3))
def test_as_many_multiply_adds_as_planned(net, samples):
    w, x, _ = point(net, samples)
    for chain, wrt in zip(chains(net, w, x), ("parameters", "input"), strict=True):
        J = np.full((samples, chain.rows, chain.size), np.nan)
        with counted() as count:
            prograd.mode("optimal").jacobian(chain, J, None)
        assert count.multiply_adds == cheapest(chain.blocks, samples).cost
        np.testing.assert_allclose(J, prograd.jacobian(net, w, x, wrt=wrt, mode="reverse"), rtol=1e-9, atol=1e-11)


@pytest.mark.slow
@settings(max_examples=100)
@given(networks(), st.integers(1, 3), st.integers(0, 60))
def test_every_tree_gives_the_jacobian(net, samples, numbers):
    """Including trees that are not optimal: merged by products alone, or with small matrices only."""
    w, x, _ = point(net, samples)
    for chain, wrt in zip(chains(net, w, x), ("parameters", "input"), strict=True):
        expected = prograd.jacobian(net, w, x, wrt=wrt, mode="reverse")
        costs = layer_costs(chain.blocks, samples)
        kinds = [{"ways": ("product",)}, {"ways": ("tangents",)}, {"ways": ("adjoints",)}, {"numbers": numbers}]
        for options in kinds:
            tree = best(costs, product=False, **options)
            if tree is None:
                continue
            J = np.full(expected.shape, np.nan)
            with counted() as count:
                Accumulation(chain, chain.z[0]).into(tree, J)
            assert count.multiply_adds == tree.cost, options
            np.testing.assert_allclose(J, expected, rtol=1e-9, atol=1e-11)


def reverse_multiply_adds(chain):
    first = next((i for i, (A_i, _) in enumerate(chain.blocks) if A_i), len(chain.blocks))
    A = sum(operator.edges for A_i, _ in chain.blocks for operator in A_i.values())
    return chain.samples * chain.rows * (A + sum(B_i.edges for _, B_i in chain.blocks[first + 1 :]))


@pytest.mark.slow
@settings(max_examples=60)
@given(networks(), st.integers(1, 3))
def test_pure_modes_cost_what_they_are_said_to(net, samples):
    w, x, _ = point(net, samples)
    for chain in chains(net, w, x):
        costs = layer_costs(chain.blocks, samples)
        if not any(isinstance(A, (Product, Sum)) for A_i, _ in chain.blocks for A in A_i.values()):
            assert forward_cost(costs, product=False) == pushed(chain) + sum(costs.own_dense)
        if samples == 1:
            assert reverse_cost(costs, product=False) == reverse_multiply_adds(chain)
        assert reverse_cost(costs, product=False) <= reverse_multiply_adds(chain)
        assert cheapest(chain.blocks, samples).cost <= min(
            forward_cost(costs, product=False), reverse_cost(costs, product=False)
        )


def hourglass(widths=(24, 8, 1, 8, 24), n_in=24):
    configs = [config for n in widths for config in ({"name": "affine", "width": n}, {"name": "tanh"})]
    return prograd.Network.from_config(configs, n_in)


@pytest.mark.parametrize("samples", [1, 5])
def test_a_bottleneck_is_best_left_between_two_products(samples):
    net = hourglass()
    w, x, _ = point(net, samples)
    _, chain = chains(net, w, x)
    tree = cheapest(chain.blocks, samples)
    steps = tree.steps()
    product = next(step for step in steps if step.way == "product")
    assert chain.blocks[product.split][1].cols == 1
    assert {step.way for step in steps} == {"dense", "adjoints", "tangents", "product"}
    assert 5 * tree.cost < min(pushed(chain), reverse_multiply_adds(chain))


def test_gradients_go_in_reverse():
    net = hourglass()
    w, x, _ = point(net, 3)
    costs = prograd.plan(net, 3).costs
    assert costs["optimal"] == costs["reverse"]
    y = np.zeros((3, net.n[-1]))
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    assert np.array_equal(f.gradient(w, mode="optimal"), f.gradient(w))
    assert f.value_and_gradient(w, mode="optimal")[0] == f(w)


def test_float32_is_kept():
    net = hourglass()
    w, x, _ = (a.astype(np.float32) for a in point(net, 3))
    for wrt in ("parameters", "input"):
        J = prograd.jacobian(net, w, x, wrt=wrt, mode="optimal")
        assert J.dtype == np.float32
        np.testing.assert_allclose(J, prograd.jacobian(net, w, x, wrt=wrt, mode="reverse"), rtol=1e-4, atol=1e-6)
    assert prograd.jacobian(net, w, x[0], mode="optimal").shape == (net.n[-1], net.size)


def test_matrices_on_the_way_within_a_number_of_bytes():
    net = hourglass()
    w, x, _ = point(net, 2)
    expected = prograd.jacobian(net, w, x, wrt="input", mode="reverse")
    found = prograd.jacobian(net, w, x, wrt="input", mode="optimal", max_bytes=100_000)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    with pytest.raises(prograd.errors.OptionError, match=r"max_bytes: expected .*, got 1 numbers"):
        prograd.jacobian(net, w, x, wrt="input", mode="optimal", max_bytes=8)
