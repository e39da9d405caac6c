"""Derivatives by some of the parameters: entries and columns of the whole, at a part of the cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import prograd
from prograd.errors import OptionError, ShapeError, UnknownNameError
from prograd.modes import MODES
from prograd.tape import machine
from prograd.testing import counted
from tests.helpers.closeness import assert_close
from tests.helpers.networks import classifier, point, problems
from tests.helpers.recorded import MACHINES

MODE_NAMES = [*prograd.MODES, "auto"]


@st.composite
def chosen(draw):
    """A network at a point, and some of its layers and parameters."""
    net, w, x, y = draw(problems())
    with_parameters = [i for i, r in enumerate(net.r) if r]
    assume(with_parameters)
    layers = draw(st.lists(st.sampled_from(with_parameters), min_size=1, max_size=3))
    return net, w, x, y, [draw(st.sampled_from([i, *((i, name) for name in net.shapes[i])])) for i in layers]


@pytest.mark.slow
@settings(max_examples=40)
@given(chosen())
def test_they_are_entries_and_columns_of_the_whole(problem):
    net, w, x, y, layers = problem
    at = net.entries(layers)
    f = prograd.Objective(net, "squared_error", x, y)
    gradient, J = f.gradient(w), prograd.jacobian(net, w, x)
    for mode in MODE_NAMES:
        value, part = f.value_and_gradient(w, mode, layers=layers)
        assert value == pytest.approx(f(w), rel=1e-14)
        assert_close(part, gradient[at])
        assert_close(prograd.jacobian(net, w, x, wrt=layers, mode=mode), J[:, :, at])
    samples = f.per_sample_gradients(w)[:, at]
    norms = np.linalg.norm(samples, axis=1)
    assert_close(f.per_sample_gradients(w, layers=layers), samples)
    assert_close(f.per_sample_norms(w, layers=layers), norms)
    limit = max(np.median(norms), 1e-300)
    shares = np.minimum(1, limit / np.where(norms > 0, norms, 1))[:, None]
    assert_close(f.clipped_gradient(w, limit, layers=layers), (samples * shares).mean(axis=0))
    for mode in ("auto", "reverse", "factored"):
        lazy = prograd.jacobian(net, w, x, wrt=layers, mode=mode, lazy=True)
        assert_close(lazy.dense(), J[:, :, at])
        assert_close(lazy.row_norms(), np.linalg.norm(J[:, :, at], axis=2))
        assert_close(lazy.vjp(np.ones(J.shape[:2])), J[:, :, at].sum(axis=(0, 1)))
    sparse = prograd.jacobian(net, w, x, wrt=layers, format="sparse")
    assert_close(sparse.toarray(), J[:, :, at].reshape(-1, len(at)))


NET = prograd.Network.from_config([*[{"name": "affine", "width": 30}, "tanh"] * 3, {"name": "affine", "width": 5}], 30)
W, X, Y = point(NET, 20)
F = prograd.Objective(NET, "squared_error", X, Y)
CHOICES = [[0], [2, (4, "b")], [4], [(6, "b")], [0, 6], [-1, 4]]


@pytest.mark.parametrize("layers", CHOICES, ids=str)
@pytest.mark.parametrize("used", ["off", *MACHINES])
def test_recorded_as_run(layers, used):
    whole = F.gradient(W)[NET.entries(layers)]
    with machine.using(used):
        for _ in range(3):
            assert_close(F.gradient(W, layers=layers), whole)
            assert_close(F.gradient(W, "factored", layers=layers), whole)
            assert_close(F.clipped_gradient(W, np.inf, layers=layers), whole)
            assert_close(F.clipped_gradient(W, np.inf, max_bytes=2**18, layers=layers), whole)
            assert prograd.jacobian(NET, W, X, wrt=layers).shape == (20, 5, len(whole))


def test_one_needs_no_list():
    at = NET.entries([4])
    np.testing.assert_array_equal(at, NET.entries(4))
    np.testing.assert_array_equal(NET.entries((4, "W")), NET.entries([(4, "W")]))
    assert len(NET.entries((4, "W"))) == 900
    np.testing.assert_array_equal(NET.entries([0, 2, 4, 6]), np.arange(NET.size))
    np.testing.assert_array_equal(F.gradient(W, layers=4), F.gradient(W, layers=[4]))
    np.testing.assert_array_equal(W[NET.entries((6, "b"))], NET.unpack(W)[6]["b"])
    np.testing.assert_array_equal(F.gradient(W, layers=[6, 6, (6, "b")]), F.gradient(W, layers=[6]))


def reverse(net, samples, wrt, outputs="gradient", **options):
    return prograd.plan(net, samples, wrt, outputs, modes=["reverse"], **options).cost


def test_reverse_mode_ends_at_the_first_layer_that_is_asked_for():
    N, n, m = 20, 30, 5
    last, hidden, tanh = N * m * n, N * n * n, N * n
    by_hand = {
        (6,): last,
        (4,): last + tanh + hidden,
        (4, 6): last + last + tanh + hidden,  # A_7, B_7, tanh, A_5
        (2,): last + 2 * tanh + 2 * hidden,  # B_7, tanh, B_5, tanh, A_3
        (0, 2, 4, 6): 2 * last + 3 * tanh + 5 * hidden,
    }
    for layers, expected in by_hand.items():
        with counted() as count:
            F.gradient(W, layers=list(layers))
        assert reverse(NET, N, list(layers)).multiply_adds == count.multiply_adds == expected, layers
    with counted() as count:
        F.per_sample_norms(W, layers=[6])
    assert reverse(NET, N, [6], "per_sample_norms").multiply_adds == count.multiply_adds == N * (m + n + m)
    assert reverse(NET, N, "parameters").multiply_adds == by_hand[0, 2, 4, 6]
    assert reverse(NET, N, [(4, "b")]).multiply_adds == last + tanh  # the sum of q multiplies nothing


def test_layers_without_parameters_at_the_start_cost_nothing():
    net = prograd.Network.from_config(["tanh", {"name": "affine", "width": 3}], 4)
    f = prograd.Objective(net, "squared_error", np.ones((2, 4)), np.ones((2, 3)))
    w = net.init(0)
    f.gradient(w)
    with counted() as count:
        f.gradient(w)
    assert count.multiply_adds == 2 * 3 * 4


@pytest.mark.parametrize("outputs", ["gradient", "jacobian"])
def test_the_plan_counts_what_is_done_in_every_mode(outputs):
    for layers in CHOICES:
        plan = prograd.plan(NET, 20, layers, outputs)
        for mode in MODES:
            with counted() as count:
                if outputs == "gradient":
                    F.gradient(W, mode, layers=layers)
                else:
                    prograd.jacobian(NET, W, X, wrt=layers, mode=mode)
            assert plan.costs[mode].multiply_adds == count.multiply_adds, (layers, mode)


def test_the_plan_says_what_it_is_by():
    plan = prograd.plan(NET, 20, [(4, "W"), 6])
    assert plan.wrt == plan.as_json()["wrt"] == "layers[4].W, layers[6].W, layers[6].b"
    assert plan.title.startswith("gradient by layers[4].W, layers[6].W, layers[6].b of Network(30 ")
    assert plan.orders["reverse"] == "((q A_7) | (((q B_7) B_6) A_5))"
    assert prograd.plan(NET, 20, 6, "jacobian").title.startswith("Jacobian by layers[6].W, layers[6].b of")


def test_memory_of_the_layers_before_is_not_held(peak):
    """The `z^i` behind layer 6 alone, two at a time before, and the gradient of its parameters."""
    rng = np.random.default_rng(0)
    net = prograd.Network.from_config([*[{"name": "affine", "width": 100}] * 20, {"name": "affine", "width": 5}], 100)
    f = prograd.Objective(net, "squared_error", rng.normal(size=(500, 100)), rng.normal(size=(500, 5)))
    w, state = net.init(rng), 500 * 100 * 8
    f.gradient(w, layers=20)
    with machine.using("off"):
        taken = peak(lambda: f.gradient(w, layers=20))
        assert reverse(net, 500, 20).run_bytes <= taken < 3 * state
        assert peak(lambda: f.gradient(w)) > 20 * state


@pytest.mark.parametrize("mode", MODE_NAMES)
def test_a_limit_on_bytes_is_kept_or_refused(mode, peak):
    f, layers = F, [4, 6]
    whole = f.gradient(W)[NET.entries(layers)]
    for limit in (60_000, 200_000, 2**20):
        try:
            assert_close(f.gradient(W, mode, max_bytes=limit, layers=layers), whole)
        except OptionError as error:
            assert f"got {limit}" in str(error)  # noqa: PT017
            continue
        assert peak(lambda limit=limit: f.gradient(W, mode, max_bytes=limit, layers=layers)) <= limit
    assert f.gradient(W, mode, max_bytes=2**20, layers=layers).shape == whole.shape


def test_penalties_of_the_parameters_that_are_asked_for():
    f = prograd.Objective(NET, "squared_error", X, Y, penalty="l2")
    value, part = f.value_and_gradient(W, layers=[2, (6, "W")])
    assert value == f(W)
    assert_close(part, f.gradient(W)[NET.entries([2, (6, "W")])])


def test_out():
    out = np.empty(len(NET.entries(6)))
    assert F.gradient(W, out=out, layers=6) is out
    np.testing.assert_array_equal(out, F.gradient(W, layers=6))
    with pytest.raises(ShapeError, match=r"out: expected .* of shape \(155,\), got float64"):
        F.gradient(W, out=np.empty(NET.size), layers=6)


def test_one_sample():
    one = prograd.jacobian(NET, W, X[0], wrt=6)
    assert one.shape == prograd.jacobian(NET, W, X[0], wrt=6, lazy=True).shape == (5, 155)


def test_a_layer_that_can_not_be_recorded_is_planned():
    class Unrecordable(prograd.Elementwise):
        def phi(self, z):
            return np.asarray(z) * 2.0

        def dphi(self, z, z_next):
            return np.full(np.asarray(z).shape, 2.0)

    affine = prograd.layer("affine", width=3)
    net = prograd.Network([affine, Unrecordable(), affine], 3)
    w, x, y = point(net, 4)
    f = prograd.Objective(net, "squared_error", x, y)
    for layers in ([0], [2]):
        with counted() as count:
            part = f.gradient(w, layers=layers)
        assert_close(part, f.gradient(w)[net.entries(layers)])
        assert reverse(net, 4, layers).multiply_adds == count.multiply_adds


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (7, "expected numbers from -7 to 6, got 7"),
        ([1], r"expected layers with parameters, got 1, layers\[1\] \(tanh\)"),
        ([(0, "V")], r"expected a parameter of layers\[0\] \(affine\) \('W', 'b'\), got 'V'"),
        ([], r"expected numbers of layers and pairs with a parameter's name, such as \[0, \(2, 'W'\)\], got \[\]"),
        ([True], "expected numbers from -7 to 6, got True"),
        ({0: 1}, "expected numbers of layers and pairs"),
    ],
    ids=str,
)
def test_refuses_what_there_is_not(layers, message):
    for where, call in (
        ("layers", lambda: F.gradient(W, layers=layers)),
        ("layers", lambda: NET.entries(layers)),
        ("wrt", lambda: prograd.jacobian(NET, W, X, wrt=layers)),
        ("wrt", lambda: prograd.plan(NET, 20, layers)),
    ):
        with pytest.raises(OptionError, match=f"{where}: {message}"):
            call()


def test_names_are_no_layers():
    f, w, _, _ = classifier()
    with pytest.raises(OptionError, match="layers: expected numbers of layers"):
        f.gradient(w, layers="affine")
    with pytest.raises(UnknownNameError, match="wrt: expected a known name, got 'weights'"):
        prograd.jacobian(f.net, w, np.ones(4), wrt="weights")
