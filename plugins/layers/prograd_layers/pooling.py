"""Pooling of images. What is left over at the right and at the bottom is dropped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array

from prograd import Array, Layer, Parameters, options, rows
from prograd.errors import OptionError
from prograd.operators import Operator, Zero, csr_by_rows
from prograd_layers.windows import Image, Windows, axes, for_each_axis, require_fit, require_grid

AXES = ("height", "width")


@dataclass(frozen=True)
class _Pool(Layer):
    """`(C, H, W) -> (C, H', W')`: one number for each window. Abstract: it leaves `g` open.

    `H' = (H + 2 padding − window) // stride + 1`, and `W'` likewise. `window`, `stride` and `padding` are each a number
    for both axes or `(height, width)`.

    - `image`: `(C, H, W)`, the channels, the height and the width of the input.
    - `window`: the size of a window.
    - `stride`: how far apart the windows lie; side by side if it is None.
    - `padding`: by how many pixels the first and the last window may jut out of the image; at most half a window.
    """

    image: Image
    window: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, int] = 0

    def __post_init__(self) -> None:
        options.integers(self, "image", ["channels", *AXES])
        options.per_axis(self, "window", AXES)
        if self.stride is not None:
            options.per_axis(self, "stride", AXES)
        options.per_axis(self, "padding", AXES, least=0)
        for size, padding in zip(for_each_axis(self.window, 2), for_each_axis(self.padding, 2), strict=True):
            if 2 * padding > size:
                raise OptionError(
                    f"{self.name}: padding: expected at most half a window of {size}, since others have no pixel, "
                    f"got {padding}"
                )
        require_fit(self, "window", "image", AXES, self.windows)

    @cached_property
    def windows(self) -> Windows:
        """Where the windows lie on the image."""
        C, *lengths = self.image
        return Windows(C, axes(lengths, self.window, self.stride or self.window, self.padding))

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        require_grid(self, "image", self.image, n_in)
        return math.prod(self.windows.shape), {}

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """`dB` is zero: an average is linear, and a maximum is where it has a derivative."""
        return {}, Zero(z_next.shape[-1], z.shape[-1])

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, int]]:
        """Windows that fit, that leave a remainder, one window, windows of one pixel, that overlap and jut out."""
        yield cls(image=(2, 4, 4), window=2), 32
        yield cls(image=(1, 5, 7), window=3), 35
        yield cls(image=(3, 2, 2), window=2), 12
        yield cls(image=(2, 2, 3), window=1), 12
        yield cls(image=(2, 4, 5), window=(3, 2), stride=(2, 1), padding=1), 40


@dataclass(frozen=True)
class AvgPool2d(_Pool):
    """g(z) = the mean of each window.

    - `count_include_pad`: whether the zeros around the image count in the mean.
    """

    count_include_pad: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        options.flag(self, "count_include_pad")

    def g(self, w: Parameters, z: Array) -> Array:
        return self._average(z.dtype).jvp(z)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`B = g`, which is linear."""
        return {}, self._average(z.dtype)

    def _average(self, dtype: np.dtype[Any]) -> Average:
        if self.count_include_pad or not self.padding:
            return Average(self.windows, 1 / math.prod(self.windows.kernel), dtype)
        return Average(self.windows, (1 / self.windows.inside).astype(dtype), dtype)

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, int]]:
        """And means that leave out what is around the image."""
        yield from super().examples()
        yield cls(image=(1, 3, 4), window=2, stride=1, padding=1, count_include_pad=False), 12


@dataclass(frozen=True)
class MaxPool2d(_Pool):
    """g(z) = the maximum of each window. If several entries attain it, the derivative is that of the first."""

    def g(self, w: Parameters, z: Array) -> Array:
        first, *rest = self._pixels(z)
        maxima = first.copy()
        for pixel in rest:
            np.maximum(maxima, pixel, out=maxima)
        return maxima.reshape(*z.shape[:-1], math.prod(self.windows.shape))

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`B` selects the maxima."""
        maxima = z_next.reshape(*z.shape[:-1], *self.windows.shape)
        chosen: list[rows.Mask] = []
        found = np.zeros(maxima.shape, np.bool_, like=z)
        for pixel in self._pixels(z):
            attains = pixel == maxima
            chosen.append(attains > found)  # and none before did
            found = found | attains
        return {}, Selection(self.windows, np.stack(chosen))

    def _pixels(self, z: Array) -> list[Array]:
        return self.windows.pixels(self.windows.pad(z, -np.inf))


class Average(Operator):
    """Every pixel of a window gives its `share`, the same map for all samples: a number, or one for each window."""

    samples = 1
    edges: int
    dtype: np.dtype[Any]

    def __init__(self, windows: Windows, share: float | Array, dtype: np.dtype[Any]) -> None:
        self.windows, self.share = windows, share
        self.rows, self.cols = math.prod(windows.shape), math.prod(windows.grid)
        self.edges = windows.grid[0] * windows.taps
        self.dtype = dtype

    def jvp(self, v: Array) -> Array:
        first, *rest = self.windows.pixels(self.windows.pad(v))
        means = first * self.share  # each pixel's share, since a sum of pixels may overflow
        for pixel in rest:
            means += pixel * self.share
        return means.reshape(*v.shape[:-1], self.rows)

    def vjp(self, q: Array) -> Array:
        """Each pixel gets an equal share of its window's `q`."""
        shares = q.reshape(*q.shape[:-1], *self.windows.shape) * self.share
        return self.windows.spread(itertools.repeat(shares), q.shape[:-1], q)

    def csr(self, samples: int = 1) -> csr_array:
        """The shares of each window in a row."""
        shares = np.broadcast_to(np.asarray(self.share, self.dtype), self.windows.shape).reshape(1, -1, 1)
        return csr_by_rows(shares, _columns(self.windows), self.cols, samples)


class Selection(Operator):
    """The `chosen` pixel of each window, `(pixels, N, C, down, across)`: true for one pixel of a window."""

    samples: int
    edges: int
    dtype = np.dtype(np.float32)  # it holds no numbers, so it widens nothing

    def __init__(self, windows: Windows, chosen: rows.Mask) -> None:
        self.windows, self.chosen = windows, chosen
        self.samples, self.rows, self.cols = chosen.shape[1], math.prod(windows.shape), math.prod(windows.grid)
        self.edges = self.rows  # moves, counted as multiply-adds

    def jvp(self, v: Array) -> Array:
        first, *rest = self.windows.pixels(self.windows.pad(v))
        selected = np.where(self.chosen[0], first, 0)
        for chosen, pixel in zip(self.chosen[1:], rest, strict=True):
            selected = np.where(chosen, pixel, selected)
        return selected.reshape(*selected.shape[:-3], self.rows)

    def vjp(self, q: Array) -> Array:
        lead = *q.shape[:-2], max(q.shape[-2], self.samples)
        at_windows = q.reshape(*q.shape[:-1], *self.windows.shape)
        return self.windows.spread((np.where(chosen, at_windows, 0) for chosen in self.chosen), lead, q)

    def csr(self, samples: int = 1) -> csr_array:
        """A one in each row."""
        chosen = self.chosen.argmax(axis=0).reshape(self.samples, self.rows, 1)
        columns = np.take_along_axis(_columns(self.windows)[None], chosen, axis=2)
        ones = np.ones((1, self.rows, 1), self.dtype)
        return csr_by_rows(ones, columns, self.cols, max(samples, self.samples))


def _columns(windows: Windows) -> np.ndarray[Any, np.dtype[np.integer[Any]]]:
    """The pixels of each window, −1 around the image: `(C · positions, pixels)`."""
    by_channel = windows.columns().reshape(windows.positions, windows.grid[0], -1)
    return by_channel.swapaxes(0, 1).reshape(math.prod(windows.shape), -1)
