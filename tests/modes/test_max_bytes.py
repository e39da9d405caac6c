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


CONV = {"name": "conv2d", "image": [1, 12, 12], "channels": 4, "kernel": 3, "padding": 1}
INNER = [{"name": "affine", "width": 16}, {"name": "gelu"}, {"name": "affine", "width": 20}]
NETWORKS = {
    "conv": ([CONV, {"name": "max_pool2d", "image": [4, 12, 12], "window": 2}, {"name": "affine", "width": 5}], 144),
    "residual": ([{"name": "residual", "layers": INNER}] * 4, 20),
    "norms": ([{"name": "affine", "width": 20}, {"name": "layer_norm"}, {"name": "softmax"}] * 3, 20),
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["reverse", "forward", "factored", "optimal", "auto"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_limit_is_kept_or_refused(name, mode, peak):
    """Whatever a call allocates, its result included."""
    configs, n_in = NETWORKS[name]
    net, rng = prograd.Network.from_config(configs, n_in), np.random.default_rng(0)
    w, x, y = net.init(rng), rng.normal(size=(30, n_in)), rng.normal(size=(30, net.n[-1]))
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    f.gradient(w)
    kept = 0
    for outputs, wrt in (("gradient", "parameters"), ("jacobian", "parameters"), ("jacobian", "input")):
        least = min(cost.peak_bytes for cost in prograd.plan(net, 30, wrt, outputs).costs.values())
        for limit in (least // 2, 2 * least, 4 * least):

            def call(limit=limit, outputs=outputs, wrt=wrt):
                if outputs == "gradient":
                    return f.gradient(w, mode, max_bytes=limit)
                return prograd.jacobian(net, w, x, wrt, mode, limit)

            try:
                call()
            except OptionError as error:
                assert f"got {limit}" in str(error) or "numbers" in str(error)  # noqa: PT017  (either will do)
                continue
            kept += 1
            assert peak(call) <= limit, (outputs, wrt, limit)
    assert kept >= 3
