"""What a gradient through the layer costs: exact counts, and its time in products of matrices."""

from __future__ import annotations

import my_plugin
import numpy as np

import prograd
from prograd_benchmarks import control, counts
from prograd_benchmarks.timing import Statistics, ratio

WIDTH, SAMPLES = 64, 32


class Gradient:
    """The layer between two affine ones."""

    params = (("reverse", "forward"),)
    param_names = ("mode",)

    def setup(self, mode: str) -> None:
        layers = [prograd.layer("affine", width=WIDTH), my_plugin.MyLayer(), prograd.layer("affine", width=1)]
        net = prograd.Network(layers, n_in=WIDTH)
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(SAMPLES, WIDTH)), np.zeros((SAMPLES, 1))
        self.f, w = prograd.Objective(net, prograd.loss("squared_error"), x, y), net.init(rng)
        self.gradient = lambda: self.f.gradient(w, mode=mode)

    def track_instructions(self, mode: str) -> int:
        """What a replay does. No machine is too busy for a count, and one that grows is a regression."""
        return len(self.f.tape(mode).instructions)

    track_instructions.unit = "instructions"

    def track_multiply_adds(self, mode: str) -> int:
        """The work of the operators."""
        with counts.interpreted():
            return counts.multiply_adds(self.gradient)

    track_multiply_adds.unit = "multiply-adds"

    def track_python_calls(self, mode: str) -> int:
        """What Python does before there is a tape."""
        with counts.interpreted():
            return counts.python_calls(self.gradient)

    track_python_calls.unit = "calls"

    def track_gradient_over_product(self, mode: str) -> Statistics:
        """Time, in units that a slower machine does not change."""
        return ratio(self.gradient, control.product())

    track_gradient_over_product.unit = "ratio"
