"""Work that runs nobody's code: it takes the same time in every revision, unless the machine has changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

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
