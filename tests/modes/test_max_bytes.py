"""`max_bytes`: what is a number of bytes, and that each way in keeps to it."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd import bracketing
from prograd.errors import OptionError

NET = prograd.Network.from_config([{"name": "affine", "width": 20}, {"name": "tanh"}] * 6, n_in=20)
W, X = NET.init(0), np.ones((50, 20))
F = prograd.Objective(NET, prograd.loss("squared_error"), X, np.zeros((50, 20)))


@pytest.mark.parametrize("max_bytes", [0, -1, 1e6, "8", True])
@pytest.mark.parametrize(
    "call",
    [
        lambda max_bytes: F.gradient(W, max_bytes=max_bytes),
        lambda max_bytes: F.gradient(W, mode="auto", max_bytes=max_bytes),
        lambda max_bytes: prograd.jacobian(NET, W, X, mode="reverse", max_bytes=max_bytes),
        lambda max_bytes: prograd.plan(NET, 50, max_bytes=max_bytes),
        lambda max_bytes: bracketing.solve([(2, 3, 6)], max_bytes=max_bytes),
    ],
)
def test_what_is_no_number_of_bytes(call, max_bytes):
    with pytest.raises(OptionError, match=f"max_bytes: expected a positive integer or None, got {max_bytes!r}"):
        call(max_bytes)


def test_auto_keeps_to_the_limit_where_it_takes_reverse_mode(peak):
    plain = peak(lambda: F.gradient(W, mode="auto"))
    limit = plain - 20_000
    assert peak(lambda: F.gradient(W, mode="auto", max_bytes=limit)) <= limit < plain
    with pytest.raises(OptionError, match=r"max_bytes: expected at least .* for reverse mode, .* got 1000"):
        F.gradient(W, mode="auto", max_bytes=1000)
