"""What one gradient costs in each mode."""

from __future__ import annotations

import prograd
from prograd_experiments.problems import BATCHES, DEPTHS, WIDTHS, Mlp

from .sampling import peak_bytes, seconds, statistics


class Gradient:
    """One gradient of an MLP: depth affine layers of a width, a batch of samples, each mode."""

    params = (DEPTHS, WIDTHS, BATCHES, prograd.MODES)
    param_names = ("depth", "width", "batch", "mode")
    timeout = 120

    def setup(self, depth: int, width: int, batch: int, mode: str) -> None:
        f, w = Mlp(depth, width, batch).objective()
        self.gradient = lambda: f.gradient(w, mode=mode)

    def track_seconds(self, depth: int, width: int, batch: int, mode: str) -> dict[str, object]:
        return statistics(seconds({mode: self.gradient})[mode])

    track_seconds.unit = "seconds"  # type: ignore[attr-defined]

    def track_peak_bytes(self, depth: int, width: int, batch: int, mode: str) -> int:
        return peak_bytes(self.gradient)

    track_peak_bytes.unit = "bytes"  # type: ignore[attr-defined]
