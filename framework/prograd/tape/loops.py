"""How numpy would go through its operands: the order of the axes, and what a reduction adds to what first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from prograd.tape.instructions import AnyArray

_BASE = np.zeros(2)  # where shadows are: memory that nobody reads
ADDRESS: int = _BASE.__array_interface__["data"][0]
SHAPES: Final = 4096  # that are kept: a network has few, and numpy takes long for each


@lru_cache(SHAPES)
def shadow(shape: tuple[int, ...], dtype: np.dtype[Any], strides: tuple[int, ...] | None = None) -> AnyArray:
    """An array without numbers, whose views numpy can make. It must be neither read nor changed."""
    if strides is None:
        strides = contiguous(shape, dtype.itemsize)
    return np.lib.stride_tricks.as_strided(_BASE.view(dtype), shape, strides)


@lru_cache(SHAPES)
def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """`np.broadcast_shapes`."""
    return np.broadcast_shapes(*shapes)


def contiguous(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """The strides of an array in C order."""
    strides, step = [], itemsize
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def like(operands: Sequence[AnyArray], shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """The array that numpy would make for the result of an elementwise operation: axes are in the operands' order."""
    if len(shape) < 2 or all(a.ndim < 2 or a.flags.c_contiguous for a in operands):
        return shadow(shape, dtype)
    strides = [np.broadcast_to(a, shape).strides for a in operands]
    order = _order(len(shape), strides)
    made, step = [0] * len(shape), dtype.itemsize
    for axis in reversed(order):
        made[axis] = step
        step *= shape[axis]
    return shadow(shape, dtype, tuple(made))


def _order(ndim: int, strides: Sequence[tuple[int, ...]]) -> list[int]:
    """Axes from the outermost to the innermost, as numpy's iterator sorts them (an insertion sort that is stable)."""
    order = list(range(ndim))[::-1]  # innermost first
    for i in range(1, ndim):
        axis, place = order[i], i
        for j in range(i - 1, -1, -1):
            ambiguous, swap = True, False
            for of in strides:
                one, other = abs(of[axis]), abs(of[order[j]])
                if one and other:
                    if one >= other:
                        swap = False
                    elif ambiguous:
                        swap = True
                    ambiguous = False
            if not ambiguous:
                if swap:
                    place = j
                else:
                    break
        if place != i:
            order.insert(place, order.pop(i))
    return order[::-1]


def reduction(a: AnyArray, out: AnyArray, axes: tuple[int, ...]) -> tuple[AnyArray, AnyArray]:
    """`out` and `a` as numpy goes through them to reduce `a` along `axes`: the last axis of both is the inner loop.

    `out` has no axis in the place of `axes`.
    """
    places = iter(range(out.ndim))
    kept = [-1 if axis in axes else next(places) for axis in range(a.ndim)]
    iterator = np.nditer(
        [out, a],
        flags=["external_loop", "reduce_ok"],
        op_flags=[["readwrite"], ["readonly"]],
        op_axes=[kept, list(range(a.ndim))],
    )
    to, through = iterator.itviews
    return to, through
