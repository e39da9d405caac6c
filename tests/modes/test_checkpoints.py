"""Checkpoint schedules meet the binomial bound, no schedule costs less, and gradients keep to the limit."""

from __future__ import annotations

import math
import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prograd
from prograd.errors import OptionError
from prograd.modes import checkpoints


class Run:
    """Executes a schedule on layers that count; the state before layer i is the number i."""

    def __init__(self, plan, sizes, costs):
        self.evaluated, self.cost = [0] * len(costs), 0
        self.order = []

        def g(i, z):
            assert z == i
            self.evaluated[i] += 1
            self.cost += costs[i]
            return z + 1

        for z in checkpoints.inputs(plan, len(costs), 0, g):
            self.order.append(z)


POINTS = [(layers, slots) for layers in (1, 2, 3, 4, 5, 7, 10, 16, 23, 40) for slots in (1, 2, 3, 4, 6, 40)]


@pytest.mark.parametrize(("layers", "slots"), POINTS)
def test_equal_layers_meet_the_binomial_bound(layers, slots):
    """`z^1` takes no room of its own, so one slot less has to be paid for."""
    sizes, costs = [0] + [8] * (layers - 1), [1] * layers
    for plan in (checkpoints.Recursion(sizes, costs, 8 * (slots - 1)), checkpoints.Binomial(slots)):
        run = Run(plan, sizes, costs)
        assert run.order == list(reversed(range(layers)))
        assert run.cost == checkpoints.evaluations(layers, slots)


@pytest.mark.parametrize(("layers", "slots"), [(10_000, 3), (10_000, 100), (10_000, 10_000), (100_000, 20)])
def test_deep_equal_layers_meet_the_binomial_bound(layers, slots):
    assert Run(checkpoints.Binomial(slots), [], [1] * layers).cost == checkpoints.evaluations(layers, slots)


def test_evaluations_as_published():
    """With s slots, l = C(s + r, s) layers are evaluated r times each but for the last in each sweep."""

    @cache
    def least(layers, slots):
        if layers == 1:
            return 0
        if slots == 1:
            return layers * (layers - 1) // 2
        return min(k + least(k, slots) + least(layers - k, slots - 1) for k in range(1, layers))

    for layers in range(1, 40):
        for slots in range(1, 8):
            assert checkpoints.evaluations(layers, slots) == least(layers, slots)
    assert checkpoints.evaluations(math.comb(3 + 4, 3), 3) == 4 * 35 - math.comb(7, 4)


@st.composite
def unequal(draw):
    layers = draw(st.integers(1, 8))
    sizes = [0, *draw(st.lists(st.integers(1, 5), min_size=layers - 1, max_size=layers - 1))]
    return sizes, draw(st.lists(st.integers(0, 9), min_size=layers, max_size=layers)), draw(st.integers(0, 16))


@settings(max_examples=150)
@given(unequal())
def test_no_schedule_of_unequal_layers_costs_less(problem):
    """Shortest path through all states: what is kept, where one is, what has been reversed."""
    sizes, costs, limit = problem
    layers = len(costs)
    best = {(frozenset(), 0, layers - 1): 0}  # kept beside z^1, position, layer to be reversed next
    frontier = dict(best)
    finished = math.inf
    while frontier:
        reached = {}
        for (kept, at, j), cost in sorted(frontier.items(), key=lambda item: item[1]):
            moves = []
            if at == j:
                if j == 0:
                    finished = min(finished, cost)
                    continue
                rest = frozenset(k for k in kept if k < j)
                moves += [((rest, start, j - 1), 0) for start in (0, *rest)]
            else:
                moves.append(((kept, at + 1, j), costs[at]))
            if at not in kept and at > 0 and sum(sizes[k] for k in kept) + sizes[at] <= limit:
                moves.append(((kept | {at}, at, j), 0))
            for state, more in moves:
                if cost + more < best.get(state, math.inf):
                    best[state] = reached[state] = cost + more
        frontier = reached
    plan = checkpoints.best_schedule(sizes, costs, limit)
    assert Run(plan, sizes, costs).cost == finished == plan.cost


def test_bytes_in_steps_never_exceed_the_limit():
    rng = np.random.default_rng(0)
    sizes, costs = [0, *(int(n) for n in rng.integers(1000, 10**6, 30))], [1] * 31
    for limit in (0, 10**5, 10**6, 3 * 10**6, 10**8):
        plan = checkpoints.best_schedule(sizes, costs, limit)
        kept, room, i = 0, plan.room, 0
        while (k := plan.split(i, len(costs) - 1, room)) is not None:
            kept, room, i = kept + sizes[k], plan.after(k, room), k
        assert kept <= limit


def deep(depth, width, samples, n_out=None):
    layers = [{"name": "affine", "width": width}, {"name": "tanh"}] * (depth // 2)
    net = prograd.Network.from_config([*layers, {"name": "affine", "width": n_out or width}], width)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(samples, width)), rng.normal(size=(samples, net.n[-1]))
    return net.init(rng), prograd.Objective(net, prograd.loss("squared_error"), x, y)


def least(f, w):
    with pytest.raises(OptionError, match="at least") as caught:
        f.gradient(w, max_bytes=1)
    return int(re.search(r"at least (\d+)", str(caught.value)).group(1))


NETWORKS = {
    "mlp": ([{"name": "affine", "width": 50}, {"name": "tanh"}] * 6, 30, 100),
    "unequal": ([{"name": "affine", "width": n} for n in (90, 20, 200, 5, 70, 30, 60)], 40, 300),
    "activations": (
        [{"name": "affine", "width": 40}, {"name": "gelu"}, {"name": "layer_norm"}, {"name": "softplus"}] * 3,
        40,
        200,
    ),
    "conv": (
        [{"name": "conv2d", "image": [2, 9, 9], "channels": 2, "kernel": 3, "padding": 1}, {"name": "relu"}] * 4,
        162,
        30,
    ),
    "residual": ([{"name": "residual", "layers": [{"name": "affine", "width": 64}, {"name": "tanh"}]}] * 5, 64, 100),
    "shards": ([{"name": "affine", "width": 16}, {"name": "tanh"}] * 6, 16, 4500),
    "deep": ([{"name": "affine", "width": 16}, {"name": "tanh"}] * 80, 16, 100),
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_gradient_within_the_bytes(name, dtype, peak):
    layers, n_in, samples = NETWORKS[name]
    net, rng = prograd.Network.from_config(layers, n_in), np.random.default_rng(0)
    x, y = (rng.normal(size=(samples, n)).astype(dtype) for n in (n_in, net.n[-1]))
    w = net.init(rng).astype(dtype)
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    value, expected = f.value_and_gradient(w)
    smallest, plain = least(f, w), peak(lambda: f.gradient(w))
    for max_bytes in (smallest, smallest * 5 // 4, (smallest + plain) // 2, 2 * plain + smallest):
        if max_bytes < smallest:
            continue
        found = f.value_and_gradient(w, max_bytes=max_bytes)
        assert found[0] == value
        assert np.array_equal(found[1], expected)
        assert peak(lambda limit=max_bytes: f.gradient(w, max_bytes=limit)) <= max_bytes
    with pytest.raises(
        OptionError, match=f"max_bytes: expected at least {smallest} for reverse mode, .* got {smallest // 2}"
    ):
        f.gradient(w, max_bytes=smallest // 2)


@pytest.mark.parametrize("sizes", [[0, *[64, 65] * 15], [0, *[8] * 100, 80, *[8] * 50]])
def test_with_room_for_all_nothing_is_computed_twice(sizes):
    layers = len(sizes)
    for limit in (sum(sizes), 10**12):
        plan = checkpoints.best_schedule(sizes, [1] * layers, limit)
        assert Run(plan, sizes, [1] * layers).cost == layers - 1


@pytest.mark.slow
def test_ten_thousand_layers_in_little_memory(peak):
    """All the states would take 51 MB beside the gradient; the first call counts as well."""
    w, f = deep(10_000, 64, samples=10)
    gradient = w.nbytes
    limit = gradient + 24 * 2**20
    found = []
    assert peak(lambda: found.append(f.gradient(w, max_bytes=limit)), warm=False) <= limit
    assert np.array_equal(found[0], f.gradient(w))
