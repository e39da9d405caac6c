"""Arrays that are equal up to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

ROUNDING = 1e-11
"""Enough for the last bits of a few thousand additions of numbers near one."""


def assert_close(actual: Any, expected: Any, rounding: float = ROUNDING, least: float = 1) -> None:
    """Assert that two arrays are equal up to `rounding`, relative to their largest entry or to `least`."""
    assert np.shape(actual) == np.shape(expected)
    scale = max(least, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual, expected, rtol=rounding, atol=rounding * scale)
