"""The best bracketing: it meets published optima, and no other bracketing and neither pure mode costs less."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prograd import bracketing
from prograd.bracketing.programming import LayerCosts, best, forward_cost, reverse_cost
from prograd.errors import OptionError, ShapeError

CASES = json.loads((Path(__file__).parents[1] / "golden" / "bracketing.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_published_optima(case):
    plan = bracketing.solve(case["factors"])
    assert (plan.cost, plan.tangent_cost, plan.adjoint_cost, plan.preaccumulation_cost) == (
        case["optimal"],
        case["tangent"],
        case["adjoint"],
        case["preaccumulate_all"],
    )
    assert plan.tree.cost == plan.cost


@st.composite
def chains(draw, most=5):
    """The costs of the layers of a small chain, in which all samples share some blocks."""
    count = draw(st.integers(1, most))
    n = draw(st.lists(st.integers(1, 6), min_size=count + 1, max_size=count + 1))
    samples = draw(st.sampled_from([1, 3]))
    stacked = draw(st.lists(st.booleans(), min_size=count, max_size=count))

    def pair(edges, stack):
        return (samples * edges if stack else edges, samples * edges)

    edges, own, own_edges = (
        [draw(st.integers(0, most)) for _ in range(count)] for most in (20, draw(st.sampled_from([0, 5])), 20)
    )
    products = [pair(e, stack) for e, stack in zip(edges, stacked, strict=True)]
    return LayerCosts(
        rows=n[1:],
        cols=n[:-1],
        own=own,
        push=products,
        pull=products,
        own_pull=[pair(e if r else 0, draw(st.booleans())) for e, r in zip(own_edges, own, strict=True)],
        dense=[draw(st.integers(0, min(m, k) * one)) for (one, _), m, k in zip(products, n[1:], n, strict=False)],
        own_dense=[draw(st.integers(0, 4)) if r else 0 for r in own],
        stacked=stacked,
        samples=samples,
    )


def members(costs, i, j, P, numbers=float("inf")):
    """What every bracketing of the layers i … j costs, one step after the other; those with large matrices left out."""
    N, whole = costs.samples, j - i + 1 == len(costs.rows)
    if P and not whole and costs.rows[j] * costs.cols[i] * (N if any(costs.stacked[i : j + 1]) else 1) > numbers:
        return set()
    if not P and not any(costs.own[i : j + 1]):
        return {0}
    if i == j:
        return {costs.own_dense[i] + P * costs.dense[i]}
    found = set()
    for k in range(i, j):
        R = sum(costs.own[i : k + 1])
        tangents = sum(
            R * costs.push[x][1] + P * costs.cols[i] * costs.push[x][any(costs.stacked[i : j + 1])]
            for x in range(k + 1, j + 1)
        )
        adjoints = 0
        for x in range(i, k + 1):
            stack = any(costs.stacked[x + 1 : j + 1])
            asked = P or any(costs.own[i:x])
            adjoints += costs.rows[j] * (costs.own_pull[x][stack] + (costs.pull[x][stack] if asked else 0))
        stack = N if any(costs.stacked[i : j + 1]) else 1
        product = costs.rows[j] * costs.rows[k] * (N * R + P * stack * costs.cols[i])
        inner = members(costs, i, k, P, numbers) if N * R * costs.rows[k] <= numbers else set()
        with_P = members(costs, k + 1, j, True, numbers)
        found |= {a + b + tangents for a, b in itertools.product(inner, members(costs, k + 1, j, False, numbers))}
        found |= {a + b + product for a, b in itertools.product(inner, with_P)}
        found |= {b + adjoints for b in with_P}
    return found


@pytest.mark.slow
@settings(max_examples=150)
@given(chains(), st.booleans())
def test_no_bracketing_is_cheaper(costs, P):
    last = len(costs) - 1
    assert best(costs, product=P).cost == min(members(costs, 0, last, P))


@pytest.mark.slow
@settings(max_examples=100)
@given(chains(), st.booleans(), st.integers(0, 40))
def test_none_with_small_matrices_is_cheaper(costs, P, numbers):
    found, tree = members(costs, 0, len(costs) - 1, P, numbers), best(costs, product=P, numbers=numbers)
    assert (tree.cost if tree else None) == min(found, default=None)


def without_parameters(costs):
    none = [0] * len(costs)
    return replace(costs, own=none, own_pull=[(0, 0)] * len(costs), own_dense=none)


@settings(max_examples=100)
@given(chains(), st.booleans())
def test_both_pure_modes_are_members(costs, P):
    """With every block written out by unit vectors, as these modes do it."""
    P = P or not any(costs.own)  # where there are no columns at all, W costs nothing
    costs, last = without_parameters(costs) if P else costs, len(costs) - 1
    by_columns = replace(costs, dense=[n * one for n, (one, _) in zip(costs.cols, costs.push, strict=True)])
    assert forward_cost(by_columns, product=P) in members(by_columns, 0, last, P)
    by_rows = replace(
        costs,
        dense=[m * one for m, (one, _) in zip(costs.rows, costs.pull, strict=True)],
        own_dense=[m * one for m, (one, _) in zip(costs.rows, costs.own_pull, strict=True)],
    )
    assert reverse_cost(by_rows, product=P) in members(by_rows, 0, last, P)


@pytest.mark.slow
@settings(max_examples=100)
@given(chains(most=9), st.booleans())
def test_never_more_than_either_pure_mode(costs, P):
    own_dense = [min(d, m * one) for d, m, (one, _) in zip(costs.own_dense, costs.rows, costs.own_pull, strict=True)]
    costs = without_parameters(costs) if P else replace(costs, own_dense=own_dense)
    assert best(costs, product=P).cost <= min(forward_cost(costs, product=P), reverse_cost(costs, product=P))


@settings(max_examples=50)
@given(chains())
def test_one_block_of_columns_before_all_layers_is_the_chain_without_parameters(costs):
    """`x` as the parameter of a layer `g_0(x) = x`."""
    factors = [
        (m, n, one, d) for m, n, (one, _), d in zip(costs.rows, costs.cols, costs.push, costs.dense, strict=True)
    ]
    n = costs.cols[0]
    by_x = bracketing.solve([(n, 0, 0), *factors], [(n, 0), *[(0, 0)] * len(factors)])
    alone = bracketing.solve(factors)
    assert (by_x.cost, by_x.tangent_cost) == (alone.cost, alone.tangent_cost)
    assert by_x.adjoint_cost == alone.adjoint_cost


def chain_of(count, scale=1):
    n = [scale * (3 + 7 * i % 11) for i in range(count + 1)]
    return [(m, k, m * k if i % 3 else scale * m) for i, (k, m) in enumerate(itertools.pairwise(n))]


@pytest.mark.parametrize("scale", [10**5, 10**6, 10**9, 10**15])
def test_integers_are_exact_however_large(scale):
    """Costs without parameters are of the third degree in the sizes; the greatest leave int64, float64, or both."""
    small, large = (bracketing.solve(chain_of(20, k)) for k in (1, scale))
    assert large.cost == small.cost * scale**3
    assert str(large) == str(small)
    parameters = [(3, edges) for _, _, edges in chain_of(20)]
    small = bracketing.solve(chain_of(20), parameters)
    large = bracketing.solve(chain_of(20, scale), [(3 * scale, scale**2 * edges) for _, edges in parameters])
    assert large.cost == small.cost * scale**3


@pytest.mark.parametrize("count", [2, 60])
def test_the_recursion_as_it_is_written(count):
    """The recursion in plain Python, one entry at a time."""
    F = chain_of(count)
    cost = {(i, i): e * min(m, n) for i, (m, n, e) in enumerate(F)}
    for d in range(1, count):
        for i in range(count - d):
            j = i + d
            cost[i, j] = min(
                min(
                    cost[i, k] + cost[k + 1, j] + F[j][0] * F[k][0] * F[i][1],
                    cost[i, k] + F[i][1] * sum(e for _, _, e in F[k + 1 : j + 1]),
                    cost[k + 1, j] + F[j][0] * sum(e for _, _, e in F[i : k + 1]),
                )
                for k in range(i, j)
            )
    assert bracketing.solve(F).cost == cost[0, count - 1]


@pytest.mark.slow
def test_long_chains():
    F = chain_of(500)
    parameters = [(m * n, m * n) for m, n, _ in F]
    for plan in (bracketing.solve(F), bracketing.solve(F, parameters)):
        assert plan.cost <= min(plan.tangent_cost, plan.adjoint_cost, plan.preaccumulation_cost)
        steps = plan.tree.steps()
        assert steps[-1] is plan.tree
        assert json.loads(json.dumps(plan.as_dict()))["cost"] == plan.cost


def test_the_tree_says_what_is_multiplied():
    plan = bracketing.solve([(2, 4, 100), (32, 2, 100)])
    assert plan.as_dict()["steps"] == [
        {"layers": [0, 1], "split": 0, "way": "dense", "product": True, "cost": 2 * 100},
        {"layers": [0, 2], "split": 1, "way": "tangents", "product": True, "cost": 2 * 100 + 4 * 100},
    ]
    plan = bracketing.solve([(4, 2, 8), (1, 4, 4), (9, 1, 9)], [(8, 8), (4, 4), (9, 9)])
    assert [(s.way, s.start, s.split, s.stop, s.product) for s in plan.tree.steps()] == [
        ("dense", 2, 2, 3, False),
        ("dense", 1, 1, 2, True),
        ("adjoints", 0, 1, 2, False),
        ("tangents", 0, 2, 3, False),
    ]


def test_plans_print_as_bracketed_products():
    narrow_input = [(8, 1, 8), (8, 8, 64), (8, 8, 64)]
    assert str(bracketing.solve(narrow_input)) == "(B_3 (B_2 B_1))"
    narrow_output = [(8, 8, 64), (8, 8, 64), (1, 8, 8)]
    assert str(bracketing.solve(narrow_output)) == "((B_3 B_2) B_1)"
    few = [(1, 1), (0, 0), (1, 1)]
    assert str(bracketing.solve(narrow_input, few)) == "(A_3 | (B_3 (B_2 A_1)))"
    many = [(64, 64), (64, 64), (8, 8)]
    assert str(bracketing.solve(narrow_output, many)) == "(A_3 | (B_3 A_2) | ((B_3 B_2) A_1))"
    bottleneck = [(8, 8, 64), (1, 8, 8), (8, 1, 8), (8, 8, 64)]
    assert str(bracketing.solve(bottleneck)) == "((B_4 B_3) (B_2 B_1))"


def test_matrices_on_the_way_within_a_number_of_bytes():
    factors = [(30, 40, 1200), (2, 30, 60), (30, 2, 60), (40, 30, 1200)]
    free = bracketing.solve(factors)
    largest = max(8 * factors[s.stop - 1][0] * factors[s.start][1] for s in free.tree.steps()[:-1])
    assert bracketing.solve(factors, max_bytes=largest) == free
    tight = bracketing.solve(factors, max_bytes=8 * 80)
    assert tight.cost >= free.cost
    assert all(factors[s.stop - 1][0] * factors[s.start][1] <= 80 for s in tight.tree.steps()[:-1])
    with pytest.raises(OptionError, match=r"max_bytes: expected room for the matrices .*, got 632"):
        bracketing.solve(factors, max_bytes=8 * 79)  # two rows of 40 or 40 of two numbers there must be


@pytest.mark.parametrize(
    ("factors", "parameters", "message"),
    [
        ([], None, "at least one"),
        ([(2, 3, 6), (4, 3, 12)], None, r"factors\[1\]: expected 2 columns, the rows of factors\[0\], got .*cols=3"),
        ([(2, 3, -6)], None, r"factors\[0\]: expected integers \(rows, cols, edges, dense\), none negative"),
        ([(2, 3)], None, "expected integers"),
        ([(2, 3, None)], None, "expected integers"),
        ([(2, 3, 1.5)], None, "expected integers"),
        ([7], None, "expected integers"),
        ([(2, 3, 6)], [], "an entry for each of 1 factors, got 0"),
        ([(2, 3, 6)], [(4, -1)], r"parameters\[0\]: expected integers \(cols, edges, dense\)"),
    ],
)
def test_factors_that_do_not_fit(factors, parameters, message):
    with pytest.raises(ShapeError, match=message):
        bracketing.solve(factors, parameters)
