"""How far two results of one computation may be apart."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]

SAFETY = 16
REASON = (
    "A chain of products whose inner sums have n_i terms, one for each layer, and a mean over N samples lose about "
    "(N + sum n_i) units of rounding at worst, in norm and without cancellation; the factor 16 leaves room for it."
)


def tolerance(terms: int, dtype: np.dtype[Any]) -> float:
    """What rounding explains of a relative difference, for `terms = N + Σ n_i`; see `REASON`."""
    return SAFETY * terms * float(np.finfo(dtype).eps)


def relative_difference(a: Array, reference: Array) -> float:
    """The norm of the difference over the reference's, which is float64; not a number where `a` is not finite."""
    scale = float(np.linalg.norm(reference))
    return float(np.linalg.norm(a - reference)) / (scale if scale > 0 else 1.0)
