"""What one gradient does, counted: no clock, no noise, the same on every machine."""

from __future__ import annotations

from benchmarks.modes import EachMode
from prograd_benchmarks import counts


class Counts(EachMode):
    """One gradient of an MLP."""

    def track_python_calls(self, depth: int, width: int, batch: int, mode: str) -> int:
        return counts.python_calls(self.gradient)

    track_python_calls.unit = "calls"  # type: ignore[attr-defined]

    def track_multiply_adds(self, depth: int, width: int, batch: int, mode: str) -> int:
        return counts.multiply_adds(self.gradient)

    track_multiply_adds.unit = "multiply-adds"  # type: ignore[attr-defined]

    def track_peak_bytes(self, depth: int, width: int, batch: int, mode: str) -> int:
        return counts.peak_bytes(self.gradient)

    track_peak_bytes.unit = "bytes"  # type: ignore[attr-defined]
