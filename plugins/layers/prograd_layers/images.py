"""Images flattened in C order, `(channels, height, width)`, and the windows that slide over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from prograd import Array, Layer
from prograd.errors import ShapeError

Image: TypeAlias = tuple[int, int, int]


def require_image(layer: Layer, image: Image, n_in: int) -> None:
    """Raise `ShapeError` unless the inputs are as many as the image has numbers."""
    C, H, W = image
    if n_in != C * H * W:
        raise ShapeError(f"{layer.name}: expected inputs of size {C * H * W} (an image {C} × {H} × {W}), got {n_in}")


class Windows:
    """The `kernel × kernel` windows of an image with zeros around it, `stride` apart.

    There are `positions` windows, `down` by `across`, and each holds `size = C kernel²` numbers. `padded` is the shape
    of the image with its zeros. `taps` counts the pairs of a window and a pixel in it for one channel, without zeros.
    """

    def __init__(self, image: Image, kernel: int, stride: int = 1, padding: int = 0) -> None:
        C, H, W = image
        self.image, self.kernel, self.stride, self.padding = image, kernel, stride, padding
        self.down = (H + 2 * padding - kernel) // stride + 1
        self.across = (W + 2 * padding - kernel) // stride + 1
        self.positions = self.down * self.across
        self.size = C * kernel**2
        self.padded = C, H + 2 * padding, W + 2 * padding
        self.taps = _taps(H, self.down, kernel, stride, padding) * _taps(W, self.across, kernel, stride, padding)

    def patches(self, z: Array) -> Array:
        """`(M, C H W) -> (M, positions, C kernel²)`: each window is a row."""
        windows = np.lib.stride_tricks.sliding_window_view(self._pad(z), (self.kernel, self.kernel), axis=(2, 3))
        windows = windows[:, :, :: self.stride, :: self.stride]
        return windows.transpose(0, 2, 3, 1, 4, 5).reshape(len(z), self.positions, self.size)

    def fold(self, windows: Array) -> Array:
        """`(M, C kernel², positions) -> (M, C H W)`: the transpose of `patches`, which adds up overlapping windows."""
        _, H, W = self.image
        p = self.padding
        windows = windows.reshape(len(windows), -1, self.kernel, self.kernel, self.down, self.across)
        padded = np.zeros((len(windows), *self.padded), windows.dtype, like=windows)
        for (i, j), at in self._offsets():
            padded[at] += windows[:, :, i, j]
        return padded[:, :, p : p + H, p : p + W].reshape(len(windows), -1)

    def _pad(self, z: Array) -> Array:
        _, H, W = self.image
        p = self.padding
        image = z.reshape(len(z), *self.image)
        if not p:
            return image
        padded = np.zeros((len(z), *self.padded), z.dtype, like=z)
        padded[:, :, p : p + H, p : p + W] = image
        return padded

    def _offsets(self) -> Iterator[tuple[tuple[int, int], tuple[slice, ...]]]:
        """Each place in a window, and where the image has this place of any window."""
        for i in range(self.kernel):
            for j in range(self.kernel):
                rows = slice(i, i + self.stride * self.down, self.stride)
                columns = slice(j, j + self.stride * self.across, self.stride)
                yield (i, j), (slice(None), slice(None), rows, columns)


def _taps(length: int, count: int, kernel: int, stride: int, padding: int) -> int:
    """The pairs of a window and a pixel in it along one axis."""
    at = stride * np.arange(count)[:, None] + np.arange(kernel) - padding
    return int(np.count_nonzero((at >= 0) & (at < length)))
