"""How much faster the fast transform is than a dense matrix, and what gradients cost with it."""

from __future__ import annotations

import numpy as np
from prograd_rates import SignedHadamard

import prograd
from prograd.operators import Dense
from prograd_benchmarks import counts
from prograd_benchmarks.timing import Statistics, ratio, seconds, statistics

SIZES = (64, 1024)


class Hadamard:
    """`vjp_sum` of a square transform, for 32 samples."""

    params = (SIZES,)
    param_names = ("size",)

    def setup(self, size: int) -> None:
        rng = np.random.default_rng(0)
        H = SignedHadamard(rng.choice((-1.0, 1.0), size=(1, size)), rows=size, cols=size)
        dense = Dense(H.dense()[0])
        q, p = rng.normal(size=(32, size)), np.empty(size)
        self.fast = lambda: H.vjp_sum(q, p)
        self.dense = lambda: dense.vjp_sum(q, p)

    def track_fast_over_dense(self, size: int) -> Statistics:
        return ratio(self.fast, self.dense)

    track_fast_over_dense.unit = "ratio"

    def track_multiply_adds(self, size: int) -> int:
        return counts.multiply_adds(self.fast)

    track_multiply_adds.unit = "multiply-adds"

    def track_peak_bytes(self, size: int) -> int:
        return counts.peak_bytes(self.fast)

    track_peak_bytes.unit = "bytes"


class Rates:
    """A gradient with the layer and the loss of the plugin, in both modes."""

    params = (("reverse", "forward"),)
    param_names = ("mode",)

    def setup(self, mode: str) -> None:
        layers = [{"name": "fourier_features", "features": 64}, {"name": "affine", "width": 1}]
        net = prograd.Network.from_config(layers, n_in=2)
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(32, 2)), rng.poisson(1.0, size=(32, 1))
        f, w = prograd.Objective(net, prograd.loss("poisson"), x, y), net.init(rng)
        self.tape = f.tape(mode)
        self.gradient = lambda: f.gradient(w, mode=mode)

    def track_seconds(self, mode: str) -> Statistics:
        return statistics(seconds({mode: self.gradient})[mode])

    track_seconds.unit = "seconds"

    def track_instructions(self, mode: str) -> int:
        return len(self.tape.instructions)

    track_instructions.unit = "instructions"

    def track_python_calls(self, mode: str) -> int:
        with counts.interpreted():
            return counts.python_calls(self.gradient)

    track_python_calls.unit = "calls"
