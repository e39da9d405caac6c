"""The layer passes the conformance kit of prograd and is found by name."""

from __future__ import annotations

import my_plugin
import numpy as np
import pytest

import prograd
from prograd.errors import OptionError
from prograd.testing import parametrize_with_checks


@parametrize_with_checks([my_plugin.MyLayer])
def test_conformance(check):
    check()


def test_found_by_name():
    assert prograd.layer("my_layer", eps=0.1) == my_plugin.MyLayer(eps=0.1)


def test_the_mean_square_becomes_one():
    net = prograd.Network([my_plugin.MyLayer(eps=1e-12)], n_in=4)
    z = net(net.init(0), np.array([[1.0, -2.0, 3.0, 4.0], [0.1, 0.0, 0.0, 0.2]]))
    np.testing.assert_allclose(np.mean(z * z, axis=1), 1, rtol=1e-9)  # eps is 4e-11 of the smaller mean square


def test_gradients_run_from_a_tape():
    net = prograd.Network([my_plugin.MyLayer()], n_in=3)
    f = prograd.Objective(net, prograd.loss("squared_error"), np.ones((2, 3)), np.zeros((2, 3)))
    assert f.tape().instructions  # raises NotRecordable where the layer asks for numbers


@pytest.mark.parametrize("eps", [0, -1.0, float("inf"), float("nan"), "small", True])
def test_an_invalid_eps_is_refused(eps):
    with pytest.raises(OptionError, match="eps: expected a finite number greater than 0"):
        my_plugin.MyLayer(eps=eps)


def test_float32_stays_float32():
    net = prograd.Network([my_plugin.MyLayer(eps=np.float64(0.1))], n_in=3)
    z = np.ones((2, 3), np.float32)
    assert net(np.zeros(0, np.float32), z).dtype == np.float32
