"""A plugin for prograd that brings the layer `my_layer`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real

import numpy as np

from prograd import Array, Layer, Parameters, hookimpl
from prograd.errors import OptionError
from prograd.operators import DiagonalPlusLowRank, Operator

__all__ = ["MyLayer"]


@dataclass(frozen=True)
class MyLayer(Layer):
    """g(z) = z / s with s = √(mean(z²) + eps). Zhang and Sennrich, Root mean square layer normalization, 2019."""

    eps: float = 1e-5

    def __post_init__(self) -> None:
        if isinstance(self.eps, bool) or not isinstance(self.eps, Real) or not 0 < self.eps < math.inf:
            raise OptionError(f"{self.name}: eps must be a finite number greater than 0, not {self.eps!r}")
        object.__setattr__(self, "eps", float(self.eps))  # numpy's own numbers would make float64 of float32

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """As many outputs as inputs, no parameters; one would stand here as `{"gain": (n_in,)}`."""
        return n_in, {}

    def g(self, w: Parameters, z: Array) -> Array:
        """`z / s`, a sample a row."""
        return z / self._scale(z)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A` is empty, for there are no parameters; `B = (I − g(z) g(z)^T / n) / s`."""
        s = self._scale(z)
        g = z_next[:, :, None]
        return {}, DiagonalPlusLowRank(np.broadcast_to(1 / s, z.shape), -g / (z.shape[1] * s[:, :, None]), g)

    @classmethod
    def examples(cls) -> Iterator[tuple[MyLayer, int]]:
        """What the conformance kit tries: one input, several, and an eps that matters."""
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
