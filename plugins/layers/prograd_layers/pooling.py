"""Pooling of images: windows that lie side by side; what is left over at the right and at the bottom is dropped."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from prograd import Layer
from prograd.errors import OptionError
from prograd.operators import Operator
from prograd_layers import options
from prograd_layers.images import image_option, require_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prograd import Array, Parameters


DType = TypeVar("DType", bound="np.dtype[Any]")


@dataclass(frozen=True)
class Tiles:
    """The `window × window` tiles of an image `(C, H, W)`."""

    image: tuple[int, int, int]
    window: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, H // window, W // window)`."""
        C, H, W = self.image
        return C, H // self.window, W // self.window

    @property
    def rows(self) -> int:
        """How many tiles there are."""
        C, down, across = self.shape
        return C * down * across

    @property
    def cols(self) -> int:
        """How many pixels there are."""
        C, H, W = self.image
        return C * H * W

    def of(self, z: np.ndarray[Any, DType]) -> np.ndarray[Any, DType]:
        """`(..., C H W) -> (..., C, down, window, across, window)`, a view where `z` is contiguous."""
        C, down, across = self.shape
        cut = z.reshape(*z.shape[:-1], *self.image)[..., : down * self.window, : across * self.window]
        return cut.reshape(*z.shape[:-1], C, down, self.window, across, self.window)


class Average(Operator):
    """The mean of each tile, the same map for all samples."""

    def __init__(self, tiles: Tiles, dtype: np.dtype[Any]) -> None:
        self.tiles = tiles
        self._dtype = dtype
        self.rows, self.cols = tiles.rows, tiles.cols

    def jvp(self, v: Array) -> Array:
        """The means."""
        means: Array = np.add.reduce(self.tiles.of(v), axis=(-3, -1))
        means *= 1 / self.tiles.window**2
        return means.reshape(*v.shape[:-1], self.rows)

    def vjp(self, q: Array) -> Array:
        """Each pixel gets its share of its tile's `q`."""
        tiles, window = self.tiles, self.tiles.window
        _, down, across = tiles.shape
        shares = (q * (1 / window**2)).reshape(*q.shape[:-1], *tiles.shape)
        out = np.zeros((*q.shape[:-1], *tiles.image), q.dtype)
        for i in range(window):
            for j in range(window):
                out[..., i : down * window : window, j : across * window : window] = shares
        return out.reshape(*q.shape[:-1], self.cols)

    @property
    def edges(self) -> int:
        """One multiply-add a pixel of a tile."""
        return self.rows * self.tiles.window**2

    @property
    def samples(self) -> int:
        """Shared."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the images."""
        return self._dtype


class Selection(Operator):
    """`v -> v[index]`: each row picks one entry, `index` `(N, rows)`, and no entry is picked twice for one sample."""

    def __init__(self, index: np.ndarray[Any, np.dtype[np.intp]], cols: int) -> None:
        self.index = index
        self.rows, self.cols = index.shape[1], cols

    def jvp(self, v: Array) -> Array:
        """`v[index]`."""
        return np.take_along_axis(v, self._index(v), axis=-1)

    def vjp(self, q: Array) -> Array:
        """`q` put where it was picked from, zeros elsewhere."""
        out = np.zeros((*q.shape[:-2], max(q.shape[-2], len(self.index)), self.cols), q.dtype)
        np.put_along_axis(out, self._index(q), q, axis=-1)
        return out

    def _index(self, x: Array) -> np.ndarray[Any, np.dtype[np.intp]]:
        return self.index.reshape((1,) * (x.ndim - 2) + self.index.shape)

    @property
    def edges(self) -> int:
        """One move a row, counted as a multiply-add."""
        return self.rows

    @property
    def samples(self) -> int:
        """N."""
        return len(self.index)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The least: it holds no numbers, and widens nothing."""
        return np.dtype(np.float32)


@dataclass(frozen=True)
class _Pool(Layer):
    """What both kinds of pooling have in common: `(C, H, W) -> (C, H // window, W // window)`."""

    image: tuple[int, int, int]
    window: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", image_option(self, self.image))
        options.integer(self, "window", self.window)
        if self.window > min(self.image[1:]):
            raise OptionError(
                f"{self.name}: window={self.window} is larger than the image {self.image[1]} × {self.image[2]}"
            )

    @property
    def tiles(self) -> Tiles:
        """The windows."""
        return Tiles(self.image, self.window)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """No parameters."""
        require_image(self, self.image, n_in)
        return self.tiles.rows, {}

    @abstractmethod
    def g(self, w: Parameters, z: Array) -> Array:
        """One number for each window."""

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
        """The means."""
        return Average(self.tiles, z.dtype).jvp(z)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`g` is linear: `B = g`."""
        return {}, Average(self.tiles, z.dtype)


@dataclass(frozen=True)
class MaxPool2d(_Pool):
    """g(z) = the maximum of each window; where it is attained twice, the derivative is that of the first."""

    def g(self, w: Parameters, z: Array) -> Array:
        """The maxima."""
        maxima: Array = np.maximum.reduce(self.tiles.of(z), axis=(-3, -1))
        return maxima.reshape(len(z), -1)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`B` picks the maxima."""
        tiles, window = self.tiles, self.window
        _, _, W = self.image
        first = tiles.of(np.arange(tiles.cols))[..., 0, :, 0].ravel()  # the pixel in each tile's top left corner
        inside = tiles.of(z).swapaxes(-3, -2).reshape(len(z), tiles.rows, window**2).argmax(axis=-1)
        row, column = np.divmod(inside, window)
        return {}, Selection(first + row * W + column, tiles.cols)
