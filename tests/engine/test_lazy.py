"""The lazy Jacobian: every product agrees with the dense Jacobian, which is never formed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prograd
from prograd import lazy
from prograd.errors import OptionError, ShapeError, UnknownNameError
from prograd.operators import Dense, Kronecker, Operator
from tests.helpers.closeness import ROUNDING, assert_close
from tests.helpers.networks import EXAMPLES, problems


def check(J, dense, seed=0, rounding=ROUNDING):
    """Compare everything that `J` offers with the dense array."""
    rng = np.random.default_rng(seed)
    *outputs, size = dense.shape
    stack = dense.reshape(math.prod(outputs), size)
    assert J.shape == dense.shape
    assert J.dtype == dense.dtype
    assert_close(J.dense(), dense, rounding)
    assert_close(J.gram(), (stack @ stack.T).reshape(outputs * 2), 10 * rounding)
    assert_close(J.row_norms(), np.linalg.norm(dense, axis=-1), 10 * rounding)
    for leading in ((), (2,)):
        dw = rng.normal(size=(*leading, size)).astype(dense.dtype)
        q = rng.normal(size=(*leading, *outputs)).astype(dense.dtype)
        assert_close(J.jvp(dw), (dw @ stack.T).reshape(*leading, *outputs), rounding)
        assert_close(J.vjp(q), q.reshape(*leading, len(stack)) @ stack, rounding)
    A = J.to_scipy()
    v, u = rng.normal(size=(size, 2)), rng.normal(size=(len(stack), 2))
    assert A.shape == stack.shape
    assert_close(A @ v, stack @ v, rounding)
    assert_close(A @ v[:, 0], stack @ v[:, 0], rounding)
    assert_close(A.T @ u, stack.T @ u, rounding)
    assert_close(A.T @ u[:, 0], stack.T @ u[:, 0], rounding)


@settings(max_examples=60)
@given(problems(), st.sampled_from(["auto", "reverse", "factored"]), st.sampled_from(["parameters", "input"]))
def test_is_the_jacobian(problem, mode, wrt):
    net, w, x, _ = problem
    dense = prograd.jacobian(net, w, x, wrt=wrt, mode="reverse")
    check(prograd.jacobian(net, w, x, wrt=wrt, mode=mode, lazy=True), dense)
    check(prograd.jacobian(net, w, x[0], wrt=wrt, mode=mode, lazy=True), dense[0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_is_the_jacobian_for_every_layer(layer, n_in, dtype, monkeypatch):
    """With chunks of few columns, so that there are always several."""
    monkeypatch.setattr(lazy, "CHUNK_NUMBERS", 2**5)
    net = prograd.Network([prograd.layer("affine", width=n_in), layer, prograd.layer("affine", width=2)], n_in=3)
    rng = np.random.default_rng(3)
    w, x = (net.init(rng) + 0.1 * rng.normal(size=net.size)).astype(dtype), rng.normal(size=(2, 3)).astype(dtype)
    dense = prograd.jacobian(net, w, x, mode="reverse")
    rounding = ROUNDING if dtype == np.float64 else 1e-4  # the same, in units of float32
    for mode in ("reverse", "factored"):
        J = prograd.jacobian(net, w, x, mode=mode, lazy=True)
        check(J, dense, rounding=rounding)
        for blocks, span in zip(J.blocks, net.spans, strict=True):
            assert set(blocks) == set(span.each)
            for name, at in span.each.items():
                block = np.broadcast_to(blocks[name].dense(), (*dense.shape[:2], len(at)))
                assert_close(block, dense[:, :, at.start : at.stop], rounding)


def test_blocks_keep_their_structure():
    net = prograd.Network.from_config([{"name": "affine", "width": n} for n in (5, 4, 3)], n_in=6)
    x = np.ones((2, 6))
    J = prograd.jacobian(net, net.init(0), x, lazy=True)
    assert [type(blocks["W"]) for blocks in J.blocks] == [Kronecker] * 3
    assert [type(blocks["b"]).__name__ for blocks in J.blocks] == ["Dense", "Dense", "Identity"]
    assert J.blocks[0]["W"].right is x
    assert J.blocks[0]["b"].samples == 1  # no activation: one matrix for all samples
    by_input = prograd.jacobian(net, net.init(0), x, wrt="input", lazy=True)
    assert [set(blocks) for blocks in by_input.blocks] == [{"x"}, set(), set(), set()]
    assert type(by_input.blocks[0]["x"]) is Dense


def test_says_what_it_is_made_of():
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 4}, {"name": "tanh"}, {"name": "affine", "width": 2}], 3
    )
    J = prograd.jacobian(net, net.init(0), np.ones((5, 3)), lazy=True)
    assert repr(J).splitlines() == [
        "LazyJacobian (5, 2, 26), float64",
        '  blocks[2]["W"] = Kronecker[2 × 8, 5 samples]',
        '  blocks[2]["b"] = Identity[2 × 2]',
        '  blocks[0]["W"] = Dense[2 × 4, 5 samples] @ Kronecker[4 × 12, 5 samples]',
        '  blocks[0]["b"] = Dense[2 × 4, 5 samples]',
    ]


def test_network_without_parameters():
    net = prograd.Network.from_config([{"name": "tanh"}, {"name": "softmax"}], n_in=3)
    x = np.ones((2, 3))
    J = prograd.jacobian(net, np.zeros(0), x, lazy=True)
    assert J.shape == J.dense().shape == (2, 3, 0)
    assert not J.gram().any()
    assert not J.jvp(np.zeros(0)).any()
    check(
        prograd.jacobian(net, np.zeros(0), x, wrt="input", lazy=True),
        prograd.jacobian(net, np.zeros(0), x, wrt="input"),
    )


def test_never_forms_the_matrix(peak):
    hidden = [{"name": "affine", "width": 64}, {"name": "tanh"}]
    net = prograd.Network.from_config([*hidden * 3, {"name": "affine", "width": 10}], n_in=64)
    rng = np.random.default_rng(0)
    w, x = net.init(rng), rng.normal(size=(32, 64))
    dense = 32 * 10 * net.size * 8  # 34 MB
    for mode in ("auto", "reverse"):
        assert peak(lambda mode=mode: prograd.jacobian(net, w, x, mode=mode, lazy=True)) < dense / 20
    # From the input on, every left factor has as many rows as the layer that it has come to, 64 here.
    assert peak(lambda: prograd.jacobian(net, w, x, mode="factored", lazy=True)) < dense / 2
    J = prograd.jacobian(net, w, x, lazy=True)
    q = rng.normal(size=J.shape[:-1])
    gram = 320**2 * 8
    for use, bytes_allowed in (
        (lambda: J.jvp(w), dense / 40),
        (lambda: J.vjp(q), dense / 40),
        (J.row_norms, dense / 40),
        (J.gram, 4 * gram),
        (lambda: repr(J), dense / 1000),
        (lambda: J.multiply_adds, dense / 1000),
        (lambda: J.to_scipy() @ w, dense / 40),
    ):
        assert peak(use) < bytes_allowed
    assert peak(J.dense) > dense
    fresh = prograd.jacobian(net, w, x, lazy=True)  # they are made once
    assert peak(lambda: fresh.blocks, warm=False) < dense / 40


def test_convolutions_are_written_out_in_pieces(monkeypatch, peak):
    monkeypatch.setattr(lazy, "CHUNK_NUMBERS", 2**12)
    conv = {"name": "conv2d", "image": (16, 4, 4), "channels": 64, "kernel": 3, "padding": 1}
    net = prograd.Network.from_config([conv, {"name": "tanh"}, {"name": "affine", "width": 4}], n_in=256)
    rng = np.random.default_rng(0)
    w, x = net.init(rng), rng.normal(size=(16, 256))
    J = prograd.jacobian(net, w, x, lazy=True)
    block = 16 * 4 * 64 * 144 * 8
    assert peak(J.row_norms) < block / 2
    assert_close(J.row_norms(), np.linalg.norm(prograd.jacobian(net, w, x), axis=-1))


def test_multiply_adds_by_hand():
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 4}, {"name": "tanh"}, {"name": "affine", "width": 2}], 3
    )
    J = prograd.jacobian(net, net.init(0), np.ones((5, 3)), lazy=True)
    assert J.multiply_adds == 5 * (2 * 4 + 2 * 4 + 4 * 3)  # A_3 = I ⊗ z^T; P_1, and A_1 = I ⊗ z^T


@given(problems(), st.sampled_from(["reverse", "factored"]), st.sampled_from(["reverse", "factored"]))
@settings(max_examples=40)
def test_kernel_between_two_batches(problem, mode, other_mode):
    net, w, x, _ = problem
    more = np.concatenate([x, x[:1] / 2])
    J, K = (prograd.jacobian(net, w, z, mode=m, lazy=True) for z, m in ((x, mode), (more, other_mode)))
    one, other = (prograd.jacobian(net, w, z, mode="reverse") for z in (x, more))
    kernel = np.einsum("nip,mjp->nimj", one, other)
    near = 1e-10 * np.einsum("nip,mjp->nimj", abs(one), abs(other)).max(initial=0) + 1e-300
    np.testing.assert_allclose(J.gram(K), kernel, rtol=0, atol=near)
    np.testing.assert_allclose(J.gram(K, trace=True), np.einsum("nimi->nm", kernel), rtol=0, atol=10 * near)


def test_kernel_with_one_sample():
    net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=3)
    w, x = net.init(0), np.random.default_rng(0).normal(size=(4, 3))
    J, one = (prograd.jacobian(net, w, z, lazy=True) for z in (x, x[2]))
    assert_close(J.gram(one), J.gram()[:, :, 2])
    assert_close(one.gram(J), J.gram()[2])
    assert_close(one.gram(one, trace=True), np.trace(J.gram()[2, :, 2]))


def test_kernel_with_another_network():
    J, other = (
        prograd.jacobian(net, net.init(0), np.ones((2, 3)), lazy=True)
        for net in (prograd.Network([prograd.layer("affine", width=n)], n_in=3) for n in (2, 4))
    )
    with pytest.raises(
        ShapeError, match=r"gram: expected another Jacobian of the network of \(2, 2, 8\), got \(2, 4, 16\)"
    ):
        J.gram(other)


def test_refuses_what_it_cannot_use():
    net = prograd.Network.from_config([{"name": "affine", "width": 2}], n_in=3)
    w, x = net.init(0), np.ones((4, 3))
    with pytest.raises(
        OptionError,
        match='expected a mode that keeps products of blocks \\("reverse", "factored", "auto"\\), got "forward"',
    ):
        prograd.jacobian(net, w, x, mode="forward", lazy=True)
    with pytest.raises(OptionError, match="expected no max_bytes, got 1000"):
        prograd.jacobian(net, w, x, lazy=True, max_bytes=1000)
    with pytest.raises(UnknownNameError, match="did you mean 'factored'"):
        prograd.jacobian(net, w, x, mode="factor", lazy=True)
    J = prograd.jacobian(net, w, x, lazy=True)
    with pytest.raises(ShapeError, match=r"dw: expected shape \(..., 8\), got \(7,\)"):
        J.jvp(np.ones(7))
    with pytest.raises(ShapeError, match=r"q: expected shape \(..., 4, 2\), got \(2,\)"):
        J.vjp(np.ones(2))
    assert isinstance(J.blocks[0]["W"], Operator)
