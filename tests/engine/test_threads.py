"""Tasks in threads give the same results, stay within the same memory, and pass errors on."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import threadpoolctl

import prograd
from prograd import threads
from prograd.modes.forward import WORTH_THREADS, pushed


def problem():
    net = prograd.Network.from_config([{"name": "affine", "width": 64}, {"name": "tanh"}] * 3, n_in=64)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 64)), rng.normal(size=(2, 64))
    return prograd.Objective(net, prograd.loss("squared_error"), x, y), net.init(rng), x


def test_forward_mode_in_threads():
    f, w, x = problem()
    assert pushed(f.linearize(w)) >= WORTH_THREADS
    expected, J = f.gradient(w), prograd.jacobian(f.net, w, x, mode="reverse")
    for count in (1, 2):
        with threadpoolctl.threadpool_limits(count):
            assert threads.available() == count
            np.testing.assert_allclose(f.gradient(w, mode="forward"), expected, rtol=1e-10, atol=1e-13)
            np.testing.assert_allclose(prograd.jacobian(f.net, w, x, mode="forward"), J, rtol=1e-10, atol=1e-13)


def test_rows_of_jacobians_and_samples_in_threads():
    f, w, x = problem()
    x = np.tile(x, (100, 1)) * np.linspace(1, 2, 200)[:, None]
    f = prograd.Objective(f.net, f.loss, x, x)
    results = []
    for count in (1, 2):
        with threadpoolctl.threadpool_limits(count):
            results.append((f.per_sample_gradients(w), prograd.jacobian(f.net, w, x[:4], mode="reverse")))
    assert min(a.size for a in results[0]) > threads.WORTH_NUMBERS
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-12, atol=1e-15)


def test_parts_cover_all_rows():
    with threadpoolctl.threadpool_limits(2):
        assert threads.parts(7, threads.WORTH_NUMBERS) == [slice(0, 3), slice(3, 7)]
        assert threads.parts(1, threads.WORTH_NUMBERS) == [slice(0, 1)]
        assert threads.parts(7, threads.WORTH_NUMBERS - 1) == [slice(0, 7)]


@pytest.mark.slow
@pytest.mark.parametrize("max_bytes", [2**16, 2**18])
def test_all_threads_together_stay_within_the_bytes(max_bytes, peak):
    f, w, _ = problem()
    out = np.empty_like(w)

    with threadpoolctl.threadpool_limits(2):
        rest = peak(lambda: f.linearize(w))
        machinery = peak(lambda: threads.run(abs, [1, 2], 2))  # the threads themselves
        used = peak(lambda: f.gradient(w, mode="forward", out=out, max_bytes=max_bytes))
    assert used - rest - machinery <= max_bytes


def test_tasks_run_with_blas_at_one_thread():
    def blas(_):
        return max(lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas")

    with threadpoolctl.threadpool_limits(2):
        assert threads.run(blas, range(3), 2) == [1, 1, 1]
        assert blas(0) == 2


def test_tasks_share_the_threads_and_keep_their_order():
    barrier = threading.Barrier(2, timeout=10)
    names = threads.run(lambda k: (barrier.wait(), k)[1], range(4), 2)  # passes only where two run at a time
    assert names == [0, 1, 2, 3]


def test_an_error_comes_through():
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda k: 1 // k, [1, 0], 2)


def test_overlapping_calls_give_blas_its_threads_back():
    entered, left = threading.Barrier(2, timeout=10), threading.Event()

    def first(_):
        entered.wait()  # both are inside

    def second(_):
        entered.wait()
        left.wait(10)  # and the first leaves before the second

    with threadpoolctl.threadpool_limits(2):
        other = threading.Thread(target=_in_pool, args=(second,))
        other.start()
        _in_pool(first)
        left.set()
        other.join()
        assert threads.available() == 2


def _in_pool(work):
    threads.run(lambda k: work(k) if k == 0 else None, [0, 1], 2)


@pytest.mark.slow
def test_two_samples_in_two_threads():
    rng = np.random.default_rng(0)
    net = prograd.Network.from_config([{"name": "affine", "width": 2000}, {"name": "affine", "width": 3}], n_in=2000)
    f = prograd.Objective(net, prograd.loss("softmax_cross_entropy"), rng.normal(size=(2, 2000)), np.eye(3)[:2])
    w = net.init(rng)
    assert 2 * net.size >= threads.WORTH_NUMBERS
    with threadpoolctl.threadpool_limits(2):
        found = f.per_sample_gradients(w)  # the first call, which checks the loss
    np.testing.assert_allclose(found.mean(axis=0), f.gradient(w), rtol=1e-10, atol=1e-15)
