"""Checks of labels. An objective makes them once, when it is built; the message names the row and its label."""

from __future__ import annotations

from typing import Final

import numpy as np

from prograd import Array, Loss
from prograd.errors import LabelError

# Labels that were normalized in float32 miss a sum of 1 by a rounding error (6e-8) for each of their entries. A label
# that is wrong (a class index, a count, two ones) misses it by far more.
_ROUNDING: Final = float(np.finfo(np.float32).eps)


def check_unit_interval(loss: Loss, y: Array) -> None:
    """Raise `LabelError` unless every entry lies in [0, 1]."""
    wrong = ~((y >= 0) & (y <= 1))
    if wrong.any():
        row, k = (int(i) for i in np.argwhere(wrong)[0])
        raise LabelError(f"{loss.name}: expected labels in [0, 1], got y[{row}, {k}] = {y[row, k]:g}")


def check_simplex(loss: Loss, y: Array) -> None:
    """Raise `LabelError` unless every row is non-negative and sums to 1, up to rounding in float32."""
    sums = np.add.reduce(y, axis=-1)
    wrong = (y < 0).any(axis=-1) | ~(np.abs(sums - 1) <= _ROUNDING * (8 + y.shape[-1]))
    _refuse(loss, y, "each label to be a point of the simplex (no entry negative, sum 1)", wrong)


def check_one_hot(loss: Loss, y: Array) -> None:
    """Raise `LabelError` unless every row has at least two entries, one of them 1 and the others 0."""
    if y.shape[-1] < 2:  # a margin needs a class to compare with
        raise LabelError(f"{loss.name}: expected labels of at least two classes, got {y.shape[-1]}")
    wrong = ~(((y == 0) | (y == 1)).all(axis=-1) & (np.add.reduce(y, axis=-1) == 1))
    _refuse(loss, y, "one-hot labels (one entry 1, the others 0)", wrong)


def _refuse(loss: Loss, y: Array, expected: str, wrong: Array) -> None:
    """Raise `LabelError` for the first of the rows that are wrong, if any is."""
    if wrong.any():
        row = int(np.argmax(wrong))
        got = np.array2string(y[row], precision=6, threshold=8, edgeitems=3)
        raise LabelError(f"{loss.name}: expected {expected}, got row {row}: {got} with sum {y[row].sum():.9g}")
