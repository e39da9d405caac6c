"""One gradient of an MLP in each mode, shared by several benchmarks."""

from __future__ import annotations

import prograd
from prograd_benchmarks.problems import BATCHES, DEPTHS, MODES, WIDTHS, Mlp


class EachMode:
    """An MLP of each depth and width, each batch, each mode. Meant to be subclassed."""

    params = (DEPTHS, WIDTHS, BATCHES, MODES)
    param_names = ("depth", "width", "batch", "mode")
    timeout = 120

    def setup(self, depth: int, width: int, batch: int, mode: str) -> None:
        if mode not in prograd.MODES:  # an older revision; asv takes this error for "nothing to measure"
            raise NotImplementedError
        self.mode = prograd.mode(mode)
        self.f, w = Mlp(depth, width, batch).objective()
        self.gradient = lambda: self.f.gradient(w, mode=self.mode)
