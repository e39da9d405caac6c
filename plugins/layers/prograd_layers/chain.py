"""Layers in a row inside another layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from prograd import Array, Layer, Parameters
from prograd.errors import ShapeError
from prograd.operators import Identity, Operator, Zero, as_operator

Config: TypeAlias = str | Layer | Mapping[str, Any]
"""A layer, its config or its bare name."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Chain:
    """z ↦ g_K(w^K; … g_1(w^1; z)), the identity if there are no layers.

    The parameters are those of the layers, named by the position of the layer: `"0.W"`, `"0.b"`, `"2.W"`, …
    """

    layers: Sequence[Layer]

    def shapes(self, where: str, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """The number of outputs and the parameters' shapes. Raises `ShapeError`, which says `where` the layers are."""
        n = n_in
        shapes: dict[str, tuple[int, ...]] = {}
        for k, g_k in enumerate(self.layers):
            try:
                n, shapes_k = g_k.shapes(n)
            except ShapeError as error:
                raise ShapeError(f"{where}[{k}] ({g_k.name}) can't take {n} inputs: {error}") from error
            shapes |= named(k, shapes_k)
        return n, shapes

    def init(self, rng: np.random.Generator, n_in: int) -> dict[str, Array]:
        """Starting values of all layers."""
        n = n_in
        w: dict[str, Array] = {}
        for k, g_k in enumerate(self.layers):
            w |= named(k, g_k.init(rng, n))
            n, _ = g_k.shapes(n)
        return w

    def g(self, w: Parameters, z: Array) -> Array:
        """The last layer's output."""
        return self._states(split(w, len(self.layers)), z)[-1]

    def jacobian(self, w: Parameters, z: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = (B_K … B_2 A_1 | … | A_K)`, `B = B_K … B_1`, multiplied out only where a structure is kept."""
        parts = split(w, len(self.layers))
        states = self._states(parts, z)
        A: dict[str, Operator] = {}
        after: Operator = Identity(states[-1].shape[-1])
        for k in reversed(range(len(self.layers))):
            A_k, B_k = self.layers[k].jacobian(parts[k], states[k], states[k + 1])
            A = named(k, {name: after @ as_operator(block) for name, block in A_k.items()}) | A
            after = after @ as_operator(B_k)
        return A, after

    def jacobian_along(
        self, w: Parameters, z: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """The derivative of the products in `jacobian`: one factor after the other is differentiated."""
        parts, moves = (split(p, len(self.layers)) for p in (w, dw))
        states = self._states(parts, z)
        each: list[tuple[tuple[dict[str, Operator], Operator], tuple[dict[str, Operator], Operator]]] = []
        for g_k, w_k, dw_k, z_k, z_next in zip(self.layers, parts, moves, states[:-1], states[1:], strict=True):
            A_k, B_k = block = _operators(g_k.jacobian(w_k, z_k, z_next))
            each.append((block, _operators(g_k.jacobian_along(w_k, z_k, z_next, dw_k, dz))))
            dz = sum((A.jvp(dw_k[name].reshape(1, -1)) for name, A in A_k.items()), start=B_k.jvp(dz))
        n = states[-1].shape[-1]
        dA: dict[str, Operator] = {}
        after: Operator = Identity(n)
        turned: Operator = Zero(n, n)
        for k, ((A_k, B_k), (dA_k, dB_k)) in reversed(list(enumerate(each))):
            dA |= named(k, {name: turned @ A for name, A in A_k.items()})
            dA |= {name: dA[name] + after @ block for name, block in named(k, dA_k).items()}
            after, turned = after @ B_k, turned @ B_k + after @ dB_k
        return dA, turned

    def _states(self, parts: list[Parameters], z: Array) -> list[Array]:
        states = [z]
        for g_k, w_k in zip(self.layers, parts, strict=True):
            states.append(g_k.g(w_k, states[-1]))
        return states


def named(k: int, of_inner: Mapping[str, Value]) -> dict[str, Value]:
    """What the inner layer or branch k calls `W` is called `k.W` outside."""
    return {f"{k}.{name}": value for name, value in of_inner.items()}


def split(w: Parameters, count: int) -> list[Parameters]:
    """The parameters of each inner layer or branch, by the names that it uses itself."""
    parts = [Parameters() for _ in range(count)]
    for name, values in w.items():
        k, _, inner = name.partition(".")
        parts[int(k)][inner] = values
    return parts


def _operators(given: tuple[Mapping[str, Operator | Array], Operator | Array]) -> tuple[dict[str, Operator], Operator]:
    """Blocks none of which is an array any more."""
    A, B = given
    return {name: as_operator(block) for name, block in A.items()}, as_operator(B)
