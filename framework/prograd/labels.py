"""Labels as vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array
from prograd.errors import LabelError


def one_hot(labels: ArrayLike, K: int) -> Array:
    """`e_k` for each label k in 0 … K−1: `(N,) -> (N, K)`, and one label gives `(K,)`. Raises `LabelError`."""
    k = np.asarray(labels)
    whole = k.dtype.kind in "iu" or (k.dtype.kind == "f" and bool(np.all(np.mod(k, 1) == 0)))
    if not whole or k.ndim > 1:
        raise LabelError(f"one_hot: expected a vector of integers, got {k.dtype} of shape {k.shape}")
    if k.size and (k.min() < 0 or k.max() >= K):
        raise LabelError(f"one_hot: expected labels in 0 … {K - 1}, got {k.min()} … {k.max()}")
    return np.eye(K)[k.astype(np.intp)]
