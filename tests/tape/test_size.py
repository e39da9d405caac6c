"""A recording takes a few bytes for each instruction, and none for the arrays: these have no numbers."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import prograd
from prograd.modes import MODES, Evaluation
from prograd.modes.samples import per_sample_gradients
from prograd.tape.recorder import Recorder
from prograd.testing.in_network import HalfSquare
from tests.helpers.networks import EXAMPLES

MANY = 2 * 10**5
LEAST = 2 * 10**5  # bytes of objects that a recording always takes
OF_ONE = 2000  # bytes of an instruction: itself, its views, what made it
LOSSES = [
    pytest.param(loss, z.shape[1], y.shape[1:], id=f"{name}-{k}")
    for name, kind in sorted(prograd.registry().losses.items())
    for k, (loss, z, y) in enumerate(kind.examples())
]


def recorded(function: Callable[..., None], inputs: list[Any], outputs: list[Any]) -> tuple[int, int]:
    """The most bytes at a time during a recording, and its number of instructions."""
    recorder, dtype = Recorder(), np.dtype(np.float64)
    tracemalloc.start()
    try:
        given = [recorder.input(shape, dtype) for shape in inputs]
        function(*given, *(recorder.output(shape, dtype) for shape in outputs))
        recorder.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak, len(recorder.instructions)


def assert_holds_no_numbers(function: Callable[..., None], inputs: list[Any], outputs: list[Any]) -> None:
    """In one of two recordings: a cache of the whole process may happen to grow during one."""
    peaks = (recorded(function, inputs, outputs) for _ in range(2))
    assert any(peak < LEAST + OF_ONE * instructions for peak, instructions in peaks)


def assert_recordings_hold_no_numbers(
    net: prograd.Network, loss: prograd.Loss, labels: tuple[int, ...], modes: list[str], samples: int = MANY
) -> None:
    """Gradients and Jacobians in these modes, and gradients of samples."""
    w, x, y = (net.size,), (samples, net.n[0]), (samples, *labels)

    def at(w: Any, x: Any, y: Any) -> Evaluation:
        return Evaluation(net, loss, w, net.unpack(w), x, y)

    for mode in (MODES[name] for name in modes):
        assert_holds_no_numbers(lambda w, x, y, p, mode=mode: mode.gradient(at(w, x, y), p, None), [w, x, y], [w])
        assert_holds_no_numbers(
            lambda w, x, y, J, mode=mode: mode.jacobian(at(w, x, y).linearization(), J, None),
            [w, x, y],
            [(samples, net.n[-1], net.size)],
        )
    assert_holds_no_numbers(lambda w, x, y, p: per_sample_gradients(at(w, x, y), p), [w, x, y], [(samples, net.size)])


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "n_in"), EXAMPLES)
def test_every_layer(layer: prograd.Layer, n_in: int) -> None:
    n, _ = layer.shapes(n_in)
    net = prograd.Network([prograd.layer("scale_shift"), layer, prograd.layer("affine", width=2)], n_in)
    # With so many samples, forward and factored mode take column after column.
    modes = list(MODES) if max(n, n_in) < 10 else ["reverse"]
    assert_recordings_hold_no_numbers(net, HalfSquare(), (2,), modes)


@pytest.mark.parametrize(("loss", "n", "labels"), LOSSES)
def test_every_loss(loss: prograd.Loss, n: int, labels: tuple[int, ...]) -> None:
    net = prograd.Network([prograd.layer("affine", width=n)], 3)
    assert_recordings_hold_no_numbers(net, loss, labels, ["reverse"])


@pytest.mark.parametrize("name", ["tanh", "softmax", "layer_norm", "scale_shift"])
def test_wide_layers(name: str) -> None:
    net = prograd.Network([prograd.layer(name), prograd.layer("affine", width=20_000), prograd.layer(name)], 20_000)
    assert_recordings_hold_no_numbers(net, HalfSquare(), (20_000,), ["reverse"], samples=10)


def test_indices_that_are_arrays() -> None:
    def permuted(z: Any, out: Any) -> None:
        out[...] = z[:, [3, 1, 0, 2]][:, :2]
        z[:, np.array([True, False, False, True])] * 2

    assert_holds_no_numbers(permuted, [(10**7, 4)], [(10**7, 2)])
