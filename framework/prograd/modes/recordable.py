"""Layers that can be recorded without numbers; one that can't is replaced by one that does about the same work."""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable, Mapping
from itertools import count
from typing import Any

import numpy as np

from prograd import checks
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.errors import PluginError
from prograd.layer import Layer, Parameters
from prograd.network import Network
from prograd.operators import Operator
from prograd.tape.meter import Meter


def recordable(net: Network, dtype: np.dtype[Any]) -> tuple[Layer, ...]:
    """The layers of a network, with a stand-in for each that can't be recorded; found once for each dtype.

    Raises `PluginError` where a layer does not give blocks of the shapes it declared.
    """
    kept: dict[np.dtype[Any], tuple[Layer, ...]] = net.kept.setdefault(StandIn, {})
    if dtype not in kept:
        known: dict[Hashable, Layer] = {}  # deep networks repeat a few layers
        for i, layer in enumerate(net.layers):
            key = layer_key(layer, net.n[i], i)
            if key not in known:
                known[key] = _recordable(net, i, dtype)
        kept[dtype] = tuple(known[layer_key(layer, net.n[i], i)] for i, layer in enumerate(net.layers))
    return kept[dtype]


def layer_key(layer: Layer, n_in: int, i: int) -> Hashable:
    """Equal for equal layers, where equality can be told."""
    try:
        hash(layer)
    except TypeError:
        return i
    return layer, n_in


def given_parameters(meter: Meter, shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any]) -> Parameters:
    """Parameters without numbers."""
    return Parameters({name: meter.input(shape, dtype) for name, shape in shapes.items()})  # type: ignore[misc]  # duck arrays


def _recordable(net: Network, i: int, dtype: np.dtype[Any]) -> Layer:
    """The layer itself, or its stand-in."""
    layer, meter, seen = net.layers[i], Meter(), samples_seen(net)
    try:
        w = given_parameters(meter, net.shapes[i], dtype)
        z: Any = meter.input((seen, net.n[i]), dtype)
        given = layer.jacobian(w, z, layer.g(w, z))
        operators = checks.block(net, i, given, seen)
        for J in (*operators[0].values(), operators[1]):
            J.vjp(meter.input((1, seen, J.rows), dtype))  # type: ignore[arg-type]  # duck arrays
    except PluginError:
        raise
    except Exception:  # noqa: BLE001  (a layer may raise anything where it finds no ndarray)
        return StandIn(layer, _evaluated(net, i, dtype, seen), seen)
    return layer


def samples_seen(net: Network) -> int:
    """For how many samples blocks are made: a number that is no other size."""
    sizes = {*net.n, *(size for shapes in net.shapes for shape in shapes.values() for size in shape)}
    return next(k for k in count(2) if k not in sizes)


def _evaluated(net: Network, i: int, dtype: np.dtype[Any], seen: int) -> Block:
    """The block at a layer's first parameters, for a layer that needs more than shapes."""
    rng = np.random.default_rng(0)
    layer = net.layers[i]
    try:
        first = layer.init(rng, net.n[i])
        w = Parameters({name: np.asarray(first[name], dtype).reshape(shape) for name, shape in net.shapes[i].items()})
        z = rng.normal(size=(seen, net.n[i])).astype(dtype)
        given = layer.jacobian(w, z, layer.g(w, z))
    except Exception as error:
        raise PluginError(
            f"{net.describe(i)}: expected a Jacobian that can be planned, got {type(error).__name__}: {error}"
        ) from error
    return checks.block(net, i, given, seen)


class StandIn(Layer):
    """Does as many multiply-adds as a layer that can't be recorded."""

    def __init__(self, layer: Layer, block: Block, seen: int) -> None:
        self._layer, (self._A, self._B), self._seen = layer, block, seen

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return self._layer.shapes(n_in)

    def g(self, w: Parameters, z: Array) -> Array:
        largest = max((self._B, *self._A.values()), key=lambda J: J.edges)
        return _Sized(largest, 1).jvp(z)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        return {name: self._like(J, z) for name, J in self._A.items()}, self._like(self._B, z)

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        return self.jacobian(w, z, z_next)

    def _like(self, J: Operator, z: Array) -> Operator:
        """The operator with arrays for as many samples as `z` has, which hold no numbers; or one of its size."""
        made = self._without_numbers(J, z)
        try:
            made.vjp(np.empty((1, len(z), J.rows), z.dtype, like=z))
        except Exception:  # noqa: BLE001  (an operator may raise anything where it finds no ndarray)
            return _Sized(J, len(z) if J.samples > 1 else 1)
        return made

    def _without_numbers(self, J: Operator, z: Array) -> Operator:
        made = copy.copy(J)
        for name, value in vars(J).items():
            if isinstance(value, Operator):
                setattr(made, name, self._without_numbers(value, z))
            elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
                stacked = value.shape[:1] == (self._seen,)
                shape = (len(z), *value.shape[1:]) if stacked else value.shape
                setattr(made, name, np.empty(shape, value.dtype, like=z))
        if J.samples > 1:
            vars(made)["samples"] = len(z)
        return made


class _Sized(Operator):
    """An operator of which only the sizes and the multiply-adds are known: its products are those of matrices."""

    edges: int
    column_edges: int
    samples: int
    dtype: np.dtype[Any]

    def __init__(self, of: Operator, samples: int) -> None:
        self.rows, self.cols, self.edges, self.column_edges = of.rows, of.cols, of.edges, of.column_edges
        self.samples, self.dtype = samples, of.dtype

    def jvp(self, v: Array) -> Array:
        return self._product(v, self.rows)

    def vjp(self, q: Array) -> Array:
        return self._product(q, self.cols)

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        out[...] = np.empty(out.shape, out.dtype, like=out)

    def _product(self, v: Array, n: int) -> Array:
        k = max(1, math.ceil(self.edges / max(n, 1)))
        some = np.broadcast_to(v[..., :1], (*v.shape[:-2], max(v.shape[-2], self.samples), k))
        product: Array = some @ np.empty((k, n), v.dtype, like=v)
        return product
