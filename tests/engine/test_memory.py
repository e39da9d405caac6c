"""The process keeps freed memory, unless the user switches that off."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import prograd

FAULTS = """
import resource, numpy as np, prograd
from prograd.memory import keep_freed_memory

rng = np.random.default_rng(0)
net = prograd.Network([prograd.layer("affine", width=256), prograd.layer("tanh")] * 8, 256)
f = prograd.Objective(net, prograd.loss("squared_error"), rng.normal(size=(200, 256)), rng.normal(size=(200, 256)))
w = net.init(rng)
for _ in range(3):
    f.gradient(w)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    f.gradient(w)
print(keep_freed_memory(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def kept_and_faults(keep):
    command = [sys.executable, "-c", FAULTS]
    env = os.environ | {"PROGRAD_KEEP_MEMORY": keep, "OPENBLAS_NUM_THREADS": "1", "MALLOC_TOP_PAD_": "0"}
    output = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.split()
    return output[0] == "True", int(output[1])


@pytest.mark.starts_processes
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are counted with Linux in mind")
def test_a_gradient_after_the_first_needs_no_new_pages():
    kept, faults = kept_and_faults("1")
    if not kept:
        pytest.skip("this C library has no mallopt")
    assert faults < 100
    assert kept_and_faults("0")[1] > 1000  # ten gradients of 8 MiB each: without the setting, their pages come and go


@pytest.mark.starts_processes
def test_the_allocator_can_be_left_alone():
    assert not kept_and_faults("0")[0]


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 200, 5000])  # the last in shards
def test_the_peak_of_reverse_mode_is_activations_and_gradient(samples, peak):
    rng = np.random.default_rng(0)
    net = prograd.Network([prograd.layer("affine", width=100), prograd.layer("tanh")] * 12, 100)
    x, y = rng.normal(size=(2, samples, 100))
    f = prograd.Objective(net, prograd.loss("squared_error"), x, y)
    w = net.init(rng)
    assert peak(lambda: f.gradient(w)) <= 1.2 * 8 * (samples * sum(net.n) + net.size)
