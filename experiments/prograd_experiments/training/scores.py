"""What a score is called, which are better if they are higher, and how each is written."""

from __future__ import annotations

from prograd.units import three
from prograd_experiments.rows import NOTHING, Row

ACCURACY = "accuracy"
R_SQUARED = "R²"
HIGHER = (ACCURACY, R_SQUARED)
"""The scores that are better if they are higher."""


def score_text(value: float | None, row: Row) -> str:
    """An accuracy in percent, another score with three digits."""
    if value is None:
        return NOTHING
    return f"{100 * value:.1f} %" if row["score_is"] == ACCURACY else three(value)
