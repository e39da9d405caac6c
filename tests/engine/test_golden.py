"""Every golden case, computed by another AD system, agrees in value, gradient (each mode) and Jacobian."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import prograd
from tests.helpers.closeness import assert_close

CASES = sorted((Path(__file__).parents[1] / "golden").glob("*.npz"))
# Both sides round in their last bits, a few hundred operations deep.
assert_agrees = partial(assert_close, rounding=1e-12, least=0)


def load(path: Path):
    with np.load(path) as arrays:
        data = {key: arrays[key] for key in arrays.files}
    spec = json.loads(str(data["spec"]))
    net = prograd.Network.from_config(spec["layers"], n_in=spec["n_in"])
    options = {key: value for key, value in spec["loss"].items() if key != "name"}
    return net, prograd.loss(spec["loss"]["name"], **options), data


def parameters(net, data, kind):
    return [{name: data[f"{kind}/{i}/{name}"] for name in shapes} for i, shapes in enumerate(net.shapes)]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_value_and_gradient(path):
    net, loss, data = load(path)
    w = net.pack(parameters(net, data, "w"))
    f = prograd.Objective(net, loss, data["x"], data["y"])
    expected = net.pack(parameters(net, data, "grad"))
    for mode in (*prograd.MODES, "auto"):
        value, gradient = f.value_and_gradient(w, mode=mode)
        assert_agrees(value, data["value"])
        assert_agrees(gradient, expected)
    assert_agrees(f.per_sample_gradients(w).mean(axis=0), expected)
    assert_agrees(f(w), data["value"])


@pytest.mark.parametrize("mode", [*prograd.MODES, "auto"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_jacobian(path, mode):
    net, _, data = load(path)
    w = net.pack(parameters(net, data, "w"))
    J = prograd.jacobian(net, w, data["x"], mode=mode)
    for i, span in enumerate(net.spans):
        for name, at in span.each.items():
            assert_agrees(J[:, :, at.start : at.stop], data[f"jacobian/{i}/{name}"])
    assert_agrees(prograd.jacobian(net, w, data["x"], wrt="input", mode=mode), data["jacobian/x"])


def test_all_cases_are_here():
    assert len(CASES) == 8
