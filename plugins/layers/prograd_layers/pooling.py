"""Pooling of images: windows side by side. What is left over at the right and at the bottom is dropped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np

from prograd import Array, Layer, Parameters, options, rows
from prograd.errors import OptionError
from prograd.operators import Operator
from prograd_layers.images import Image, require_image

DType = TypeVar("DType", bound="np.dtype[Any]")


@dataclass(frozen=True)
class _Pool(Layer):
    """`(C, H, W) -> (C, H // window, W // window)`: one number for each window. Abstract: it leaves `g` open."""

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
        maxima: Array = np.maximum.reduce(self.tiles.of(z), axis=(-3, -1))
        return maxima.reshape(len(z), -1)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`B` selects the maxima."""
        return {}, Selection(self.tiles, self.tiles.split(rows.first_maximum(self.tiles.together(z))))


class Tiles:
    """The `window × window` tiles of an image: `shape = (C, down, across)`, `count` of them, over all `pixels`."""

    def __init__(self, image: Image, window: int) -> None:
        C, H, W = image
        self.image, self.window = image, window
        self.shape = C, H // window, W // window
        self.count = math.prod(self.shape)
        self.pixels = math.prod(image)

    def of(self, z: np.ndarray[Any, DType]) -> np.ndarray[Any, DType]:
        """`(..., C H W) -> (..., C, down, window, across, window)`, a view if `z` is contiguous."""
        C, down, across = self.shape
        cut = z.reshape(*z.shape[:-1], *self.image)[..., : down * self.window, : across * self.window]
        return cut.reshape(*z.shape[:-1], C, down, self.window, across, self.window)

    def together(self, z: Array) -> Array:
        """`(..., C H W) -> (..., count, window²)`: each tile's pixels side by side."""
        return self.of(z).swapaxes(-3, -2).reshape(*z.shape[:-1], self.count, self.window**2)

    def split(self, tiles: np.ndarray[Any, DType]) -> np.ndarray[Any, DType]:
        """`(..., count, window²) -> (..., C, down, window, across, window)`, as `of` gives them."""
        return tiles.reshape(*tiles.shape[:-2], *self.shape, self.window, self.window).swapaxes(-3, -2)


class Average(Operator):
    """The mean of each tile, the same map for all samples."""

    samples = 1
    edges: int
    dtype: np.dtype[Any]

    def __init__(self, tiles: Tiles, dtype: np.dtype[Any]) -> None:
        self.tiles = tiles
        self.rows, self.cols = tiles.count, tiles.pixels
        self.edges = tiles.count * tiles.window**2
        self.dtype = dtype

    def jvp(self, v: Array) -> Array:
        shares = self.tiles.of(v) * (1 / self.tiles.window**2)  # before they are added up: a sum may overflow
        means: Array = np.add.reduce(shares, axis=(-3, -1))
        return means.reshape(*v.shape[:-1], self.rows)

    def scratch(self, vectors: int) -> int:
        """The shares."""
        return vectors * self.cols

    def vjp(self, q: Array) -> Array:
        """Each pixel gets an equal share of its tile's `q`."""
        shares = (q * (1 / self.tiles.window**2)).reshape(*q.shape[:-1], *self.tiles.shape)
        out = np.zeros((*q.shape[:-1], self.cols), q.dtype, like=q)
        self.tiles.of(out)[...] = shares[..., None, :, None]
        return out


class Selection(Operator):
    """The `chosen` pixel of each tile, `(N, C, down, window, across, window)`: true once in a tile."""

    samples: int
    edges: int
    dtype = np.dtype(np.float32)  # it holds no numbers, so it widens nothing

    def __init__(self, tiles: Tiles, chosen: rows.Mask) -> None:
        self.tiles, self.chosen = tiles, chosen
        self.samples, self.rows, self.cols = len(chosen), tiles.count, tiles.pixels
        self.edges = self.rows  # moves, counted as multiply-adds

    def jvp(self, v: Array) -> Array:
        chosen: Array = np.add.reduce(np.where(self.chosen, self.tiles.of(v), 0), axis=(-3, -1))
        return chosen.reshape(*chosen.shape[:-3], self.rows)

    def vjp(self, q: Array) -> Array:
        out = np.zeros((*q.shape[:-2], max(q.shape[-2], self.samples), self.cols), q.dtype, like=q)
        q = q.reshape(*q.shape[:-1], *self.tiles.shape)[..., None, :, None]
        self.tiles.of(out)[...] = np.where(self.chosen, q, 0)
        return out

    def scratch(self, vectors: int) -> int:
        """The pixels, with zeros where they are not chosen."""
        return vectors * self.cols
