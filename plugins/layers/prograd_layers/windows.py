"""Signals and images flattened in C order, `(channels, *lengths)`, and the windows that slide over them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np

from prograd import Array, Layer
from prograd.errors import OptionError, ShapeError

Signal: TypeAlias = tuple[int, int]
Image: TypeAlias = tuple[int, int, int]
PerAxis: TypeAlias = int | tuple[int, ...]
"""A number for all axes, or one for each."""
Index: TypeAlias = tuple[slice | int | EllipsisType, ...]


@dataclass(frozen=True)
class Axis:
    """Windows of `kernel` numbers, `dilation` apart, that slide in steps of `stride` over `length` numbers.

    On each side of these there are `padding` zeros.
    """

    length: int
    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    @cached_property
    def padded(self) -> int:
        """The length with the zeros."""
        return self.length + 2 * self.padding

    @cached_property
    def reach(self) -> int:
        """From the first number of a window to its last, with all between."""
        return self.dilation * (self.kernel - 1) + 1

    @cached_property
    def count(self) -> int:
        """How many windows there are."""
        return (self.padded - self.reach) // self.stride + 1

    @cached_property
    def middle(self) -> slice:
        """What is no zero."""
        return slice(self.padding, self.padding + self.length)

    def of_windows(self, place: int) -> slice:
        """Where the padded axis has this place of all windows."""
        first = place * self.dilation
        return slice(first, first + self.stride * self.count, self.stride)

    def inside(self) -> np.ndarray[Any, Any]:
        """How many numbers of each window are none of the zeros."""
        at = self.stride * np.arange(self.count)[:, None] + self.dilation * np.arange(self.kernel) - self.padding
        return np.asarray(((at >= 0) & (at < self.length)).sum(axis=1))


class Windows:
    """The windows of a signal or an image of C channels, along one axis or two, with zeros around it.

    A window holds `size` numbers of the channels of one of `groups`, and there are `positions` of them. `grid` is
    `(C, *lengths)`, and `shape`, `(C, *counts)`, has the windows along each axis. Windows are `disjoint` if they have
    no number in common.
    """

    def __init__(self, C: int, axes: Sequence[Axis], groups: int = 1) -> None:
        self.axes, self.groups = axes, groups
        self.grid = C, *(axis.length for axis in axes)
        self.padded = C, *(axis.padded for axis in axes)
        self.kernel = tuple(axis.kernel for axis in axes)
        self.shape = C, *(axis.count for axis in axes)
        self.positions = math.prod(self.shape[1:])
        self.size = C // groups * math.prod(self.kernel)
        self.disjoint = all(axis.stride >= axis.reach for axis in axes)

    @cached_property
    def inside(self) -> np.ndarray[Any, Any]:
        """How many numbers of one channel of each window are no zeros around the grid, `(*counts)`."""
        inside = np.ones((), np.intp)
        for axis in self.axes:
            inside = np.multiply.outer(inside, axis.inside())
        return inside

    @cached_property
    def taps(self) -> int:
        """The pairs of a window and a number of the grid in it, for one channel."""
        return int(self.inside.sum())

    def patches(self, z: Array) -> Array:
        """`(M, C …) -> (M, groups, positions, size)`: each window is a row."""
        n = len(self.axes)
        reach, along = tuple(axis.reach for axis in self.axes), tuple(range(2, 2 + n))
        windows = np.lib.stride_tricks.sliding_window_view(self.pad(z), reach, axis=along)
        windows = windows[self._steps]
        windows = windows.reshape(len(z), self.groups, -1, *windows.shape[2:])
        windows = windows.transpose(0, 1, *range(3, 3 + n), 2, *range(3 + n, 3 + 2 * n))
        if any(axis.kernel > 1 or axis.stride > 1 for axis in self.axes):  # BLAS takes no overlapping rows
            windows = windows.copy()
        return windows.reshape(len(z), self.groups, self.positions, self.size)

    def columns(self) -> np.ndarray[Any, np.dtype[np.integer[Any]]]:
        """Which number of the grid each number of `patches` is, −1 for a zero: `(groups, positions, size)`."""
        numbers = np.arange(1.0, math.prod(self.grid) + 1)[None]
        columns: np.ndarray[Any, np.dtype[np.integer[Any]]] = self.patches(numbers)[0].astype(np.intp) - 1
        return columns

    def fold(self, windows: Array) -> Array:
        """`(M, groups, size, positions) -> (M, C …)`: the transpose of `patches`, which adds up overlapping windows."""
        windows = windows.reshape(len(windows), self.grid[0], *self.kernel, *self.shape[1:])
        everything: Index = (slice(None), slice(None))
        each = (windows[everything + place] for place in self._places())
        return self.spread(each, windows.shape[:1], windows)

    def pixels(self, padded: Array) -> list[Array]:
        """Views `(..., C, *counts)`: the first number of every window, the second, … in row-major order."""
        return [padded[at] for at in self._pixels]

    def spread(self, values: Iterable[Array], lead: tuple[int, ...], like: Array) -> Array:
        """`values` for the first number of every window, the second, … added up: `(..., C, *counts) -> (..., C …)`.

        `lead` is the shape before C. This is the transpose of `pixels(pad(z))`.
        """
        padded = np.zeros((*lead, *self.padded), like.dtype, like=like)
        for pixel, value in zip(self.pixels(padded), values, strict=False):
            if self.disjoint:
                pixel[...] = value
            else:
                np.add(pixel, value, out=pixel)
        grid = padded[self._middle]
        return grid.reshape(*lead, math.prod(self.grid))

    def pad(self, z: Array, value: float = 0) -> Array:
        """`(..., C …) -> (..., C, *padded)` with `value` around the grid."""
        grid = z.reshape(*z.shape[:-1], *self.grid)
        if self.padded == self.grid:
            return grid
        padded = np.full((*z.shape[:-1], *self.padded), value, z.dtype, like=z)
        padded[self._middle] = grid
        return padded

    def _places(self) -> Iterator[tuple[int, ...]]:
        return itertools.product(*map(range, self.kernel))

    @cached_property
    def _pixels(self) -> list[Index]:
        """Where the padded grid has each place of all windows."""
        return [
            (..., *(axis.of_windows(k) for axis, k in zip(self.axes, place, strict=True))) for place in self._places()
        ]

    @cached_property
    def _steps(self) -> Index:
        """Which windows there are, and which numbers each has, of all that slide over the grid."""
        strides, dilations = ((axis.stride for axis in self.axes), (axis.dilation for axis in self.axes))
        return tuple(slice(None, None, step) for step in (1, 1, *strides, *dilations))

    @cached_property
    def _middle(self) -> Index:
        return (..., *(axis.middle for axis in self.axes))


def axes(
    lengths: Sequence[int], kernel: PerAxis, stride: PerAxis, padding: PerAxis, dilation: PerAxis = 1
) -> list[Axis]:
    """An `Axis` for each length, from options that `options.per_axis` has checked."""
    each = (for_each_axis(option, len(lengths)) for option in (kernel, stride, padding, dilation))
    return [Axis(*sizes) for sizes in zip(lengths, *each, strict=True)]


def for_each_axis(option: PerAxis, count: int) -> tuple[int, ...]:
    """The numbers of an option that `options.per_axis` has checked, one for each axis."""
    return option if isinstance(option, tuple) else (option,) * count


def require_grid(layer: Layer, kind: str, grid: tuple[int, ...], n_in: int) -> None:
    """Raise `ShapeError` unless the inputs are as many as the signal or the image, its `kind`, has numbers."""
    n = math.prod(grid)
    if n_in != n:
        shown = " × ".join(map(str, grid))
        article = "an" if kind == "image" else "a"
        raise ShapeError(f"{layer.name}: expected inputs of size {n} ({article} {kind} {shown}), got {n_in}")


def require_fit(layer: Layer, option: str, kind: str, names: Sequence[str], windows: Windows) -> None:
    """Raise `OptionError`, which names the option, if the windows are longer than the grid with its zeros."""
    padded = "" if windows.padded == windows.grid else "padded "
    for name, axis in zip(names, windows.axes, strict=True):
        if axis.reach > axis.padded:
            gaps = f", which reaches over {axis.reach} with dilation {axis.dilation}" if axis.dilation > 1 else ""
            raise OptionError(
                f"{layer.name}: {option}: expected at most the {padded}{kind}'s {name} of {axis.padded}, "
                f"got {axis.kernel}{gaps}"
            )
