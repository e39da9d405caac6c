"""The problems that the benchmarks measure in every revision, made from a seed alone. Sizes as in the speed gap."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import prograd

DEPTHS = (2, 4, 8)
WIDTHS = (8, 16, 32, 64)
BATCHES = (1, 32)
MODES = ("reverse", "forward", "factored", "optimal")
"""Not `prograd.MODES`: asv identifies a benchmark's parameters by position, which must not change with the revision."""

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]


class Parts(NamedTuple):
    """The parts of an objective, and the parameters `w` to evaluate it at."""

    net: prograd.Network
    loss: prograd.Loss
    x: Array
    y: Array
    w: Array


@dataclass(frozen=True)
class Mlp:
    """`depth` affine layers of `width`, the last of `n_out`, with activations between them, on `batch` samples.

    The samples have the digits' numbers of features and classes but are random, so nothing has to be loaded.
    """

    depth: int
    width: int
    batch: int = 1
    activation: str = "tanh"
    loss: str = "softmax_cross_entropy"
    n_in: int = 64
    n_out: int = 10
    seed: int = 0

    def layers(self) -> list[dict[str, Any]]:
        """The layers' configurations, in order of application."""
        hidden: list[dict[str, Any]] = [{"name": "affine", "width": self.width}, {"name": self.activation}]
        return [*hidden * (self.depth - 1), {"name": "affine", "width": self.n_out}]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """`(n_out, n_in)` of each affine layer."""
        n = (self.n_in, *[self.width] * (self.depth - 1), self.n_out)
        return [(n_out, n_in) for n_in, n_out in pairwise(n)]

    def parts(self, dtype: type[np.floating[Any]] = np.float64) -> Parts:
        """`(net, loss, x, y, w)`: normal `x`, one-hot `y`, and `w` from the layers' own `init`."""
        rng = np.random.default_rng(self.seed)
        net = prograd.Network.from_config(self.layers(), n_in=self.n_in)
        x = rng.normal(size=(self.batch, self.n_in)).astype(dtype)
        y = prograd.one_hot(rng.integers(self.n_out, size=self.batch), self.n_out).astype(dtype)
        return Parts(net, prograd.loss(self.loss), x, y, net.init(rng).astype(dtype))

    def objective(self, dtype: type[np.floating[Any]] = np.float64) -> tuple[prograd.Objective, Array]:
        """The objective `f` over the batch, and the parameters `w`."""
        net, loss, x, y, w = self.parts(dtype)
        return prograd.Objective(net, loss, x, y), w
