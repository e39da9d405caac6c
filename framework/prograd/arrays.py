"""The arrays that prograd computes with: float64 and float32 as they come, other real input as float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from numbers import Integral
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from prograd.errors import LabelError, OptionError, ProgradError, ShapeError

Array: TypeAlias = np.ndarray[Any, np.dtype[np.floating[Any]]]

P = ParamSpec("P")
R = TypeVar("R")

_KEPT = "df"


class RecordingArray:
    """An array that records what is done with it (see `prograd.tape`): it is taken as it is, and holds no numbers."""

    __slots__ = ()

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Records `function(*args, **kwargs)`."""
        raise NotImplementedError


def dispatched(function: Callable[P, R]) -> Callable[P, R]:
    """A function that arrays which record are asked about first, as numpy does for its own functions."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for a in args:
            if isinstance(a, RecordingArray):
                recorded: R = a.__array_function__(call, (type(a),), args, kwargs)
                return recorded
        return function(*args, **kwargs)

    return call


@dispatched
def passes(starts: range, cuts: Sequence[int], like: Array) -> Iterator[int]:  # noqa: ARG001  (what is recorded for)
    """`starts`, at which passes of the length of their step begin that are alike unless one of `cuts` lies inside.

    Where `like` records for a plan, one pass between two cuts stands for all of them.
    """
    return iter(starts)


def as_real(a: ArrayLike, what: str = "array") -> Array:
    """`a` itself if it is float64 or float32, otherwise a float64 copy.

    Raises `ShapeError` for anything but an array of real numbers, and for a masked one, with the name `what`.
    """
    if a.__class__ is np.ndarray and a.dtype.char in _KEPT and a.dtype.isnative:
        return a
    if isinstance(a, RecordingArray):
        return a
    refuse_mask(a, what)
    try:
        array = np.asarray(a)
    except ValueError as error:
        raise ShapeError(
            f"{what}: expected an array of real numbers, got {type(a).__name__} that is not rectangular ({error})"
        ) from error
    if array.dtype.char in _KEPT and array.dtype.isnative:
        return array
    if array.dtype.kind not in "biuf":
        raise ShapeError(f"{what}: expected real numbers, got {array.dtype} ({type(a).__name__})")
    return array.astype(np.float32 if array.dtype.char == "f" else np.float64)


def refuse_mask(a: object, what: str, error: type[ProgradError] = ShapeError) -> None:
    """Raises an error for a masked array, and for a list that holds one: numpy would drop the mask in silence."""
    if isinstance(a, np.ma.MaskedArray):
        raise error(f"{what}: expected numbers without a mask, got a masked array; leave out what is masked")
    if isinstance(a, (list, tuple)):
        for part in a:
            refuse_mask(part, what, error)


def as_vectors(v: ArrayLike, what: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """`v` as `(..., *shape)`, at least as precise as `dtype`. Raises `ShapeError`, with the name `what`."""
    v = as_real(v, what)
    if v.shape[max(0, v.ndim - len(shape)) :] != shape:
        raise ShapeError(f"{what}: expected shape (..., {', '.join(map(str, shape))}), got {v.shape}")
    return v.astype(np.result_type(dtype, v), copy=False)


def real_dtype(*arrays: Array) -> np.dtype[np.floating[Any]]:
    """float32 if all are, otherwise float64."""
    narrow = bool(arrays) and all(a.dtype.char == "f" for a in arrays)
    return np.dtype(np.float32 if narrow else np.float64)


def diagonal(a: Array) -> Array:
    """The entries `[k, :, k]` of an array `(n, N, n)`: a view `(n, N)` that can be written to."""
    view: Array = np.einsum("knk->kn", a)
    return view


def unit_vectors(n: int, chosen: slice, like: Array) -> Array:
    """`e_k` of length n for each k of a slice without a step: `(vectors, 1, n)`, in the dtype of `like`."""
    start, stop, _ = chosen.indices(n)
    e = np.zeros((max(0, stop - start), 1, n), like.dtype, like=like)
    diagonal(e[:, :, start:stop])[...] = 1
    return e


def shown(row: Array) -> str:
    """A row of numbers for a message, shortened if it is long."""
    return np.array2string(row, precision=4, threshold=6, edgeitems=3)


def size(n: int, what: str) -> int:
    """`n` as Python's own number: numpy's overflow. Raises `ShapeError` unless it is an integer of at least 0."""
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 0:
        raise ShapeError(f"{what}: expected an integer of at least 0, got {n!r}")
    return int(n)


def one_hot(labels: ArrayLike, K: int) -> Array:
    """`e_k` for each label k in 0 … K−1: `(N,) -> (N, K)`, and one label gives `(K,)`. Raises `LabelError`.

    >>> prograd.one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    refuse_mask(labels, "one_hot", LabelError)
    if not isinstance(K, Integral) or K < 1:
        raise LabelError(f"one_hot: expected a positive number of classes, got {K!r}")
    k = np.asarray(labels)
    whole = k.dtype.kind in "iu" or (k.dtype.kind == "f" and bool(np.all(np.mod(k, 1) == 0)))
    if not whole or k.ndim > 1:
        raise LabelError(f"one_hot: expected a vector of integers, got {k.dtype} of shape {k.shape}")
    if k.size and (k.min() < 0 or k.max() >= K):
        raise LabelError(f"one_hot: expected labels in 0 … {K - 1}, got {k.min()} … {k.max()}")
    return np.eye(K)[k.astype(np.intp)]


def checked_bytes(max_bytes: int | None) -> int | None:
    """`max_bytes` as Python's own number. Raises `OptionError` unless it is a positive integer or None."""
    if max_bytes is None:
        return None
    whole = isinstance(max_bytes, Integral) and not isinstance(max_bytes, bool)
    if not (whole and max_bytes > 0):
        raise OptionError(f"max_bytes: expected a positive integer or None, got {max_bytes!r}")
    return int(max_bytes)
