"""A large batch in shards gives what it gives in one piece."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import threadpoolctl

import prograd
from prograd import objective
from prograd.shards import FEWEST_ROWS, SHARD_BYTES, WIDEST_BYTES, shards

SAMPLES = 2300


def problem():
    rng = np.random.default_rng(0)
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 8}, {"name": "tanh"}, {"name": "affine", "width": 3}], n_in=5
    )
    x, y = rng.normal(size=(SAMPLES, 5)), prograd.one_hot(rng.integers(0, 3, SAMPLES), 3)
    return prograd.Objective(net, prograd.loss("softmax_cross_entropy"), x, y), net.init(rng)


@contextmanager
def in_shards_of(rows):
    with pytest.MonkeyPatch.context() as patch:
        cut = lambda samples, _: [slice(k, min(k + rows, samples)) for k in range(0, samples, rows)]  # noqa: E731
        patch.setattr(objective, "shards", cut)
        yield


@pytest.mark.parametrize("rows", [1, 700, 2299, SAMPLES])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_same_value_and_gradient(rows, threads):
    f, w = problem()
    with in_shards_of(SAMPLES):
        value, gradient = f.value_and_gradient(w)
    with in_shards_of(rows), threadpoolctl.threadpool_limits(threads):
        sharded, p = f.value_and_gradient(w)
        again = f.gradient(w)
    assert sharded == pytest.approx(value, rel=1e-13)  # the order of some thousand additions
    np.testing.assert_allclose(p, gradient, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(p, again)  # bit by bit, for the same number of threads


def test_blas_has_its_threads_back_afterwards():
    f, w = problem()
    with threadpoolctl.threadpool_limits(2), in_shards_of(500):
        f.gradient(w)
        assert {lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"} == {2}


class Overflowing(prograd.Elementwise):
    def phi(self, z):
        return z * np.float64(1e308) * 10

    def dphi(self, z, z_next):
        return np.ones_like(z)


def test_numpys_error_state_holds_in_every_thread():
    net = prograd.Network([Overflowing()], n_in=2)
    f = prograd.Objective(net, prograd.loss("hinge"), np.ones((1000, 2)), np.tile([0.0, 1.0], (1000, 1)))
    with in_shards_of(100), threadpoolctl.threadpool_limits(2):
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            f.gradient(np.empty(0))
        with np.errstate(all="ignore"):
            f.gradient(np.empty(0))


def test_which_batches_are_cut():
    assert shards(1, 8) == [slice(0, 1)]
    assert len(shards(2 * FEWEST_ROWS - 1, SHARD_BYTES)) == 1
    assert len(shards(10**6, WIDEST_BYTES + 8)) == 1
    for samples in (4096, 5000, 10**5):
        cuts = shards(samples, 64 * 8)
        assert [k for cut in cuts for k in range(samples)[cut]] == list(range(samples))
        assert max(cut.stop - cut.start for cut in cuts) == max(FEWEST_ROWS, SHARD_BYTES // 512)
