"""Jacobians as sparse matrices: the entries of dense ones, without those that structure makes zero."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings

import prograd
from prograd import Network
from prograd.errors import OptionError, UnknownNameError
from tests.helpers.networks import EXAMPLES, networks


def assert_as_dense(net, samples):
    rng = np.random.default_rng(0)
    w, x = net.init(rng), rng.normal(size=(samples, net.n[0]))
    for wrt in ("parameters", "input"):
        dense = prograd.jacobian(net, w, x, wrt=wrt)
        rows, columns = samples * net.n[-1], dense.shape[-1]
        found = prograd.jacobian(net, w, x, wrt=wrt, format="sparse")
        assert isinstance(found, scipy.sparse.csr_array)
        assert found.shape == (rows, columns)
        np.testing.assert_allclose(found.toarray(), dense.reshape(rows, columns), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_every_layer_between_others(layer, n_in):
    before = prograd.layer("affine", width=n_in)
    assert_as_dense(Network([before, prograd.layer("tanh"), layer, prograd.layer("affine", width=2)], 3), 3)


@given(networks())
@settings(max_examples=30)
def test_random_networks(net):
    assert_as_dense(net, 2)


def test_one_sample_has_the_rows_of_one():
    net = Network([prograd.layer("affine", width=3), prograd.layer("tanh")], n_in=4)
    w, x = net.init(0), np.ones(4)
    found = prograd.jacobian(net, w, x, format="sparse")
    np.testing.assert_allclose(found.toarray(), prograd.jacobian(net, w, x), rtol=1e-12)


def test_float32_stays_float32():
    net = Network([prograd.layer("scale_shift"), prograd.layer("tanh")], n_in=4)
    w, x = net.init(0).astype(np.float32), np.ones((2, 4), np.float32)
    for wrt in ("parameters", "input"):
        assert prograd.jacobian(net, w, x, wrt=wrt, format="sparse").dtype == np.float32


def test_stored_entries_of_an_affine_layer():
    """Each output depends on its own row of W and on its own b: n + 1 entries of n (n + 1)."""
    n, N = 7, 3
    net = Network([prograd.layer("affine", width=n)], n_in=n)
    found = prograd.jacobian(net, net.init(0), np.ones((N, n)), format="sparse")
    assert found.nnz == N * n * (n + 1)
    assert prograd.jacobian(net, net.init(0), np.ones((N, n)), wrt="input", format="sparse").nnz == N * n * n


def test_a_chain_of_sparse_blocks_takes_no_dense_matrix():
    n, N = 2000, 20
    bands = scipy.sparse.diags_array([np.ones(n - 1), np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1])

    class Neighbours(prograd.Layer):
        def shapes(self, n_in):
            return n_in, {}

        def g(self, w, z):
            return z @ bands

        def jacobian(self, w, z, z_next):
            return {}, prograd.operators.Sparse(bands)

    net = Network([Neighbours(), prograd.layer("tanh"), Neighbours()], n_in=n)
    x = np.random.default_rng(0).normal(size=(N, n))
    tracemalloc.start()
    found = prograd.jacobian(net, np.empty(0), x, wrt="input", format="sparse")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.nnz == N * (5 * n - 6)
    assert peak < N * n * n * 8 / 20


@pytest.mark.parametrize("options", [{"mode": "forward"}, {"lazy": True}, {"max_bytes": 2**30}])
def test_options_that_a_sparse_jacobian_does_not_have(options):
    net = Network([prograd.layer("tanh")], n_in=4)
    with pytest.raises(OptionError, match=r'format="sparse": expected mode "reverse" without lazy and max_bytes'):
        prograd.jacobian(net, np.empty(0), np.ones(4), format="sparse", **options)


def test_unknown_format():
    net = Network([prograd.layer("tanh")], n_in=4)
    with pytest.raises(UnknownNameError, match="format"):
        prograd.jacobian(net, np.empty(0), np.ones(4), format="csr")
