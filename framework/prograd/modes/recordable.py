"""Networks that can be recorded without numbers: a layer that can't is replaced by one that does about the same work."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from prograd import checks
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.errors import NotRecordable, PluginError
from prograd.layer import Layer, Parameters
from prograd.network import Network
from prograd.operators import Operator
from prograd.tape.meter import Meter

SEEN = 2  # samples for which a layer that needs numbers gives its blocks


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
    layer, meter = net.layers[i], Meter()
    try:
        w = given_parameters(meter, net.shapes[i], dtype)
        z: Any = meter.input((SEEN, net.n[i]), dtype)
        given = layer.jacobian(w, z, layer.g(w, z))
        operators = checks.block(net, i, given, SEEN)
        for J in (*operators[0].values(), operators[1]):
            J.vjp(meter.input((1, SEEN, J.rows), dtype))  # type: ignore[arg-type]  # duck arrays
    except PluginError:
        raise
    except Exception:  # noqa: BLE001  (a layer may raise anything where it finds no ndarray)
        return StandIn(layer, _evaluated(net, i, dtype))
    return layer


def _evaluated(net: Network, i: int, dtype: np.dtype[Any]) -> Block:
    """The block at a layer's first parameters, for a layer that needs more than shapes."""
    rng = np.random.default_rng(0)
    layer = net.layers[i]
    try:
        given = layer.init(rng, net.n[i])
        w = Parameters({name: np.asarray(given[name], dtype).reshape(shape) for name, shape in net.shapes[i].items()})
        z = rng.normal(size=(SEEN, net.n[i])).astype(dtype)
        given = layer.jacobian(w, z, layer.g(w, z))
    except Exception as error:
        raise PluginError(
            f"{net.describe(i)}: expected a Jacobian that can be planned, got {type(error).__name__}: {error}"
        ) from error
    return checks.block(net, i, given, SEEN)


class StandIn(Layer):
    """Does as many multiply-adds as a layer that can't be recorded, as products of matrices."""

    def __init__(self, layer: Layer, block: Block) -> None:
        self._layer, (self._A, self._B) = layer, block

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return self._layer.shapes(n_in)

    def g(self, w: Parameters, z: Array) -> Array:  # noqa: ARG002  (only sizes count)
        largest = max((self._B, *self._A.values()), key=lambda J: J.edges)
        return _Sized(largest, 1).jvp(z)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:  # noqa: ARG002  (as above)
        return {name: _Sized(J, len(z)) for name, J in self._A.items()}, _Sized(self._B, len(z))


class _Sized(Operator):
    """An operator of which only the sizes and the multiply-adds are known."""

    edges: int
    column_edges: int
    samples: int
    dtype: np.dtype[Any]

    def __init__(self, of: Operator, samples: int) -> None:
        self.rows, self.cols, self.edges, self.column_edges = of.rows, of.cols, of.edges, of.column_edges
        self.samples, self.dtype = samples if of.samples > 1 else 1, of.dtype

    def jvp(self, v: Array) -> Array:
        return self._product(v, self.rows)

    def vjp(self, q: Array) -> Array:
        return self._product(q, self.cols)

    def _product(self, v: Array, n: int) -> Array:
        k = max(1, math.ceil(self.edges / max(n, 1)))
        some = np.broadcast_to(v[..., :1], (*v.shape[:-2], max(v.shape[-2], self.samples), k))
        product: Array = some @ np.empty((k, n), v.dtype, like=v)
        return product
