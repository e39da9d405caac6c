"""Labels as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prograd.errors import LabelError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from prograd.arrays import Array


def one_hot(labels: ArrayLike, K: int) -> Array:
    """`e_k` for each label k in 0 … K−1: `(N,) -> (N, K)`, and one label gives `(K,)`. Raises `LabelError`."""
    k = np.asarray(labels)
    whole = k.dtype.kind in "iu" or (k.dtype.kind == "f" and bool(np.all(np.mod(k, 1) == 0)))
    if not whole or k.ndim > 1:
        msg = f"one_hot: expected a vector of integers, got {k.dtype} of shape {k.shape}"
        raise LabelError(msg)
    if k.size and (k.min() < 0 or k.max() >= K):
        msg = f"one_hot: expected labels in 0 … {K - 1}, got {k.min()} … {k.max()}"
        raise LabelError(msg)
    return np.eye(K)[k.astype(np.intp)]
