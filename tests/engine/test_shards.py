"""A large batch gives the same result in shards as in one piece."""

from __future__ import annotations

import numpy as np
import pytest
import threadpoolctl

import prograd
from prograd import objective
from prograd.modes.shards import FEWEST_ROWS, SHARD_BYTES, WIDEST_BYTES, shards

SAMPLES = 2300


def in_shards_of(rows, net, loss, x, y):
    """An objective that cuts its batch into shards of this many rows."""
    asked = []

    def cut(samples, _):
        asked.append(samples)
        return [slice(k, min(k + rows, samples)) for k in range(0, samples, rows)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objective, "shards", cut)
        f = prograd.Objective(net, loss, x, y)
    assert set(asked) == {len(x)}
    return f


def problem(rows):
    rng = np.random.default_rng(0)
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 8}, {"name": "tanh"}, {"name": "affine", "width": 3}], n_in=5
    )
    x, y = rng.normal(size=(SAMPLES, 5)), prograd.one_hot(rng.integers(0, 3, SAMPLES), 3)
    return in_shards_of(rows, net, prograd.loss("softmax_cross_entropy"), x, y), net.init(rng)


@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.slow), 700, 2299, SAMPLES])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_same_value_and_gradient(rows, threads):
    whole, w = problem(SAMPLES)
    value, gradient = whole.value_and_gradient(w)
    f, _ = problem(rows)
    with threadpoolctl.threadpool_limits(threads):
        sharded, p = f.value_and_gradient(w)
    with threadpoolctl.threadpool_limits(1):
        alone = f.gradient(w)
    assert sharded == pytest.approx(value, rel=1e-13)  # the order of some thousand additions
    np.testing.assert_allclose(p, gradient, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(p, alone)  # bit by bit, for any number of threads


def test_blas_has_its_threads_back_afterwards():
    f, w = problem(500)
    with threadpoolctl.threadpool_limits(2):
        f.gradient(w)
        assert {lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"} == {2}


class Overflowing(prograd.Elementwise):
    def phi(self, z):
        return z * np.float64(1e308) * 10

    def dphi(self, z, z_next):
        return np.ones_like(z)


def test_numpys_error_state_holds_in_every_thread():
    net = prograd.Network([Overflowing()], n_in=2)
    f = in_shards_of(100, net, prograd.loss("hinge"), np.ones((1000, 2)), np.tile([0.0, 1.0], (1000, 1)))
    with threadpoolctl.threadpool_limits(2):
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            f.gradient(np.empty(0))
        with np.errstate(all="ignore"):
            f.gradient(np.empty(0))


class Failing(prograd.Elementwise):
    """Raises an error for a negative sample, in the forward or in the backward pass."""

    def __init__(self, backwards):
        self.backwards = backwards

    def phi(self, z):
        if not self.backwards and z.min() < 0:
            raise KeyError("a sample is negative")
        return z + 0

    def dphi(self, z, z_next):
        if self.backwards and z.min() < 0:
            raise KeyError("a sample is negative")
        return np.ones_like(z)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_failing_shard_fails_the_call_and_stops_the_others(backwards, threads):
    net = prograd.Network(
        [prograd.layer("affine", width=2), Failing(backwards), prograd.layer("affine", width=2)], n_in=2
    )
    x, y = np.linspace(1, -1, 2000).reshape(1000, 2), np.ones((1000, 2))
    whole, f = (in_shards_of(rows, net, prograd.loss("squared_error"), x, y) for rows in (1000, 90))
    w = net.pack([{"W": np.eye(2), "b": np.zeros(2)}, {}, {"W": np.eye(2), "b": np.zeros(2)}])
    with pytest.raises(KeyError, match="a sample is negative"):
        whole.gradient(w)
    with threadpoolctl.threadpool_limits(threads), pytest.raises(KeyError, match="is negative"):
        f.gradient(w)


def test_which_batches_are_cut():
    assert shards(1, 8) == [slice(0, 1)]
    assert len(shards(2 * FEWEST_ROWS - 1, 2048)) == 1
    assert len(shards(2 * FEWEST_ROWS, 2048)) == 2
    assert len(shards(10**6, WIDEST_BYTES + 8)) == 1
    for samples in (4096, 5000, 10**5):
        cuts = shards(samples, 64 * 8)
        assert [k for cut in cuts for k in range(samples)[cut]] == list(range(samples))
        assert max(cut.stop - cut.start for cut in cuts) == SHARD_BYTES // 512
