"""What tells runs apart, and how they and their scores are written."""

from __future__ import annotations

from collections.abc import Sequence

from prograd_experiments.rows import NOTHING, Row, varying
from prograd_experiments.units import three

POINT = (
    *("data", "network", "depth", "width", "activation", "loss"),
    *("optimizer", "mode", "epochs", "dtype", "threads", "seed"),
)
"""The columns that tell points apart."""

ACCURACY = "accuracy"
ERROR = "root mean square error in standard deviations"


def label(row: Row, rows: Sequence[Row]) -> str:
    """A run in words: what tells it apart, or data and network if nothing does."""
    return ", ".join(f"{key} {row[key]}" for key in varying(rows, POINT)) or f"{row['data']}, {row['network']}"


def score_text(value: float | None, row: Row) -> str:
    """An accuracy in percent, an error with three digits."""
    if value is None:
        return NOTHING
    return f"{100 * value:.1f} %" if row["score_is"] == ACCURACY else three(value)
