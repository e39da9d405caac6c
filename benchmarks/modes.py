"""One gradient of an MLP in each mode, for benchmarks to measure."""

from __future__ import annotations

import prograd
from prograd_experiments.problems import BATCHES, DEPTHS, MODES, WIDTHS, Mlp


class EachMode:
    """Depth affine layers of a width, a batch of samples, each mode. Meant to be subclassed."""

    params = (DEPTHS, WIDTHS, BATCHES, MODES)
    param_names = ("depth", "width", "batch", "mode")
    timeout = 120

    def setup(self, depth: int, width: int, batch: int, mode: str) -> None:
        if mode not in prograd.MODES:  # a revision from before it: to asv, this says that there is nothing to measure
            raise NotImplementedError
        f, w = Mlp(depth, width, batch).objective()
        self.gradient = lambda: f.gradient(w, mode=prograd.mode(mode))
