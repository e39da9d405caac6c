"""Pooling of images: windows side by side. What is left over at the right and at the bottom is dropped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from prograd import Array, Layer, Parameters, options, rows
from prograd.errors import OptionError
from prograd.operators import Operator
from prograd_layers.images import Image, require_image


@dataclass(frozen=True)
class _Pool(Layer):
    """`(C, H, W) -> (C, H // window, W // window)`: one number for each window. Abstract: it leaves `g` open.

    - `image`: the sizes `(C, H, W)` of the input: channels, height, width.
    - `window`: the height and the width of each window, and the pixels from one window to the next.
    """

    image: Image
    window: int

    def __post_init__(self) -> None:
        options.integers(self, "image", ["channels", "height", "width"])
        options.integer(self, "window")
        most = min(self.image[1:])
        if self.window > most:
            raise OptionError(f"{self.name}: window: expected at most the image's {most}, got {self.window}")

    @cached_property
    def tiles(self) -> Tiles:
        """The windows."""
        return Tiles(self.image, self.window)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        require_image(self, self.image, n_in)
        return self.tiles.count, {}

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, int]]:
        """Windows that fit, windows that leave a remainder, one window, windows of one pixel."""
        yield cls(image=(2, 4, 4), window=2), 32
        yield cls(image=(1, 5, 7), window=3), 35
        yield cls(image=(3, 2, 2), window=2), 12
        yield cls(image=(2, 2, 3), window=1), 12


@dataclass(frozen=True)
class AvgPool2d(_Pool):
    """g(z) = the mean of each window."""

    def g(self, w: Parameters, z: Array) -> Array:
        return Average(self.tiles, z.dtype).jvp(z)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`B = g`, which is linear."""
        return {}, Average(self.tiles, z.dtype)


@dataclass(frozen=True)
class MaxPool2d(_Pool):
    """g(z) = the maximum of each window. If several entries attain it, the derivative is that of the first."""

    def g(self, w: Parameters, z: Array) -> Array:
        first, *rest = self.tiles.pixels(z)
        maxima = first.copy()
        for pixel in rest:
            np.maximum(maxima, pixel, out=maxima)
        return maxima.reshape(*z.shape[:-1], self.tiles.count)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`B` selects the maxima."""
        maxima = z_next.reshape(*z.shape[:-1], *self.tiles.shape)
        chosen: list[rows.Mask] = []
        found = np.zeros(maxima.shape, np.bool_, like=z)
        for pixel in self.tiles.pixels(z):
            attains = pixel == maxima
            chosen.append(attains > found)  # and none before did
            found = found | attains
        return {}, Selection(self.tiles, np.stack(chosen))


class Tiles:
    """The `window × window` tiles of an image: `shape = (C, down, across)`, `count` of them.

    Each has `window²` pixels; the image has `size` numbers.
    """

    def __init__(self, image: Image, window: int) -> None:
        C, H, W = image
        self.image, self.window = image, window
        self.shape = C, H // window, W // window
        self.count = math.prod(self.shape)
        self.size = math.prod(image)

    def pixels(self, z: Array) -> list[Array]:
        """`(..., C H W)` as views `(..., C, down, across)`: the first pixel of every tile, the second, … row by row."""
        _, down, across = self.shape
        image, w = z.reshape(*z.shape[:-1], *self.image), self.window
        return [image[..., i : down * w : w, j : across * w : w] for i in range(w) for j in range(w)]


class Average(Operator):
    """The mean of each tile, the same map for all samples."""

    samples = 1
    edges: int
    dtype: np.dtype[Any]

    def __init__(self, tiles: Tiles, dtype: np.dtype[Any]) -> None:
        self.tiles, self.share = tiles, 1 / tiles.window**2
        self.rows, self.cols = tiles.count, tiles.size
        self.edges = tiles.count * tiles.window**2
        self.dtype = dtype

    def jvp(self, v: Array) -> Array:
        first, *rest = self.tiles.pixels(v)
        means = first * self.share  # each pixel's share, since a sum of pixels may overflow
        for pixel in rest:
            means += pixel * self.share
        return means.reshape(*v.shape[:-1], self.rows)

    def vjp(self, q: Array) -> Array:
        """Each pixel gets an equal share of its tile's `q`."""
        shares = (q * self.share).reshape(*q.shape[:-1], *self.tiles.shape)
        out = np.zeros((*q.shape[:-1], self.cols), q.dtype, like=q)
        for pixel in self.tiles.pixels(out):
            pixel[...] = shares
        return out


class Selection(Operator):
    """The `chosen` pixel of each tile, `(window², N, C, down, across)`: true for one pixel of a tile."""

    samples: int
    edges: int
    dtype = np.dtype(np.float32)  # it holds no numbers, so it widens nothing

    def __init__(self, tiles: Tiles, chosen: rows.Mask) -> None:
        self.tiles, self.chosen = tiles, chosen
        self.samples, self.rows, self.cols = chosen.shape[1], tiles.count, tiles.size
        self.edges = self.rows  # moves, counted as multiply-adds

    def jvp(self, v: Array) -> Array:
        first, *rest = self.tiles.pixels(v)
        selected = np.where(self.chosen[0], first, 0)
        for chosen, pixel in zip(self.chosen[1:], rest, strict=True):
            selected = np.where(chosen, pixel, selected)
        return selected.reshape(*selected.shape[:-3], self.rows)

    def vjp(self, q: Array) -> Array:
        out = np.zeros((*q.shape[:-2], max(q.shape[-2], self.samples), self.cols), q.dtype, like=q)
        q = q.reshape(*q.shape[:-1], *self.tiles.shape)
        for chosen, pixel in zip(self.chosen, self.tiles.pixels(out), strict=True):
            pixel[...] = np.where(chosen, q, 0)
        return out
