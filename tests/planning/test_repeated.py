"""Costs of deep networks, continued from shallower ones: what a recording of all layers says."""

from __future__ import annotations

import numpy as np
import pytest

import prograd
from prograd import Network
from prograd.modes import MODES
from prograd.planning.calibration import machine_rates
from prograd.planning.recording import Task, continued_cost, recorded_cost
from prograd.planning.repeated import DEEP, LONGEST, repeated

affine, norm, tanh = prograd.layer("affine", width=3), prograd.layer("layer_norm"), prograd.layer("tanh")
scale = prograd.layer("scale_shift")
PATTERNS = {
    "affine and tanh": [affine, tanh],
    "residual": [prograd.layer("residual", layers=[scale, tanh, scale])],
}
CONTINUED = [
    ("affine and tanh", "gradient", "reverse"),
    ("residual", "gradient", "reverse"),
    ("residual", "jacobian", "reverse"),
]


def exact(cost):
    return (cost.multiply_adds, cost.run_bytes, cost.tape_bytes, cost.moved_bytes)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "outputs", "mode"), CONTINUED)
def test_costs_of_a_deep_network(name, outputs, mode):
    pattern = PATTERNS[name]
    net = Network([tanh, *pattern * (DEEP // len(pattern)), affine, norm], n_in=3)
    task, deep = Task(net, 2, "parameters", outputs, np.dtype(float)), repeated(net)
    assert deep is not None
    continued, recorded = continued_cost(task, deep, MODES[mode]), recorded_cost(task, MODES[mode], None)
    assert continued is not None
    assert exact(continued) == exact(recorded)
    one, other = (machine_rates().seconds(cost.steps, "c", 1) for cost in (continued, recorded))
    assert one == pytest.approx(other, rel=0.03)


def test_what_is_repeated():
    net = Network([tanh, *[affine, tanh] * 150, norm, affine], n_in=3)
    found = repeated(net)
    assert found is not None
    assert (len(found.before), len(found.pattern), found.times, len(found.after)) == (0, 2, 150, 3)
    assert repr(found.network(150)) == repr(net)


def test_no_pattern():
    assert repeated(Network([affine, tanh] * (DEEP // 2 - 1), n_in=3)) is None  # not deep
    changing = [prograd.layer("affine", width=2 + (k * k) % (LONGEST + 7)) for k in range(DEEP)]
    assert repeated(Network(changing, n_in=3)) is None


def test_values_are_continued_exactly():
    net = Network([tanh] * 10_007, n_in=3)
    found = repeated(net)
    assert found is not None
    depths = [len(one.layers) for one in found.shallow()]
    assert found.continued([d * (d + 1) // 2 for d in depths]) == 10_007 * 10_008 // 2
    assert found.continued([7 * d - 3 for d in depths]) == 7 * 10_007 - 3
    assert found.continued([d**3 for d in depths]) is None
    assert found.continued([d // 24 for d in depths]) is None  # 10,007 is no multiple of the step
