"""A plugin for prograd with the layer `my_layer`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prograd import Array, Layer, Parameters, hookimpl, options, rows
from prograd.operators import DiagonalPlusLowRank, Operator

__all__ = ["MyLayer"]


@dataclass(frozen=True)
class MyLayer(Layer):
    """g(z) = z / s with s = √(mean(z²) + eps). Zhang and Sennrich, 2019, Root mean square layer normalization.

    - `eps`: what is added to the mean square, so that s > 0; greater than 0.
    """

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
        """`A` is empty without parameters; `B = (I − u u^T) / s` with `u = g(z)/√n`.

        On its diagonal, `1 − u_j² = Σ_{k≠j} u_k² + eps/s²`, which keeps the digits that the difference loses.
        """
        s = self._scale(z)
        u = z_next / math.sqrt(z.shape[1])
        diagonal = (rows.others(u * u) + (math.sqrt(self.eps) / s) ** 2) / s
        return {}, DiagonalPlusLowRank.minus_square(1 / s, u / np.sqrt(s), diagonal)

    @classmethod
    def examples(cls) -> Iterator[tuple[MyLayer, int]]:
        """What the conformance kit tries: one input, several inputs, and a large eps."""
        yield cls(), 1
        yield cls(), 5
        yield cls(eps=0.5), 8

    def _scale(self, z: Array) -> Array:
        """`(N, 1)`. `rows.norm` takes no square that could overflow."""
        n = z.shape[1]
        return rows.norm(z, math.sqrt(n * self.eps)) / math.sqrt(n)


@hookimpl
def prograd_layers() -> dict[str, type[Layer]]:
    """The layers of this plugin by name."""
    return {"my_layer": MyLayer}
