"""The recursions against closed forms, dense products of the blocks, and each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prograd
from prograd import recursions
from prograd.operators import Dense, Operator
from tests.helpers.closeness import assert_close
from tests.helpers.networks import problems


@settings(max_examples=60)
@given(problems())
def test_every_mode_is_the_dense_product(problem):
    net, w, x, y = problem
    J = recursions.dense(prograd.linearize(net, w, x).blocks, len(x))
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    q = net(w, x) - y
    for mode in prograd.MODES:
        assert_close(f.gradient(w, mode=mode), np.einsum("nrc,nr->c", J, q) / len(x))
        assert_close(prograd.jacobian(net, w, x, mode=mode), J)
    assert_close(f.per_sample_gradients(w), np.einsum("nrc,nr->nc", J, q))


@settings(max_examples=40)
@given(problems(), st.integers(0, 2**32 - 1))
def test_products_with_vectors(problem, seed):
    net, w, x, _ = problem
    rng = np.random.default_rng(seed)
    lin = prograd.linearize(net, w, x)
    J = prograd.jacobian(net, w, x)
    dw, q = rng.normal(size=(2, net.size)), rng.normal(size=(2, len(x), net.n[-1]))
    assert_close(lin.jvp(dw), np.einsum("nrc,kc->knr", J, dw))
    assert_close(lin.vjp(q), np.einsum("nrc,knr->kc", J, q))
    assert_close(lin.jvp(dw[0]), np.einsum("nrc,c->nr", J, dw[0]))


@settings(max_examples=40)
@given(problems())
def test_jacobian_by_input(problem):
    net, w, x, _ = problem
    expected = []
    for x_n in x:
        J = np.eye(net.n[0])
        for _, B in prograd.linearize(net, w, x_n[None]).blocks:
            J = B.dense()[0] @ J
        expected.append(J)
    for mode in (*prograd.MODES, "auto"):
        assert_close(prograd.jacobian(net, w, x, wrt="input", mode=mode), np.array(expected))


def room(samples):
    """Memory for columns."""
    return lambda columns, B: np.empty((columns, samples, B.rows))


@settings(max_examples=30)
@given(problems(), st.integers(1, 7))
def test_chunks_of_any_size_give_the_same_columns(problem, size):
    net, w, x, _ = problem
    lin = prograd.linearize(net, w, x)
    J = prograd.jacobian(net, w, x, mode="reverse")
    for start in range(0, net.size, size):
        chunk = range(start, min(start + size, net.size))
        columns = recursions.forward(lin.blocks, net.spans, chunk, np.empty((0, len(x), 0)), room(len(x)))
        assert_close(columns, J[:, :, chunk.start : chunk.stop].transpose(2, 0, 1))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_affine_network_has_a_closed_form(depth):
    """`h = W_L … W_1 x + …`: the column of `(W_i)_jk` is column j of `W_L … W_{i+1}` times entry k of `z^i`."""
    rng = np.random.default_rng(depth)
    net = prograd.Network([prograd.layer("affine", width=int(n)) for n in rng.integers(1, 6, depth)], n_in=3)
    w, x = rng.normal(size=net.size), rng.normal(size=(4, 3))
    parameters = net.unpack(w)
    above, z, expected = np.eye(net.n[-1]), [x], []
    for w_i in parameters:
        z.append(z[-1] @ w_i.W.T + w_i.b)
    for w_i, z_i in zip(reversed(parameters), reversed(z[:-1]), strict=True):
        by_W = np.einsum("rj,nk->nrjk", above, z_i).reshape(4, net.n[-1], -1)
        by_b = np.broadcast_to(above, (4, *above.shape))
        expected += [by_W, by_b]
        above = above @ w_i.W
    for mode in prograd.MODES:
        assert_close(prograd.jacobian(net, w, x, mode=mode), np.concatenate(expected, axis=-1))
        by_input = prograd.jacobian(net, w, x, wrt="input", mode=mode)
        assert_close(by_input, np.broadcast_to(above, by_input.shape))


class Counting(Operator):
    """An operator that counts the vectors that are multiplied by it."""

    def __init__(self, inner, counts):
        self.inner, self.counts = inner, counts
        self.rows, self.cols = inner.rows, inner.cols

    def jvp(self, v):
        self.counts["jvp"] += v.size // self.cols
        return self.inner.jvp(v)

    def vjp(self, q):
        self.counts["vjp"] += q.size // self.rows
        return self.inner.vjp(q)


def counted(lin):
    counts = [({"jvp": 0, "vjp": 0}, {"jvp": 0, "vjp": 0}) for _ in lin.blocks]
    blocks = [
        ({name: Counting(op, a) for name, op in A.items()}, Counting(B, b))
        for (A, B), (a, b) in zip(lin.blocks, counts, strict=True)
    ]
    return counts, blocks


def mlp(depth=3, width=4, samples=2):
    net = prograd.Network.from_config([{"name": "affine", "width": width}, {"name": "tanh"}] * depth, n_in=3)
    rng = np.random.default_rng(0)
    return net, net.init(rng), rng.normal(size=(samples, 3))


def test_reverse_multiplies_each_block_once_and_the_first_never():
    net, w, x = mlp()
    lin = prograd.linearize(net, w, x)
    counts, blocks = counted(lin)
    p = np.empty(net.size)
    recursions.reverse(blocks, np.ones_like(lin.output), lin.slices(p), recursions.sum_into)
    assert [b for _, b in counts] == [{"jvp": 0, "vjp": 0}, *[{"jvp": 0, "vjp": 2}] * (len(blocks) - 1)]
    assert [a for a, _ in counts] == [{"jvp": 0, "vjp": 2 * len(shapes)} for shapes in net.shapes]


def test_forward_multiplies_each_block_by_the_columns_before_it():
    net, w, x = mlp()
    lin = prograd.linearize(net, w, x)
    counts, blocks = counted(lin)
    for start in range(0, net.size, 7):
        chunk = range(start, min(start + 7, net.size))
        recursions.forward(blocks, net.spans, chunk, np.empty((0, len(x), 0)), room(len(x)))
    before = np.cumsum((0, *net.r))[:-1]
    assert [b for _, b in counts] == [{"jvp": 2 * columns, "vjp": 0} for columns in before]


def test_multiply_adds_by_hand():
    net, _, _ = mlp(depth=2, width=4, samples=2)  # 3 → 4 → 4 → 4 → 4
    assert net.r == (16, 0, 20, 0)
    costs = prograd.plan(net, 2, modes=("reverse", "forward")).costs
    assert costs["reverse"].multiply_adds == 2 * (12 + 16 + 4 + 16 + 4)  # A_1, A_3; B_2, B_3, B_4
    # B_2 and B_3 on 16 columns, B_4 on 36; ∇ℓ
    assert costs["forward"].multiply_adds == 2 * (16 * (4 + 16) + 36 * 4 + 36 * 4)
    with pytest.raises(prograd.errors.UnknownNameError, match="did you mean 'reverse'"):
        prograd.plan(net, 2, modes=("revers",))


def test_plain_arrays_are_operators():
    class Twice(prograd.Layer):
        def shapes(self, n_in):
            return n_in, {"a": (2,)}

        def g(self, w, z):
            return 2 * z + w.a.sum()

        def jacobian(self, w, z, z_next):
            return {"a": np.ones((z.shape[1], 2))}, np.broadcast_to(
                2 * np.eye(z.shape[1]), (len(z), z.shape[1], z.shape[1])
            )

    net = prograd.Network([Twice(), Twice()], n_in=3)
    lin = prograd.linearize(net, np.zeros(4), np.ones((2, 3)))
    assert all(isinstance(op, Dense) for A, B in lin.blocks for op in (A["a"], B))
    expected = np.broadcast_to([1, 1, 2, 2], (2, 3, 4))
    for mode in prograd.MODES:
        np.testing.assert_array_equal(prograd.jacobian(net, np.zeros(4), np.ones((2, 3)), mode=mode), expected)


def test_blocks_from_the_end():
    net, w, x = mlp()
    _, blocks = recursions.linearize(net.layers, net.unpack(w), x)
    for i in range(len(blocks)):
        np.testing.assert_array_equal(blocks[i - len(blocks)][1].dense(), blocks[i][1].dense())
    assert len(blocks[1:]) == len(blocks) - 1
