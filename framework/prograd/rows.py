"""Row by row: which entry is the largest, and sums that leave out an entry. No digits are lost, nothing overflows.

A derivative such as `1 − p_k` is lost in rounding where `p_k` is near one. As `Σ_{j≠k} p_j` it keeps all digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prograd.arrays import Array

MOST = 0.75  # of two numbers: their difference has lost two bits
Mask = np.ndarray[Any, np.dtype[np.bool_]]


def first_maximum(a: Array) -> Mask:
    """Where each row's largest entry is, the first of equals: `(..., n) -> (..., n)`, true once in each row.

    >>> prograd.rows.first_maximum(np.array([[1.0, 5.0, 5.0]]))
    array([[False,  True, False]])
    """
    k = np.arange(a.shape[-1], dtype=a.dtype)
    attained = np.where(a == np.maximum.reduce(a, axis=-1, keepdims=True), k, np.inf)
    first: Mask = k == np.minimum.reduce(attained, axis=-1, keepdims=True)
    return first


def others(a: Array) -> Array:
    """`Σ_{j≠k} a_j` for each entry `a_k` of a row of numbers that are not negative: `(..., n) -> (..., n)`.

    >>> prograd.rows.others(np.array([[1.0, 2.0, 4.0]]))
    array([[6., 5., 3.]])
    """
    total = np.add.reduce(a, axis=-1, keepdims=True)
    most = a > MOST * total  # one entry, if any: the difference would lose its digits
    rest = np.add.reduce(np.where(most, 0, a), axis=-1, keepdims=True)
    return np.where(most, rest, total - a)


def norm(a: Array, also: Array | float = 0.0) -> Array:
    """`√(Σ_k a_k² + also²)`, `(..., n) -> (..., 1)`: no square overflows, and none is lost.

    >>> prograd.rows.norm(np.array([[3e200, 4e200]]))
    array([[5.e+200]])
    """
    size = np.abs(a)
    largest = np.maximum.reduce(size, axis=-1, keepdims=True, initial=0)
    size /= np.where(largest > 0, largest, 1)
    root = np.sqrt(np.vecdot(size, size)[..., None])
    root *= largest
    length: Array = np.hypot(root, also)
    return length
