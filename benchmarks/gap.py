"""The gap between the modes, as a ratio of paired samples."""

from __future__ import annotations

from prograd_experiments.problems import BATCHES, DEPTHS, WIDTHS, Mlp

from .sampling import seconds, statistics


class Gap:
    """How reverse mode's time compares with forward mode's, for one gradient of an MLP."""

    params = (DEPTHS, WIDTHS, BATCHES)
    param_names = ("depth", "width", "batch")
    timeout = 120

    def setup(self, depth: int, width: int, batch: int) -> None:
        f, w = Mlp(depth, width, batch).objective()
        self.modes = {
            "reverse": lambda: f.gradient(w, mode="reverse"),
            "forward": lambda: f.gradient(w, mode="forward"),
        }

    def track_reverse_over_forward(self, depth: int, width: int, batch: int) -> dict[str, object]:
        # Reverse over forward and not the gap itself: to asv, bigger is worse.
        samples = seconds(self.modes)
        # Four digits, since asv prints all that there are; the fifth is noise.
        return statistics([float(f"{r / f:.4g}") for r, f in zip(samples["reverse"], samples["forward"], strict=True)])

    track_reverse_over_forward.unit = "ratio"  # type: ignore[attr-defined]
