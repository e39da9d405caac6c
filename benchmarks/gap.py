"""The gap between the modes, and each mode over the matrix products that it needs: ratios within turns."""

from __future__ import annotations

from prograd_benchmarks import floor
from prograd_benchmarks.problems import BATCHES, DEPTHS, WIDTHS, Mlp
from prograd_benchmarks.timing import ratio


class Gap:
    """One gradient of an MLP. Reverse over forward, the inverse of the gap: asv takes bigger for worse."""

    params = (DEPTHS, WIDTHS, BATCHES)
    param_names = ("depth", "width", "batch")
    timeout = 120

    def setup(self, depth: int, width: int, batch: int) -> None:
        problem = Mlp(depth, width, batch)
        f, w = problem.objective()
        self.reverse = lambda: f.gradient(w, mode="reverse")
        self.forward = lambda: f.gradient(w, mode="forward")
        self.floor_of_reverse = floor.reverse(problem.shapes, batch)
        self.floor_of_forward = floor.forward(problem.shapes, batch)

    def track_reverse_over_forward(self, depth: int, width: int, batch: int) -> dict[str, object]:
        return ratio(self.reverse, self.forward)

    track_reverse_over_forward.unit = "ratio"  # type: ignore[attr-defined]

    def track_reverse_over_floor(self, depth: int, width: int, batch: int) -> dict[str, object]:
        return ratio(self.reverse, self.floor_of_reverse)

    track_reverse_over_floor.unit = "ratio"  # type: ignore[attr-defined]

    def track_forward_over_floor(self, depth: int, width: int, batch: int) -> dict[str, object]:
        return ratio(self.forward, self.floor_of_forward)

    track_forward_over_floor.unit = "ratio"  # type: ignore[attr-defined]
