"""Residual blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from prograd import Array, Layer, Parameters, layer, layers_from_config
from prograd.errors import OptionError, ShapeError
from prograd.operators import Identity, Operator, as_operator


@dataclass(frozen=True)
class Residual(Layer):
    """g(w; z) = z + g_K(w^K; … g_1(w^1; z)). He, Zhang, Ren and Sun, 2016.

    The parameters are those of the inner layers, named by the position of the layer: `"0.W"`, `"0.b"`, `"2.W"`, …

    - `layers`: the inner layers `g_1 … g_K` or their configs, with as many outputs as inputs.
    """

    layers: Sequence[str | Layer | Mapping[str, Any]]

    def __post_init__(self) -> None:
        if isinstance(self.layers, (str, Mapping)) or not isinstance(self.layers, Sequence) or not self.layers:
            raise OptionError(f"{self.name}: layers: expected a list of layers or configs, got {self.layers!r}")
        object.__setattr__(self, "layers", tuple(layers_from_config(self.layers)))

    @cached_property
    def inner(self) -> tuple[Layer, ...]:
        """`layers`, none of which is a config any more."""
        return tuple(g for g in self.layers if isinstance(g, Layer))

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """Those of the inner layers. Raises `ShapeError` unless these have as many outputs as inputs."""
        n = n_in
        shapes: dict[str, tuple[int, ...]] = {}
        for k, g_k in enumerate(self.inner):
            try:
                n, shapes_k = g_k.shapes(n)
            except ShapeError as error:
                raise ShapeError(f"{self.name}: its layers[{k}] ({g_k.name}) can't take {n} inputs: {error}") from error
            shapes |= {f"{k}.{name}": shape for name, shape in shapes_k.items()}
        if n != n_in:
            raise ShapeError(f"{self.name}: expected layers with as many outputs as inputs, {n_in}, got {n}")
        return n, shapes

    def init(self, rng: np.random.Generator, n_in: int) -> dict[str, Array]:
        n = n_in
        w: dict[str, Array] = {}
        for k, g_k in enumerate(self.inner):
            w |= {f"{k}.{name}": values for name, values in g_k.init(rng, n).items()}
            n, _ = g_k.shapes(n)
        return w

    def g(self, w: Parameters, z: Array) -> Array:
        return z + self._forward(self._split(w), z)[-1]

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = (B_K … B_2 A_1 | … | A_K)`, `B = I + B_K … B_1`, multiplied out only where a structure is kept."""
        parts = self._split(w)
        states = self._forward(parts, z)
        A: dict[str, Operator] = {}
        after: Operator = Identity(z.shape[-1])
        for k in reversed(range(len(self.inner))):
            A_k, B_k = self.inner[k].jacobian(parts[k], states[k], states[k + 1])
            A = {f"{k}.{name}": after @ as_operator(block) for name, block in A_k.items()} | A
            after = after @ as_operator(B_k)
        return A, Identity(z.shape[-1]) + after

    def _split(self, w: Parameters) -> list[Parameters]:
        """The parameters of each inner layer."""
        parts = [Parameters() for _ in self.inner]
        for name, values in w.items():
            k, _, inner = name.partition(".")
            parts[int(k)][inner] = values
        return parts

    def _forward(self, parts: list[Parameters], z: Array) -> list[Array]:
        states = [z]
        for g_k, w_k in zip(self.inner, parts, strict=True):
            states.append(g_k.g(w_k, states[-1]))
        return states

    @classmethod
    def examples(cls) -> Iterator[tuple[Residual, int]]:
        """A bottleneck of registered layers, a layer without parameters, and a residual block inside another."""
        yield cls(layers=[layer("affine", width=2), layer("tanh"), layer("affine", width=4)]), 4
        yield cls(layers=[layer("softmax")]), 3
        inner = cls(layers=[layer("affine", width=3), layer("sigmoid")])
        yield cls(layers=[layer("scale_shift"), inner, layer("softplus")]), 3
