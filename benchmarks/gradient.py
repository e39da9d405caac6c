"""How long one gradient takes in each mode."""

from __future__ import annotations

from benchmarks.modes import EachMode
from prograd_benchmarks.timing import seconds, statistics


class Gradient(EachMode):
    """One gradient of an MLP."""

    def track_seconds(self, depth: int, width: int, batch: int, mode: str) -> dict[str, object]:
        return statistics(seconds({mode: self.gradient})[mode])

    track_seconds.unit = "seconds"  # type: ignore[attr-defined]
