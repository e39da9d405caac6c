"""The blocks of a network without their numbers: what they are made of, from shapes alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import scipy.sparse

from prograd import checks
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.chain import Chain
from prograd.errors import PluginError
from prograd.layer import Parameters
from prograd.network import Network
from prograd.operators import Operator


@dataclass(frozen=True, eq=False)
class Structure:
    """A network's chain for N samples whose blocks may have been made for fewer, `seen` of them."""

    net: Network
    chain: Chain
    seen: int
    z: tuple[Array, ...] = ()

    @property
    def samples(self) -> int:
        """N."""
        return self.chain.samples

    @property
    def item(self) -> int:
        """Bytes of a number."""
        return int(self.chain.dtype.itemsize)

    @property
    def widest(self) -> int:
        """The largest `n_i`."""
        return max(self.net.n)

    def by_input(self) -> Structure:
        """The same function differentiated by `x`."""
        return Structure(self.net, self.chain.by_input(), self.seen, self.z)

    def stack(self, operator: Operator) -> int:
        """How many maps the operator is: N, or 1 for one that all samples share."""
        return self.samples if operator.samples > 1 else 1

    def reads(self, operator: Operator, samples: int) -> int:
        """Bytes of the arrays that one product with the operator reads, for so many samples."""
        return self._bytes(arrays(operator), samples)

    def made(self, blocks: Iterable[Block], samples: int) -> int:
        """Bytes of arrays that were made for blocks, for so many samples: not views of `w` or the `z^i`."""
        return self._bytes((array for array in _owners(blocks).values() if array.ndim), samples)

    def viewed(self, blocks: Iterable[Block], samples: int) -> int:
        """Bytes of the `z^2 … z^{L+1}` that blocks hold views of, for so many samples."""
        owners = _owners(blocks)
        return sum(z.shape[1] * samples * self.item for z in self.z[1:] if id(owner(z)) in owners)

    def _bytes(self, found: Iterable[np.ndarray[Any, Any]], samples: int) -> int:
        """Bytes of arrays; those of a stack were made for as many samples as were seen."""
        return sum(
            array.nbytes // self.seen * samples if array.ndim > 1 and len(array) == self.seen > 1 else array.nbytes
            for array in found
        )


def structure(net: Network, samples: int, dtype: np.dtype[Any]) -> Structure:
    """The structure of a network's blocks for N samples, found without work or memory to speak of.

    Parameters, samples and outputs are single ones seen from every index, and there are only as many samples as it
    takes to tell a stack of maps from a shared one: a number that is the size of nothing else. They are ones because
    zeros would make sparse matrices empty and divisions infinite. Raises `PluginError` where a layer does not give
    blocks of the shapes it declared.
    """
    seen = samples_seen(net, samples)
    z = tuple(_ones((seen, n_i), dtype) for n_i in net.n)
    blocks = [_block(net, i, z[i], z[i + 1]) for i in range(len(net.layers))]
    return Structure(net, Chain(blocks, net.spans, samples, dtype), seen, z)


def of_layer(net: Network, i: int, samples: int, dtype: np.dtype[Any]) -> Structure:
    """The same of one layer on its own."""
    seen = samples_seen(net, samples)
    z, z_next = (_ones((seen, n_i), dtype) for n_i in net.n[i : i + 2])
    return Structure(net, Chain([_block(net, i, z, z_next)], [net.spans[i]], samples, dtype), seen, (z, z_next))


def samples_seen(net: Network, samples: int) -> int:
    """How many samples blocks are made for, to have the structure of those for so many."""
    sizes = {*net.n, *(size for shapes in net.shapes for shape in shapes.values() for size in shape)}
    return 1 if samples == 1 else next(k for k in count(2) if k not in sizes)


def arrays(operator: Operator) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays that an operator is made of, those of its factors and terms included."""
    for value in vars(operator).values():
        if isinstance(value, Operator):
            yield from arrays(value)
        elif isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, scipy.sparse.csr_array):
            yield from (value.data, value.indices, value.indptr)


def owner(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array whose memory this one shows: one number, for what every index sees as one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _owners(blocks: Iterable[Block]) -> dict[int, np.ndarray[Any, Any]]:
    return {
        id(found): found for A, B in blocks for operator in (*A.values(), B) for found in map(owner, arrays(operator))
    }


def _block(net: Network, i: int, z: Array, z_next: Array) -> Block:
    w = Parameters({name: _ones(shape, z.dtype) for name, shape in net.shapes[i].items()})
    try:
        with np.errstate(all="ignore"):
            given = net.layers[i].jacobian(w, z, z_next)
    except Exception:  # noqa: BLE001  (arrays that can't be written to, or a z_next that no z has: real ones, then)
        given = _evaluated(net, i, len(z), z.dtype)
    return checks.block(net, i, given, len(z))


def _evaluated(net: Network, i: int, samples: int, dtype: np.dtype[Any]) -> Any:
    """The block where a layer starts, for a layer that needs more than shapes."""
    rng = np.random.default_rng(0)
    layer = net.layers[i]
    try:
        given = layer.init(rng, net.n[i])
        w = Parameters({name: np.asarray(given[name], dtype).reshape(shape) for name, shape in net.shapes[i].items()})
        z = rng.normal(size=(samples, net.n[i])).astype(dtype)
        return layer.jacobian(w, z, layer.g(w, z))
    except Exception as error:
        raise PluginError(
            f"{net.describe(i)}: its Jacobian can't be planned: {type(error).__name__}: {error}"
        ) from error


def _ones(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return np.broadcast_to(np.ones((), dtype), shape)
