"""What one gradient costs in each mode."""

from __future__ import annotations

import prograd
from prograd_experiments.problems import BATCHES, DEPTHS, WIDTHS, Problem

from .sampling import alternate, peak_bytes, statistics


class Gradient:
    """One gradient of an MLP: depth affine layers of a width, a batch of samples, each mode."""

    params = (DEPTHS, WIDTHS, BATCHES, prograd.MODES)
    param_names = ("depth", "width", "batch", "mode")
    timeout = 120

    def setup(self, depth: int, width: int, batch: int, mode: str) -> None:
        f, w = Problem(depth, width, batch).objective()
        self.gradient = lambda: f.gradient(w, mode=mode)

    def track_seconds(self, depth: int, width: int, batch: int, mode: str) -> dict[str, object]:
        return statistics([seconds for (seconds,) in alternate([self.gradient])])

    track_seconds.unit = "seconds"

    def track_peak_bytes(self, depth: int, width: int, batch: int, mode: str) -> int:
        return peak_bytes(self.gradient)

    track_peak_bytes.unit = "bytes"
