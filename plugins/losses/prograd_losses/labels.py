"""What a label may be: checked once when an objective is built; the message says which row it is and what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prograd.errors import LabelError

if TYPE_CHECKING:
    from prograd import Array, Loss

# Labels that were normalised in float32 miss a sum of 1 by a rounding error (6e-8) for each of their entries. A label
# that is wrong (a class index, a count, two ones) misses it by far more.
_ROUNDING = float(np.finfo(np.float32).eps)


def in_unit_interval(loss: Loss, y: Array) -> None:
    """Raises `LabelError` unless every entry lies in [0, 1]."""
    inside = (y >= 0) & (y <= 1)
    if not inside.all():
        row, k = (int(i) for i in np.argwhere(~inside)[0])
        msg = (
            f"{loss.name}: expected labels in [0, 1], got y[{row}, {k}] = {y[row, k]:g} in row {row}: {_shown(y[row])}"
        )
        raise LabelError(msg)


def in_simplex(loss: Loss, y: Array) -> None:
    """Raises `LabelError` unless every row is non-negative and sums to 1, up to rounding in float32."""
    sums = np.add.reduce(y, axis=-1)
    wrong = (y < 0).any(axis=-1) | ~(np.abs(sums - 1) <= _ROUNDING * (8 + y.shape[-1]))
    if wrong.any():
        row = int(np.argmax(wrong))
        msg = (
            f"{loss.name}: expected each label to be a point of the simplex (no entry negative, sum 1), "
            f"got row {row}: {_shown(y[row])} with sum {sums[row]:.9g}"
        )
        raise LabelError(msg)


def one_hot(loss: Loss, y: Array) -> None:
    """Raises `LabelError` unless every row has at least two entries, one of them 1 and the others 0."""
    if y.shape[-1] < 2:  # a margin needs a class to be compared with
        msg = f"{loss.name}: expected labels of at least two classes, got {y.shape[-1]}"
        raise LabelError(msg)
    wrong = ~(((y == 0) | (y == 1)).all(axis=-1) & (np.add.reduce(y, axis=-1) == 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        msg = f"{loss.name}: expected one-hot labels (one entry 1, the others 0), got row {row}: {_shown(y[row])}"
        raise LabelError(msg)


def _shown(row: Array) -> str:
    return np.array2string(row, precision=6, threshold=8, edgeitems=3)
