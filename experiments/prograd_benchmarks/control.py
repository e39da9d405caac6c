"""Work that runs nobody's code: it takes the same time in every revision, unless the machine has changed.

A suite has controls if its module `control` says `from prograd_benchmarks.control import Control`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prograd_benchmarks.timing import Statistics, ratio, seconds, statistics

LOOPS = 20_000
SIZE = 256


def python_loop() -> Callable[[], object]:
    """A loop in Python of about a millisecond: the interpreter's speed."""

    def loop() -> int:
        total = 0
        for k in range(LOOPS):
            total += k & 3
        return total

    return loop


def product() -> Callable[[], object]:
    """A product of two matrices of 256 × 256, written into the same array each time: the speed of BLAS."""
    a, b = (np.random.default_rng(seed).normal(size=(SIZE, SIZE)) for seed in (0, 1))
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


class Control:
    """The benchmarks that tell a machine that changed from a revision that got slower, in each unit that has noise."""

    timeout = 60

    def track_python_loop(self) -> Statistics:
        """Seconds of a loop in Python."""
        return statistics(seconds({"": python_loop()})[""])

    track_python_loop.unit = "seconds"  # type: ignore[attr-defined]

    def track_product(self) -> Statistics:
        """Seconds of a product of NumPy's."""
        return statistics(seconds({"": product()})[""])

    track_product.unit = "seconds"  # type: ignore[attr-defined]

    def track_python_loop_over_product(self) -> Statistics:
        """The ratio of the two, as a ratio of two calls that take turns."""
        return ratio(python_loop(), product())

    track_python_loop_over_product.unit = "ratio"  # type: ignore[attr-defined]
