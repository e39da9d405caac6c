"""Advanced indexing made of views: an index that holds arrays of constants, as slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from prograd.tape import loops
from prograd.tape.instructions import AnyArray

MOST = 4096
"""Slices for one index: each of them is an instruction."""


class Split(NamedTuple):
    """An index whose arrays, broadcast and flattened, take one axis between `before` and `after`.

    In a pair `(k, key)` of `parts`, the entries of the slice `k` of that axis are those of `a[key]`, or each of them is
    the only one that `a[key]` has there.
    """

    before: tuple[int, ...]
    size: int
    after: tuple[int, ...]
    parts: list[tuple[slice, tuple[Any, ...]]]


def split(key: Any, shadow: AnyArray) -> tuple[AnyArray, Split] | None:
    """`shadow[key]` in bytes, a shadow too, and the index in parts; None where it doesn't have such a form.

    Raises `IndexError` where numpy does.
    """
    parts = _whole(key if isinstance(key, tuple) else (key,), shadow.ndim)
    # numpy says how the entries lie, for two of each axis that is taken as a whole: all of them would take memory.
    few = [slice(2) if isinstance(p, slice) and p == slice(None) else slice(None) for p in parts if p is not None]
    small = np.empty_like(shadow[tuple(few[: shadow.ndim])], np.int8)[key]
    places = [k for k, part in enumerate(parts) if isinstance(part, np.ndarray)]
    first, last = places[0], places[-1] + 1
    if len(places) < last - first or any(isinstance(part, (int, np.integer)) for part in parts):
        return None  # numpy has rules of its own for the order of the axes
    arrays = np.broadcast_arrays(*parts[first:last])
    axis = sum(part is not None for part in parts[:first])
    flat = [np.where(one < 0, one + n, one).ravel() for one, n in zip(arrays, shadow.shape[axis:], strict=False)]
    progressions = islice(_progressions(flat), MOST + 1)
    made = [(k, (*parts[:first], *key, *parts[last:])) for k, key in progressions]
    if len(made) > MOST:
        return None
    before = _sizes(parts[:first], shadow.shape)
    after = _sizes(parts[last:], shadow.shape[axis + len(arrays) :])
    taken = _laid_out(small, (*before, *arrays[0].shape, *after))
    return taken, Split(before, flat[0].size, after, made)


def _sizes(parts: Sequence[Any], shape: Sequence[int]) -> tuple[int, ...]:
    axes = iter(shape)
    return tuple(1 if part is None else len(range(next(axes))[part]) for part in parts)


def _laid_out(small: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """A shadow of bytes with its axes in memory as in `small`."""
    strides, step = [0] * len(shape), 1
    for axis in sorted(range(len(shape)), key=lambda k: (small.strides[k], -k)):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return loops.shadow(shape, np.dtype(np.int8), tuple(strides))


def _whole(key: tuple[Any, ...], ndim: int) -> list[Any]:
    """The parts of an index, with a slice for each axis that it leaves out, and with integers for masks."""
    parts: list[Any] = []
    for part in key:
        if isinstance(part, (list, np.ndarray)):
            array = np.asarray(part)
            parts += array.nonzero() if array.dtype == bool else [array.astype(np.intp)]
        else:
            parts.append(part)
    missing = ndim - sum(part is not None and part is not Ellipsis for part in parts)
    at = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    parts[at : at + 1] = [slice(None)] * missing
    return parts


def _progressions(flat: Sequence[AnyArray]) -> Iterator[tuple[slice, tuple[Any, ...]]]:
    """Parts of the arrays in which one of them goes up or down in equal steps while the others stay."""
    steps = np.diff(flat)
    count, start = flat[0].size, 0
    while start < count:
        stop = start + 1
        if stop < count and np.count_nonzero(steps[:, start]) < 2:
            step = steps[:, start]
            while stop < count and np.array_equal(steps[:, stop - 1], step):
                stop += 1
        else:
            step = np.zeros(len(flat), int)
        moving = int(np.flatnonzero(step)[0]) if step.any() else len(flat) - 1
        key: list[Any] = [int(one[start]) for one in flat]
        key[moving] = _slice(key[moving], int(step[moving]), stop - start)
        yield slice(start, stop), tuple(key)
        start = stop


def _slice(first: int, step: int, count: int) -> slice:
    if not step:
        return slice(first, first + 1)
    end = first + step * count
    return slice(first, None if end < 0 else end, step)
