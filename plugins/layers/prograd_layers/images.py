"""Images flattened in C order, `(channels, height, width)`, and the windows that slide over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from prograd.errors import OptionError, ShapeError
from prograd_layers import options

if TYPE_CHECKING:
    from prograd import Array, Layer


def image_option(layer: Layer, image: object) -> tuple[int, int, int]:
    """`image` as `(channels, height, width)`. Raises `OptionError`."""
    sizes = tuple(image) if isinstance(image, (list, tuple)) else ()
    if len(sizes) != 3:
        raise OptionError(f"{layer.name}: image must be [channels, height, width], not {image!r}")
    for what, size in zip(("channels", "height", "width"), sizes, strict=True):
        options.integer(layer, f"image's {what}", size)
    return sizes


def require_image(layer: Layer, image: tuple[int, int, int], n_in: int) -> None:
    """Raises `ShapeError` unless the layer gets as many inputs as the image has numbers."""
    C, H, W = image
    if n_in != C * H * W:
        raise ShapeError(f"{layer.name}: expected inputs of size {C * H * W} (an image {C} × {H} × {W}), got {n_in}")


@dataclass(frozen=True)
class Windows:
    """The `kernel × kernel` windows of an image with zeros around it, `stride` apart."""

    image: tuple[int, int, int]
    kernel: int
    stride: int = 1
    padding: int = 0

    @property
    def down(self) -> int:
        """How many windows there are from top to bottom."""
        return (self.image[1] + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def across(self) -> int:
        """How many windows there are from left to right."""
        return (self.image[2] + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def positions(self) -> int:
        """How many windows there are."""
        return self.down * self.across

    @property
    def size(self) -> int:
        """How many numbers a window has: `C kernel²`."""
        return self.image[0] * self.kernel**2

    @property
    def padded_size(self) -> int:
        """How many numbers the image has with the zeros around it."""
        C, H, W = self.image
        return C * (H + 2 * self.padding) * (W + 2 * self.padding)

    @cached_property
    def taps(self) -> int:
        """How many pairs of a window and a pixel in it there are, for one channel, zeros around the image left out."""
        inside = 1
        for length, count in zip(self.image[1:], (self.down, self.across), strict=True):
            at = self.stride * np.arange(count)[:, None] + np.arange(self.kernel) - self.padding
            inside *= int(np.count_nonzero((at >= 0) & (at < length)))
        return inside

    def patches(self, z: Array) -> Array:
        """`(M, C H W) -> (M, positions, C kernel²)`: a window a row."""
        padded = self._padded(z)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (self.kernel, self.kernel), axis=(2, 3))
        windows = windows[:, :, :: self.stride, :: self.stride]
        return windows.transpose(0, 2, 3, 1, 4, 5).reshape(len(z), self.positions, self.size)

    def fold(self, windows: Array) -> Array:
        """The transpose of `patches`, windows last: `(M, C kernel², positions) -> (M, C H W)`, adding up overlaps."""
        C, H, W = self.image
        p = self.padding
        windows = windows.reshape(len(windows), C, self.kernel, self.kernel, self.down, self.across)
        padded = np.zeros((len(windows), C, H + 2 * p, W + 2 * p), windows.dtype)
        for (i, j), at in self._offsets():
            padded[at] += windows[:, :, i, j]
        return padded[:, :, p : p + H, p : p + W].reshape(len(windows), -1)

    def _padded(self, z: Array) -> Array:
        C, H, W = self.image
        p = self.padding
        image = z.reshape(len(z), C, H, W)
        if not p:
            return image
        padded = np.zeros((len(z), C, H + 2 * p, W + 2 * p), z.dtype)
        padded[:, :, p : p + H, p : p + W] = image
        return padded

    def _offsets(self) -> Iterator[tuple[tuple[int, int], tuple[slice, ...]]]:
        """Each place in a window, and the pixels that are there in one window or another."""
        for i in range(self.kernel):
            for j in range(self.kernel):
                rows = slice(i, i + self.stride * self.down, self.stride)
                columns = slice(j, j + self.stride * self.across, self.stride)
                yield (i, j), (slice(None), slice(None), rows, columns)
