"""Convolution of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from prograd import Array, Layer, Parameters, options
from prograd.errors import OptionError
from prograd.operators import Kronecker, Operator, passes
from prograd_layers.images import Image, Windows, require_image

# Patches hold each pixel up to kernel² times. Slabs of this many numbers (8 MiB in float64) bound the extra memory when
# many images, or columns of a Jacobian, go through, and keep most of it in the cache.
_SLAB: Final = 2**20


@dataclass(frozen=True)
class Conv2d(Layer):
    """g(W, b; z) = W ⋆ z + b, the cross-correlation of an image with `channels` kernels.

    z is an image `(C, H, W)` flattened in C order. The output is the image `(channels, H', W')` with
    `H' = (H + 2 padding − kernel) // stride + 1`. W is `(channels, C, kernel, kernel)` and b is `(channels,)`.

    - `image`: the sizes `(C, H, W)` of the input: channels, height, width.
    - `channels`: the number of kernels, which is that of the output's channels.
    - `kernel`: the height and the width of each kernel, at most those of the padded image.
    - `stride`: pixels from one window to the next, in both directions.
    - `padding`: rows and columns of zeros on each side of the image.
    """

    image: Image
    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        options.integers(self, "image", ["channels", "height", "width"])
        for option, least in (("channels", 1), ("kernel", 1), ("stride", 1), ("padding", 0)):
            options.integer(self, option, least=least)
        most = min(self.image[1:]) + 2 * self.padding
        if self.kernel > most:
            raise OptionError(f"{self.name}: kernel: expected at most the padded image's {most}, got {self.kernel}")

    @cached_property
    def windows(self) -> Windows:
        """Where the kernels lie on the image."""
        return Windows(self.image, self.kernel, self.stride, self.padding)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        require_image(self, self.image, n_in)
        W = (self.channels, self.image[0], self.kernel, self.kernel)
        return self.channels * self.windows.positions, {"W": W, "b": (self.channels,)}

    def g(self, w: Parameters, z: Array) -> Array:
        W = w["W"].reshape(self.channels, -1)
        z_next = W @ self.windows.patches(z).swapaxes(1, 2)
        z_next += w["b"][:, None]
        return z_next.reshape(len(z), -1)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = (I ⊗ patches(z) | I ⊗ 1)`, `B` the convolution with `W`."""
        ones = np.ones((1, self.windows.positions, 1), z.dtype)
        A: dict[str, Operator] = {
            "W": Kronecker(self.channels, self.windows.patches(z)),
            "b": Kronecker(self.channels, ones),
        }
        return A, Convolution(w["W"], self.windows)

    @classmethod
    def examples(cls) -> Iterator[tuple[Conv2d, int]]:
        """Padding, strides that leave a remainder, a kernel of one pixel, and one as large as the image."""
        yield cls(image=(2, 4, 3), channels=2, kernel=3, padding=1), 24
        yield cls(image=(1, 5, 4), channels=2, kernel=2, stride=2), 20
        yield cls(image=(3, 2, 2), channels=2, kernel=1), 12
        yield cls(image=(1, 3, 3), channels=1, kernel=3), 9
        yield cls(image=(2, 5, 6), channels=2, kernel=3, stride=2, padding=2), 60


class Convolution(Operator):
    """`z ↦ W ⋆ z`, the same map for all samples, by products of patches and W. The matrix is never formed."""

    samples = 1
    edges: int
    dtype: np.dtype[Any]

    def __init__(self, W: Array, windows: Windows) -> None:
        self.W = W.reshape(len(W), -1)
        self.windows = windows
        self.rows, self.cols = len(W) * windows.positions, math.prod(windows.image)
        self.edges = len(W) * windows.image[0] * windows.taps  # none for the zeros around the image
        self.dtype = W.dtype
        self._slab = max(1, _SLAB // (windows.positions * windows.size))

    def jvp(self, v: Array) -> Array:
        out = np.empty((*v.shape[:-1], self.rows), np.result_type(self.W, v), like=v)
        self._each_slab(v, out, lambda v: self.W @ self.windows.patches(v).swapaxes(-1, -2))
        return out

    def vjp(self, q: Array) -> Array:
        """Each window gets `W^T q`, and overlapping windows add up."""
        shape = (-1, len(self.W), self.windows.positions)
        out = np.empty((*q.shape[:-1], self.cols), np.result_type(self.W, q), like=q)
        self._each_slab(q, out, lambda q: self.windows.fold(self.W.T @ q.reshape(shape)))
        return out

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """Adds up the samples first, since they share the map."""
        p = self.vjp(np.add.reduce(q, axis=-2))
        if out is None:
            return p
        out[...] = p
        return out

    def _each_slab(self, x: Array, out: Array, f: Callable[[Array], Array]) -> None:
        rows = math.prod(x.shape[:-1])
        x, y = x.reshape(rows, x.shape[-1]), out.reshape(rows, out.shape[-1])
        for start in passes(range(0, len(x), self._slab), [], x):
            slab = slice(start, start + self._slab)
            y[slab] = f(x[slab]).reshape(y[slab].shape)
