"""The weights of the samples of an objective, given one by one or by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from prograd.arrays import Array, as_real
from prograd.errors import LabelError, OptionError, ShapeError
from prograd.network import check_finite

ROUNDING: Final = 1e-5  # of the sum of a label whose entries were rounded to float32


def sample_weights(
    weights: ArrayLike | Mapping[int, float], y: Array, dtype: np.dtype[Any], *, one: bool = False
) -> Array:
    """`c`, `(N,)`: the weights themselves, or for a mapping `{class: weight}` those of the classes of the labels.

    `y` are the labels, `(N, n)`, and `dtype` is what the weights have to be finite in. `one` says that they are for one
    sample without an axis. Raises `ShapeError`, `NonFiniteError`, `OptionError` for negative weights and for classes
    that are missing or that there are not, and `LabelError` if `y` are not classes.
    """
    if isinstance(weights, Mapping):
        return _of_classes(weights, y, dtype)
    c = as_real(weights, "weights")
    expected = () if one else y.shape[:1]
    if c.shape != expected:
        hint = "; a mapping {class: weight} weighs classes" if c.shape == y.shape[1:] else ""
        raise ShapeError(f"weights: expected shape {expected}, one for each sample, got {c.shape}{hint}")
    return np.atleast_1d(_checked(c, dtype))


def _of_classes(by_class: Mapping[int, float], y: Array, dtype: np.dtype[Any]) -> Array:
    """`Σ_k y_k c_k`; one output is the probability of class 1."""
    labels = np.concatenate([1 - y, y], axis=1) if y.shape[1] == 1 else y
    classes = range(labels.shape[1])
    if set(by_class) != set(classes):
        raise OptionError(f"weights: expected one for each class 0 … {classes[-1]}, got {list(by_class)}")
    if (labels < 0).any() or (np.abs(np.add.reduce(labels, axis=1) - 1) > ROUNDING).any():
        raise LabelError("weights: expected y to be one-hot or probabilities where classes have weights, got others")
    each = _checked(as_real([by_class[k] for k in classes], "weights"), dtype)
    c: Array = labels.astype(np.float64) @ each
    return c


def _checked(c: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):
        check_finite(np.atleast_1d(c).astype(dtype, copy=False), f"weights in {dtype}, which x has")
    if (c < 0).any():
        raise OptionError(
            f"weights: expected no negative ones, got {c.min():g} at {list(np.atleast_1d(c)).index(c.min())}"
        )
    return c
