"""Residual blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prograd import Array, Layer, Parameters, layer, layers_from_config
from prograd.errors import OptionError, ShapeError
from prograd.operators import Identity, Operator
from prograd_layers.chain import Chain, Config


@dataclass(frozen=True)
class Residual(Layer):
    """g(w; z) = z + g_K(w^K; … g_1(w^1; z)). He, Zhang, Ren and Sun, 2016.

    The parameters are those of the inner layers, named by the position of the layer: `"0.W"`, `"0.b"`, `"2.W"`, …

    - `layers`: the inner layers `g_1 … g_K` or their configs, with as many outputs as inputs.
    """

    layers: Sequence[Config]

    def __post_init__(self) -> None:
        if isinstance(self.layers, (str, Mapping)) or not isinstance(self.layers, Sequence) or not self.layers:
            raise OptionError(f"{self.name}: layers: expected a list of layers or configs, got {self.layers!r}")
        object.__setattr__(self, "layers", tuple(layers_from_config(self.layers)))

    @cached_property
    def inner(self) -> tuple[Layer, ...]:
        """`layers`, none of which is a config any more."""
        return tuple(g for g in self.layers if isinstance(g, Layer))

    @cached_property
    def chain(self) -> Chain:
        """All that is inside."""
        return Chain(self.inner)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """Those of the inner layers. Raises `ShapeError` unless these have as many outputs as inputs."""
        n, shapes = self.chain.shapes(f"{self.name}: its layers", n_in)
        if n != n_in:
            raise ShapeError(f"{self.name}: expected layers with as many outputs as inputs, {n_in}, got {n}")
        return n, shapes

    def init(self, rng: np.random.Generator, n_in: int) -> dict[str, Array]:
        return self.chain.init(rng, n_in)

    def g(self, w: Parameters, z: Array) -> Array:
        return z + self.chain.g(w, z)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """Those of the inner layers in a row, and the identity added to `B`."""
        A, B = self.chain.jacobian(w, z)
        return A, Identity(z.shape[-1]) + B

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """Those of the inner layers in a row."""
        return self.chain.jacobian_along(w, z, dw, dz)

    @classmethod
    def examples(cls) -> Iterator[tuple[Residual, int]]:
        """A bottleneck of registered layers, a layer without parameters, and a residual block inside another."""
        yield cls(layers=[layer("affine", width=2), layer("tanh"), layer("affine", width=4)]), 4
        yield cls(layers=[layer("softmax")]), 3
        inner = cls(layers=[layer("affine", width=3), layer("sigmoid")])
        yield cls(layers=[layer("scale_shift"), inner, layer("softplus")]), 3
