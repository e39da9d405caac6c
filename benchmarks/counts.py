"""What one gradient does, counted: no clock, no noise, the same on every machine."""

from __future__ import annotations

import prograd
from prograd_benchmarks import counts
from prograd_experiments.problems import BATCHES, DEPTHS, MODES, WIDTHS, Mlp


class Counts:
    """One gradient of an MLP: depth affine layers of a width, a batch of samples, each mode."""

    params = (DEPTHS, WIDTHS, BATCHES, MODES)
    param_names = ("depth", "width", "batch", "mode")
    timeout = 120

    def setup(self, depth: int, width: int, batch: int, mode: str) -> None:
        if mode not in prograd.MODES:  # a revision from before it: to asv, this says that there is nothing to measure
            raise NotImplementedError
        f, w = Mlp(depth, width, batch).objective()
        self.gradient = lambda: f.gradient(w, mode=mode)

    def track_python_calls(self, depth: int, width: int, batch: int, mode: str) -> int:
        return counts.python_calls(self.gradient)

    track_python_calls.unit = "calls"  # type: ignore[attr-defined]

    def track_multiply_adds(self, depth: int, width: int, batch: int, mode: str) -> int:
        return counts.multiply_adds(self.gradient)

    track_multiply_adds.unit = "multiply-adds"  # type: ignore[attr-defined]

    def track_peak_bytes(self, depth: int, width: int, batch: int, mode: str) -> int:
        return counts.peak_bytes(self.gradient)

    track_peak_bytes.unit = "bytes"  # type: ignore[attr-defined]
