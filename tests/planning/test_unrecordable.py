"""Plans of what can't be recorded or cached: losses and modes of one's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import prograd
from prograd.modes import MODES
from tests.helpers.networks import small


class Asked(prograd.Loss):
    """Looks at numbers."""

    scale = 1.0

    def value(self, z, y):
        return np.array([self.scale * float(np.sum((row - label) ** 2)) for row, label in zip(z, y, strict=True)])

    def gradient(self, z, y):
        return 2 * self.scale * (z - y)


@dataclass
class Changing(Asked):
    """Not frozen, so without a hash."""

    scale: float = 2.0


class Asking(prograd.Mode):
    """Looks at numbers, too."""

    name = "asking"

    def gradient(self, at, p, max_bytes):
        assert max_bytes is None or max_bytes == 10**8
        assert np.isfinite(np.asarray(at.w)).all()
        return MODES["reverse"].gradient(at, p, None)

    def jacobian(self, lin, J, max_bytes):
        MODES["reverse"].jacobian(lin, J, None)

    def order(self, lin, letters, max_bytes):
        return ""


@pytest.mark.parametrize("loss", [Asked(), Changing()], ids=["with a hash", "without one"])
@pytest.mark.parametrize("max_bytes", [None, 10**8])
def test_a_loss_that_needs_numbers(loss, max_bytes):
    net = small()
    f = prograd.Objective(net, loss, np.ones((5, 3)), np.zeros((5, 2)))
    w = net.init(0)
    expected = f.gradient(w)
    for mode in ("auto", "forward", "factored"):
        np.testing.assert_allclose(f.gradient(w, mode=mode, max_bytes=max_bytes), expected, atol=1e-14)


def test_a_mode_that_needs_numbers_keeps_to_a_limit_itself():
    net = small()
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((5, 3)), np.zeros((5, 2)))
    w = net.init(0)
    for max_bytes in (None, 10**8):
        np.testing.assert_array_equal(f.gradient(w, mode=Asking(), max_bytes=max_bytes), f.gradient(w))
    plan = prograd.plan(net, modes=("reverse", Asking()))
    assert list(plan.costs) == ["reverse"]
    assert "an array of numbers" in plan.left_out["asking"]
