"""What one gradient does, counted: no clock, no noise, the same on every machine."""

from __future__ import annotations

import prograd
from benchmarks.modes import EachMode
from prograd_benchmarks import counts
from prograd_benchmarks.problems import MODES, Mlp


class Tapes(EachMode):
    """The tape of one gradient of an MLP: what its replays do."""

    def setup(self, depth: int, width: int, batch: int, mode: str) -> None:
        super().setup(depth, width, batch, mode)
        _needs_tapes(self.f)
        self.tape = self.f.tape(self.mode)

    def track_instructions(self, depth: int, width: int, batch: int, mode: str) -> int:
        return len(self.tape.instructions)

    track_instructions.unit = "instructions"  # type: ignore[attr-defined]

    def track_scratch_bytes(self, depth: int, width: int, batch: int, mode: str) -> int:
        return self.tape.scratch_bytes

    track_scratch_bytes.unit = "scratch-bytes"  # type: ignore[attr-defined]

    def track_multiply_adds(self, depth: int, width: int, batch: int, mode: str) -> int:
        return self.tape.multiply_adds

    track_multiply_adds.unit = "multiply-adds"  # type: ignore[attr-defined]


class Replays:
    """What Python does around a replay: the same for networks of all sizes."""

    params = (MODES,)
    param_names = ("mode",)

    def setup(self, mode: str) -> None:
        f, w = Mlp(2, 8).objective()
        _needs_tapes(f)
        self.gradient = lambda: f.gradient(w, mode=prograd.mode(mode))

    def track_python_calls(self, mode: str) -> int:
        return counts.python_calls(self.gradient)  # the least of several: of replays

    track_python_calls.unit = "calls"  # type: ignore[attr-defined]


class Counts(EachMode):
    """One interpreted gradient of an MLP: what a tape is recorded from, and what runs where nothing can be recorded."""

    def track_python_calls(self, depth: int, width: int, batch: int, mode: str) -> int:
        with counts.interpreted():
            return counts.python_calls(self.gradient)

    track_python_calls.unit = "calls"  # type: ignore[attr-defined]

    def track_peak_bytes(self, depth: int, width: int, batch: int, mode: str) -> int:
        with counts.interpreted():
            return counts.peak_bytes(self.gradient)

    track_peak_bytes.unit = "bytes"  # type: ignore[attr-defined]


def _needs_tapes(f: object) -> None:
    if not hasattr(f, "tape"):  # an older revision; asv takes this error for "nothing to measure"
        raise NotImplementedError
