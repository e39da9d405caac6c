"""The list of modes, and a mode of one's own: a class is all that a mode takes."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

import prograd
from prograd import modes
from prograd.modes import ALIASES, AUTO, MODES, Mode, ModeName
from tests.helpers.networks import classifier


class Written(Mode):
    """The recursion as the theory writes it, all columns at once: `J_i = (A_i | B_i J_{i-1})`."""

    name = "written"

    def gradient(self, at, p, max_bytes):
        lin = at.linearization()
        total, q = at.close(lin.z[-1])
        np.matmul(columns(lin, p).reshape(lin.size, -1), q.reshape(-1), out=p)
        return total

    def jacobian(self, lin, J, max_bytes):
        J[...] = columns(lin, J).transpose(1, 2, 0)

    def order(self, lin, letters, max_bytes):
        return MODES["forward"].order(lin, letters, max_bytes)


def columns(lin, like):
    J = np.zeros((0, lin.samples, lin.blocks[0][1].cols), like=like)
    for A_i, B_i in lin.blocks:
        own = [np.empty((A.cols, lin.samples, A.rows), like=like) for A in A_i.values()]
        for A, written in zip(A_i.values(), own, strict=True):
            A.columns_into(0, A.cols, written)
        J = np.concatenate([*own, B_i.jvp(J)])
    return J


WRITTEN = Written()


def test_an_objective_computes_in_a_mode_of_ones_own():
    f, w, _, _ = classifier()
    value, gradient = f.value_and_gradient(w, mode=WRITTEN)
    assert value == pytest.approx(f(w), rel=1e-15)
    np.testing.assert_allclose(gradient, f.gradient(w), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("wrt", ["parameters", "input"])
def test_so_does_a_jacobian(wrt):
    f, w, x, _ = classifier()
    J = prograd.jacobian(f.net, w, x, wrt, mode=WRITTEN)
    np.testing.assert_allclose(J, prograd.jacobian(f.net, w, x, wrt, mode="reverse"), rtol=1e-12, atol=1e-15)
    with pytest.raises(prograd.errors.OptionError, match=r'a mode that keeps products of blocks.*got "written"'):
        prograd.jacobian(f.net, w, x, wrt, mode=WRITTEN, lazy=True)


def test_and_a_plan():
    net = prograd.Network([prograd.layer("affine", width=4, bias=False)] * 3, 4)
    plan = prograd.plan(net, 2, outputs="jacobian", modes=("forward", WRITTEN))
    assert list(plan.costs) == ["forward", "written"]
    assert plan.costs["written"].multiply_adds == plan.costs["forward"].multiply_adds == 2 * (1 + 2) * 4**4
    assert plan.orders["written"] == plan.orders["forward"] == "(A_3 | (B_3 (A_2 | (B_2 A_1))))"
    assert plan.seconds["written"] > 0


def test_one_list_of_names():
    assert get_args(ModeName) == (*MODES, AUTO, *ALIASES)
    assert tuple(MODES) == prograd.MODES
    for name, mode in MODES.items():
        assert prograd.mode(name) is modes.find(mode) is mode
        assert mode.name == name
    with pytest.raises(prograd.errors.UnknownNameError, match="did you mean 'forward'"):
        prograd.mode("foward")


def test_backward_is_reverse():
    assert prograd.mode("backward") is MODES["reverse"]
    f, w, x, _ = classifier(samples=5)
    np.testing.assert_array_equal(f.gradient(w, mode="backward"), f.gradient(w, mode="reverse"))
    for lazy in (False, True):
        J, K = (prograd.jacobian(f.net, w, x, mode=mode, lazy=lazy) for mode in ("backward", "reverse"))
        np.testing.assert_array_equal(J.dense() if lazy else J, K.dense() if lazy else K)
    assert list(prograd.plan(f.net, modes=["backward"]).costs) == ["reverse"]
