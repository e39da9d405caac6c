"""How much memory evaluations take."""

from __future__ import annotations

import numpy as np
import pytest

import prograd


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 200, 5000])
def test_the_peak_of_reverse_mode_is_activations_and_gradient(samples, peak):
    rng = np.random.default_rng(0)
    net = prograd.Network([prograd.layer("affine", width=100), prograd.layer("tanh")] * 12, 100)
    x, y = rng.normal(size=(2, samples, 100))
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    w = net.init(rng)
    for _ in range(2):
        f.gradient(w)  # the second records
    assert peak(lambda: f.gradient(w)) <= 1.2 * 8 * (samples * sum(net.n) + net.size)
