"""The sums that an evaluation ends with: of the losses, of the penalties, and of `w`, by which a NaN is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from prograd.arrays import Array
from prograd.layer import Parameters
from prograd.modes import Evaluation

SUMS: Final = 2  # of the losses, and of `w`; a third one is that of the penalties, if there are any
LARGE_BYTES: Final = 2**19  # of `w`: more does not stay in a core's cache from one product to the next
Totals: TypeAlias = tuple[Array, Array | None]
"""The sum of the losses, and that of the penalties if there are any."""


def close(sums: Array, totals: Totals, at: Evaluation) -> None:
    """Writes the sums of the losses and of `w`, which is finite only where `w` is, and that of the penalties."""
    total, penalty = totals
    sums[0], sums[1] = total, np.add.reduce(at.w) if at.w.nbytes < LARGE_BYTES else _by_rows(at.parameters)
    if penalty is not None:
        sums[SUMS] = penalty


def _by_rows(parameters: Sequence[Parameters]) -> Array:
    """The sum of all entries. A tape adds up the rows of a matrix while the product that needs them has them."""
    arrays = [a for of_layer in parameters for a in of_layer.values()]
    rows = (a if a.ndim < 2 else np.add.reduce(a.reshape(len(a), -1), axis=1) for a in arrays if a.size)
    return sum(map(_total, rows), start=np.zeros((), arrays[0].dtype))


def _total(a: Array) -> Array:
    total: Array = np.add.reduce(a, axis=None)
    return total
