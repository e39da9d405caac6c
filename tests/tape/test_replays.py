"""Modes on a tape give the results of the interpreted run, whoever replays it, and what can't be recorded goes on."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import prograd
from prograd.errors import NonFiniteError, NotRecordable, ShapeError
from prograd.modes import MODES
from prograd.operators import Diagonal
from prograd.tape import machine
from prograd.tape.replay import KEPT, tapes_of
from tests.helpers.networks import EXAMPLES, networks
from tests.helpers.recorded import MACHINES

LOSSES = [
    pytest.param(loss, z, y, id=f"{name}-{k}")
    for name, kind in sorted(prograd.registry().losses.items())
    for k, (loss, z, y) in enumerate(kind.examples())
]


def mlp(depth: int, width: int, samples: int, dtype: Any = np.float64) -> tuple[prograd.Objective, Any]:
    rng = np.random.default_rng(0)
    net = prograd.Network([prograd.layer("affine", width=width), prograd.layer("tanh")] * depth, width)
    x, y = (rng.normal(size=(samples, width)).astype(dtype) for _ in range(2))
    return prograd.Objective(net, prograd.loss("squared_error"), x, y), net.init(rng).astype(dtype)


def everything(f: prograd.Objective, w: Any, x: Any) -> list[Any]:
    """What an objective and a network can compute, each three times: run, recorded, replayed."""
    results: list[Any] = []
    for mode in MODES:
        for wrt in ("parameters", "input"):
            results += [prograd.jacobian(f.net, w, x, wrt=wrt, mode=mode) for _ in range(3)]
        for _ in range(3):
            value, gradient = f.value_and_gradient(w, mode)
            results += [value, gradient]
    for _ in range(3):
        results += [f(w), f.per_sample_gradients(w), f.per_sample_norms(w), f.clipped_gradient(w, 0.5)]
        results.append(f.hessian_vector(w, w))
    return results


def assert_same_bits(f: prograd.Objective, w: Any, x: Any, used: str) -> None:
    with threadpool_limits(1):
        with machine.using("off"):
            expected = everything(f, w, x)
        with machine.using(used):
            found = everything(f, w, x)
    for one, other in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        if one.tobytes() != other.tobytes():  # a product was cut into blocks, which only large ones are
            assert used == "c"
            np.testing.assert_allclose(one, other, atol=8 * np.finfo(other.dtype).eps * np.abs(other).max())


@pytest.mark.slow
@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_every_layer(layer: prograd.Layer, n_in: int, dtype: Any, used: str) -> None:
    rng = np.random.default_rng(0)
    n, _ = layer.shapes(n_in)
    net = prograd.Network([prograd.layer("affine", width=n_in), layer, prograd.layer("affine", width=n)], n_in)
    for samples in (1, 3):
        x, y = rng.normal(size=(samples, n_in)).astype(dtype), rng.normal(size=(samples, n)).astype(dtype)
        f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
        w = net.init(rng).astype(dtype)
        assert_same_bits(f, w, x, used)
        f.tape(dtype=dtype)  # raises where it can't be recorded


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("loss", "z", "y"), LOSSES)
def test_every_loss(loss: prograd.Loss, z: Any, y: Any, dtype: Any, used: str) -> None:
    net = prograd.Network([prograd.layer("scale_shift")], z.shape[1])
    z, y = z.astype(dtype), y.astype(dtype)
    f = prograd.Objective(net, loss, z, y)
    assert_same_bits(f, net.init(0).astype(dtype), z, used)
    f.tape(dtype=dtype)


@pytest.mark.skipif(not machine.available(), reason="no compiled machine")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("depth", "width", "samples"), [(2, 300, 64), (3, 64, 3000), (2, 600, 1)])
def test_any_number_of_threads_gives_the_same_bits(depth: int, width: int, samples: int, dtype: Any) -> None:
    f, w = mlp(depth, width, samples, dtype)
    with machine.using("off"):
        expected = f.gradient(w)
    results = []
    for threads in (1, 2, 3, 8):
        with threadpool_limits(threads, user_api="blas"):
            results += [f.gradient(w) for _ in range(4)]
    for result in results[2:]:
        assert result.tobytes() == results[2].tobytes()
    np.testing.assert_allclose(
        results[-1], expected, rtol=1e-3, atol=1e3 * np.finfo(dtype).eps * np.abs(expected).max()
    )


@pytest.mark.slow
@settings(max_examples=40)
@given(networks(), st.integers(1, 4), st.sampled_from(MACHINES), st.booleans(), st.data())
def test_random_networks(net: prograd.Network, samples: int, used: str, narrow: bool, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    dtype = np.float32 if narrow else np.float64
    x, y = (rng.normal(size=(samples, n)).astype(dtype) for n in (net.n[0], net.n[-1]))
    if data.draw(st.booleans()):
        x = np.asfortranarray(x)
    assert_same_bits(prograd.Objective(net, prograd.loss("huber"), x, y), net.init(rng).astype(dtype), x, used)


@pytest.mark.parametrize("used", MACHINES)
def test_a_replay_reads_what_it_is_given(used: str) -> None:
    f, w = mlp(2, 5, 4)
    x = np.array(f._x)  # noqa: SLF001  (the very samples, to change them)
    with machine.using(used):
        for _ in range(3):
            before = f.gradient(w)
        assert not np.array_equal(f.gradient(2 * w), before)
        out = np.empty_like(w)
        assert f.gradient(w, out=out) is out
        np.testing.assert_array_equal(out, before)
        f._x[...] = 2 * x  # noqa: SLF001
        changed = f.gradient(w)
        assert not np.array_equal(changed, before)
    with machine.using("off"):
        np.testing.assert_array_equal(f.gradient(w), changed)


@pytest.mark.parametrize("used", MACHINES)
def test_no_parameters(used: str) -> None:
    net = prograd.Network([prograd.layer("tanh")], 3)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((2, 3)), np.zeros((2, 3)))
    with machine.using(used):
        assert len({f(np.empty(0)) for _ in range(3)}) == 1
        assert [f.gradient(np.empty(0)).size for _ in range(3)] == [0, 0, 0]


def test_results_never_share_memory() -> None:
    f, w = mlp(2, 200, 1)
    results = [f.gradient((1 + k) * w) for k in range(6)]
    kept = [result.copy() for result in results]
    f.gradient(w)
    for result, copied in zip(results, kept, strict=True):
        np.testing.assert_array_equal(result, copied)
    assert not any(np.shares_memory(a, b) for k, a in enumerate(results) for b in results[:k])


def test_copies_record_afresh() -> None:
    f, w = mlp(2, 5, 4)
    expected = [f.gradient(w) for _ in range(3)][-1]
    for other in (copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        for _ in range(3):
            np.testing.assert_array_equal(other.gradient(w), expected)


def test_threads_of_python_share_an_objective() -> None:
    f, w = mlp(3, 40, 50)
    points = [w * k for k in (0.5, 1.0, 1.5, 2.0)]
    expected = [f.gradient(v) for v in points]
    wrong: list[int] = []

    def work(k: int) -> None:
        wrong.extend(k for _ in range(50) if not np.array_equal(f.gradient(points[k]), expected[k]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.starts_processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_another_thread_computes() -> None:
    f, w = mlp(2, 300, 200)
    with threadpool_limits(2, user_api="blas"):
        expected = [f.gradient(w) for _ in range(3)][-1]
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                f.gradient(w)

        thread = threading.Thread(target=work)
        thread.start()
        children: list[int] = []
        try:
            for _ in range(10):
                child = os.fork()
                if child == 0:
                    same = np.array_equal(f.gradient(w), expected)
                    os._exit(0 if same and prograd.threads.available() == 2 else 1)
                children.append(child)
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        finally:
            stop.set()
            thread.join()
    assert codes == [0] * 10


@dataclass(frozen=True)
class Asks(prograd.Layer):
    """Doubles its input, after a look at the numbers."""

    how: str

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return n_in, {}

    def g(self, w: prograd.Parameters, z: Any) -> Any:
        if self.how == "if" and (z > 1e9).any():
            return z
        if self.how == "float":
            return z * (float(z[0, 0]) * 0 + 2)
        if self.how == "asarray":
            return np.asarray(z) * 2
        if self.how == "raise" and not isinstance(z, np.ndarray):
            raise TypeError("an array, please")
        if self.how == "error" and not isinstance(z, np.ndarray):
            raise ShapeError("an array, please")
        if self.how == "index":
            z = z.copy()
            z[z < -1e9] = 0
        return z * 2

    def jacobian(self, w: prograd.Parameters, z: Any, z_next: Any) -> Any:
        return {}, Diagonal(np.full(z.shape[1], 2.0))


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        ("if", "true"),
        ("float", "float"),
        ("asarray", "asarray"),
        ("index", "index that depends"),
        ("raise", "an array of numbers .TypeError: an array, please"),
    ],
)
def test_what_cannot_be_recorded_goes_on_interpreted(how: str, asked: str) -> None:
    rng = np.random.default_rng(0)
    net = prograd.Network([prograd.layer("affine", width=3), Asks(how), prograd.layer("affine", width=2)], 3)
    f = prograd.Objective(net, prograd.loss("squared_error"), rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))
    w = net.init(rng)
    results = [f.gradient(w) for _ in range(4)]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    with pytest.raises(NotRecordable, match=f"asks: g: expected operations that can be recorded, got .*{asked}"):
        f.tape()


def test_an_error_of_prograds_own_while_recording_changes_no_result() -> None:
    net = prograd.Network([prograd.layer("affine", width=3), Asks("error")], 3)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((4, 3)), np.ones((4, 3)))
    w = net.init(0)
    results = [f.gradient(w) for _ in range(4)]
    assert all(np.array_equal(result, results[0]) for result in results)
    with pytest.raises(ShapeError, match="an array, please"):
        f.tape()


class Doubling(Diagonal):
    """`2 I`, after a look at what it is applied to."""

    def vjp(self, q: Any) -> Any:
        return np.asarray(q) * 2


class Doubled(prograd.Layer):
    """`2 z`."""

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return n_in, {}

    def g(self, w: prograd.Parameters, z: Any) -> Any:
        return 2 * z

    def jacobian(self, w: prograd.Parameters, z: Any, z_next: Any) -> Any:
        return {}, Doubling(np.full(z.shape[1], 2.0))


def test_an_operator_that_asks_is_named() -> None:
    net = prograd.Network([prograd.layer("affine", width=3), Doubled()], 3)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((4, 3)), np.ones((4, 3)))
    with pytest.raises(NotRecordable, match=r"Doubling: vjp: expected .* array of numbers \(np.asarray"):
        f.tape()


class Remembers(prograd.Elementwise):
    """`z` times the number of its calls."""

    calls = 0

    def phi(self, z: Any) -> Any:
        type(self).calls += 1
        return z * float(self.calls)

    def dphi(self, z: Any, z_next: Any) -> Any:
        return np.ones_like(z) * float(self.calls)


def test_a_layer_that_changes_from_call_to_call_is_not_replayed() -> None:
    net = prograd.Network([Remembers()], 2)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((1, 2)), np.zeros((1, 2)))
    values = [f(np.empty(0)) for _ in range(5)]
    assert len(set(values)) == 5


def test_products_of_many_operators_that_become_matrices_are_recorded() -> None:
    net = prograd.Network([prograd.layer("layer_norm")] * 12, 6)
    x = np.random.default_rng(0).normal(size=(3, 6))
    f = prograd.Objective(net, prograd.loss("squared_error"), x, x)
    assert f.tape("factored").instructions


@pytest.mark.parametrize("used", MACHINES)
def test_errors_after_the_recording(used: str) -> None:
    f, w = mlp(1, 3, 2)
    with machine.using(used):
        for _ in range(3):
            f.gradient(w)
        w[2] = np.nan
        with pytest.raises(NonFiniteError, match=r"w: expected finite numbers, got nan in layers\[0\]"):
            f.gradient(w)


@pytest.mark.parametrize("used", MACHINES)
def test_floating_point_errors_are_numpys(used: str) -> None:
    net = prograd.Network([prograd.layer("affine", width=1)], 1)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.full((1, 1), 1e200), np.zeros((1, 1)))
    w = np.zeros(2)
    with machine.using(used):
        for _ in range(3):
            f.gradient(w)
        w[0] = 1e150
        with pytest.warns(RuntimeWarning, match="overflow"):
            f.gradient(w)
        w[0] = 1e140
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            f.gradient(w)


def test_the_tape_that_was_used_last_is_kept() -> None:
    net = prograd.Network([prograd.layer("affine", width=2)], 2)
    w, x = net.init(0), np.ones((1, 2))
    for _ in range(2):
        prograd.jacobian(net, w, x)
    tapes = tapes_of(net)
    (first,) = tapes.keys()
    for samples in range(2, KEPT + 3):
        for _ in range(2):
            prograd.jacobian(net, w, np.ones((samples, 2)))
        prograd.jacobian(net, w, x)
    assert first in tapes.keys()  # noqa: SIM118  (no mapping)


def test_tapes_of_one_owner_are_bounded() -> None:
    net = prograd.Network([prograd.layer("affine", width=2)], 2)
    w = net.init(0)
    for samples in range(1, 2 * KEPT):
        for _ in range(2):
            prograd.jacobian(net, w, np.ones((samples, 2)))
    tapes = tapes_of(net)
    assert len(tapes) <= KEPT


@pytest.mark.slow
def test_many_objectives_and_a_deep_network() -> None:
    made = [mlp(1, 4, 2) for _ in range(200)]
    results = [[f.gradient(w) for _ in range(3)][-1] for f, w in made]
    assert all(np.array_equal(result, results[0]) for result in results)
    f, w = mlp(600, 2, 1)  # with the activations more layers than Python has frames
    results = [f.gradient(w) for _ in range(3)]
    np.testing.assert_array_equal(results[0], results[2])


def test_a_tape_says_what_it_does() -> None:
    f, _ = mlp(2, 8, 4)
    tape = f.tape()
    products = [one for one in tape.instructions if one.name == "matmul"]
    assert [one.multiply_adds for one in products] == [4 * 8 * 8] * 5  # two forward, two for A, one for B
    assert tape.scratch_bytes <= 1.2 * 8 * 4 * sum(f.net.n) + 1024
    lines = prograd.tape.explain(f).splitlines()
    assert lines[1].split() == ["0", "matmul", "x[4×8]", "w+576[8×8]", "@0[4×8]", "256", "1,024"]
    assert lines[-1].startswith(f"{len(tape.instructions)} instructions, {tape.multiply_adds:,} multiply-adds")


@pytest.mark.parametrize("used", MACHINES)
@pytest.mark.parametrize("lead", [(), (3,), (2, 0)])
def test_products_with_a_linearization(lead: tuple[int, ...], used: str) -> None:
    f, w = mlp(3, 5, 4)
    rng = np.random.default_rng(0)
    lin, G = f.linearize(w), f.gauss_newton(w)
    for _ in range(4):
        v, q = rng.normal(size=(*lead, w.size)), rng.normal(size=(*lead, 4, 5))
        with machine.using("off"):
            expected = lin.jvp(v), lin.vjp(q), G @ v.reshape(-1, w.size).T
        with machine.using(used):
            found = lin.jvp(v), lin.vjp(q), G @ v.reshape(-1, w.size).T
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert {name for (name, *_), _ in lin.tapes.keys()} == {"jvp", "vjp"}  # noqa: SIM118  (no mapping)
