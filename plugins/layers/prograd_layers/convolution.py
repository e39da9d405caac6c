"""Convolution of signals and images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prograd import Array, Layer, Parameters, options
from prograd.errors import OptionError
from prograd.operators import Kronecker, Operator
from prograd_layers.correlation import Correlation, PatchesOfGroups
from prograd_layers.windows import Image, Signal, Windows, axes, require_fit, require_grid


class _Convolution(Layer):
    """What convolutions along one axis or several share. Abstract: a subclass has the options and `windows`.

    - `channels`: the number of kernels, and of channels of the output.
    - `kernel`: the size of a kernel.
    - `stride`: how far apart the kernels lie.
    - `padding`: how many zeros there are around the input, on each side.
    - `dilation`: how far apart the entries of a kernel lie; 1 leaves no gaps.
    - `groups`: into how many groups both input and output channels are divided; each output channel reads those of its
      own group. With as many as there are input channels, the convolution is depthwise.
    - `bias`: whether `b` is added.
    """

    channels: int
    groups: int
    bias: bool

    @property
    @abstractmethod
    def windows(self) -> Windows:
        """Where the kernels lie on the input."""

    def _check(self, kind: str, names: Sequence[str]) -> None:
        """The options of a convolution of a `kind` of input, whose axes have these names."""
        options.integers(self, kind, ["channels", *names])
        for option in ("channels", "groups"):
            options.integer(self, option)
        for option, least in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
            options.per_axis(self, option, names, least=least)
        options.flag(self, "bias")
        C = getattr(self, kind)[0]
        if C % self.groups or self.channels % self.groups:
            raise OptionError(
                f"{self.name}: groups: expected a divisor of the {kind}'s {C} channels and of channels = "
                f"{self.channels}, got {self.groups}"
            )
        require_fit(self, "kernel", kind, names, self.windows)

    def _shapes(self, kind: str, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        windows = self.windows
        require_grid(self, kind, windows.grid, n_in)
        shapes: dict[str, tuple[int, ...]] = {
            "W": (self.channels, windows.grid[0] // self.groups, *windows.kernel),
        }
        if self.bias:
            shapes["b"] = (self.channels,)
        return self.channels * windows.positions, shapes

    def g(self, w: Parameters, z: Array) -> Array:
        z_next = self._by_group(w["W"]) @ self.windows.patches(z).swapaxes(-1, -2)
        z_next = z_next.reshape(len(z), self.channels, self.windows.positions)
        if self.bias:
            z_next += w["b"][:, None]
        return z_next.reshape(len(z), self.channels * self.windows.positions)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = (I ⊗ patches(z) | I ⊗ 1)`, the first for each group, and `B` the convolution with `W`."""
        A = self._patches(z)
        if self.bias:
            A["b"] = Kronecker(self.channels, np.ones((1, self.windows.positions, 1), z.dtype))
        return A, Correlation(self._by_group(w["W"]), self.windows)

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """`dA = (I ⊗ patches(dz) | 0)`, and `dB` the convolution with `dW`."""
        return self._patches(dz), Correlation(self._by_group(dw["W"]), self.windows)

    def _patches(self, z: Array) -> dict[str, Operator]:
        """The block of W."""
        patches = self.windows.patches(z)
        if self.groups == 1:
            return {"W": Kronecker(self.channels, patches[:, 0])}
        return {"W": PatchesOfGroups(self.channels // self.groups, patches)}

    def _by_group(self, W: Array) -> Array:
        return W.reshape(self.groups, self.channels // self.groups, self.windows.size)


@dataclass(frozen=True)
class Conv1d(_Convolution):
    """g(W, b; z) = W ⋆ z + b, the cross-correlation of a signal with `channels` kernels.

    z is a signal `(C, n)` flattened in C order. The output is the signal `(channels, n')` with
    `n' = (n + 2 padding − dilation (kernel − 1) − 1) // stride + 1`. W is `(channels, C / groups, kernel)` and b is
    `(channels,)`.

    - `signal`: `(C, n)`, the channels and the length of the input.
    """

    signal: Signal
    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        self._check("signal", ["length"])

    @cached_property
    def windows(self) -> Windows:
        C, length = self.signal
        return Windows(C, axes([length], self.kernel, self.stride, self.padding, self.dilation), self.groups)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return self._shapes("signal", n_in)

    @classmethod
    def examples(cls) -> Iterator[tuple[Conv1d, int]]:
        """Padding, a stride that leaves a remainder, dilation, and a kernel for each channel."""
        yield cls(signal=(2, 6), channels=3, kernel=3, padding=1), 12
        yield cls(signal=(4, 8), channels=4, kernel=2, stride=2, dilation=2, groups=4, bias=False), 32


@dataclass(frozen=True)
class Conv2d(_Convolution):
    """g(W, b; z) = W ⋆ z + b, the cross-correlation of an image with `channels` kernels.

    z is an image `(C, H, W)` flattened in C order. The output is the image `(channels, H', W')` with
    `H' = (H + 2 padding − dilation (kernel − 1) − 1) // stride + 1`, and `W'` likewise. W is
    `(channels, C / groups, *kernel)` and b is `(channels,)`. `kernel`, `stride`, `padding` and `dilation` are each a
    number for both axes or `(height, width)`.

    - `image`: `(C, H, W)`, the channels, the height and the width of the input.
    """

    image: Image
    channels: int
    kernel: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        self._check("image", ["height", "width"])

    @cached_property
    def windows(self) -> Windows:
        C, *lengths = self.image
        return Windows(C, axes(lengths, self.kernel, self.stride, self.padding, self.dilation), self.groups)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return self._shapes("image", n_in)

    @classmethod
    def examples(cls) -> Iterator[tuple[Conv2d, int]]:
        """Padding, strides that leave a remainder, kernels of one pixel, rectangular ones and gaps in them, groups."""
        yield cls(image=(2, 4, 3), channels=2, kernel=3, padding=1), 24
        yield cls(image=(1, 5, 4), channels=2, kernel=2, stride=2), 20
        yield cls(image=(3, 2, 2), channels=2, kernel=1), 12
        yield cls(image=(1, 3, 3), channels=1, kernel=3), 9
        yield cls(image=(2, 5, 6), channels=2, kernel=3, stride=2, padding=2), 60
        yield cls(image=(2, 3, 6), channels=2, kernel=(1, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 3)), 36
        yield cls(image=(2, 4, 3), channels=4, kernel=(3, 2), padding=1, groups=2, bias=False), 24
