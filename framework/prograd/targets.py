"""The labels of an objective, checked: a row of the network's outputs for each sample, in the domain of the loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, as_real
from prograd.errors import LabelError, ShapeError
from prograd.loss import Loss
from prograd.network import Network, check_finite


def targets(net: Network, loss: Loss, y: ArrayLike, x: Array, *, one: bool) -> Array:
    """`y` as `(N, n_{L+1})`, for the samples `x` `(N, n_1)`; where they are `one` sample alone, it has no sample axis.

    Raises `ShapeError`, `NonFiniteError` and `LabelError`.
    """
    n = net.n[-1]
    y = as_real(y, "y")
    expected = (n,) if one else (len(x), n)
    if y.shape != expected:
        hint = ""
        if n == 1 and y.size == len(x):
            hint = f"; y.reshape{expected} has it" if y.ndim else f"; np.reshape(y, {expected}) has it"
        elif y.ndim < len(expected):
            hint = "; prograd.one_hot(labels, K) makes vectors of class numbers"
        raise ShapeError(
            f"y: expected shape {expected}, a row for each sample and {n} outputs of {net.describe(-1)}, "
            f"got {y.shape}{hint}"
        )
    check_finite(y, "y")
    with np.errstate(over="ignore"):
        check_finite(y.astype(x.dtype, copy=False), f"y in {x.dtype}, which x has")
    y = np.atleast_2d(y)
    try:
        loss.check(np.zeros(y.shape), y.astype(np.float64, copy=False))
    except LabelError as error:
        told = str(error)
        raise LabelError(told if loss.name in told else f"loss {loss.name}: {told}") from error
    return y
