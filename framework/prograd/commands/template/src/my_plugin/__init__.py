"""A plugin for prograd with the layer `my_layer`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prograd import Array, Layer, Parameters, hookimpl, options
from prograd.operators import DiagonalPlusLowRank, Operator

__all__ = ["MyLayer"]


@dataclass(frozen=True)
class MyLayer(Layer):
    """g(z) = z / s with s = √(mean(z²) + eps). Zhang and Sennrich, 2019, Root mean square layer normalization."""

    eps: float = 1e-5

    def __post_init__(self) -> None:
        options.real(self, "eps", above=0)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """As many outputs as inputs, and no parameters. A parameter would be listed as `{"gain": (n_in,)}`."""
        return n_in, {}

    def g(self, w: Parameters, z: Array) -> Array:
        """`z / s`. Each sample is a row of `z`."""
        return z / self._scale(z)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A` is empty without parameters; `B = (I − g(z) g(z)^T / n) / s`."""
        s = self._scale(z)
        g = z_next[:, :, None]
        return {}, DiagonalPlusLowRank(np.broadcast_to(1 / s, z.shape), -g / (z.shape[1] * s[:, :, None]), g)

    @classmethod
    def examples(cls) -> Iterator[tuple[MyLayer, int]]:
        """What the conformance kit tries: one input, several inputs, and a large eps."""
        yield cls(), 1
        yield cls(), 5
        yield cls(eps=0.5), 8

    def _scale(self, z: Array) -> Array:
        s: Array = np.sqrt(np.mean(z * z, axis=1, keepdims=True) + self.eps)
        return s


@hookimpl
def prograd_layers() -> dict[str, type[Layer]]:
    """The layers of this plugin by name."""
    return {"my_layer": MyLayer}
