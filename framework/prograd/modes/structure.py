"""The blocks of a network without their numbers: what they are made of, from shapes alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import numpy as np

from prograd import checks
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.errors import PluginError
from prograd.layer import Parameters
from prograd.linearization import Linearization
from prograd.network import Network
from prograd.operators.ledger import Kind, Ledger, Step

SHALLOW: Final = 8  # multiply-adds for each number: more than activations and normalisations take


@dataclass(frozen=True, eq=False)
class Structure:
    """A linearization for N samples without its numbers; its blocks may have been made for fewer, `seen` of them."""

    net: Network
    lin: Linearization
    seen: int

    @property
    def samples(self) -> int:
        """N."""
        return self.lin.samples

    @property
    def item(self) -> int:
        """Bytes of a number."""
        return int(self.lin.dtype.itemsize)

    def by_input(self) -> Structure:
        """The same function differentiated by `x`."""
        return Structure(self.net, self.lin.by_input(), self.seen)

    def ledger(self) -> Ledger:
        """An empty one."""
        return Ledger(self.samples, self.seen, self.item)

    def made(self, blocks: Iterable[Block], rows: int) -> int:
        """Bytes of arrays that were made for blocks, for `rows` samples: not views of `w` or the `z^i`."""
        return self.ledger().bytes((array for array in _owners(blocks).values() if array.ndim), rows)

    def viewed(self, blocks: Iterable[Block], rows: int) -> int:
        """Bytes of the `z^2 … z^{L+1}` that blocks hold views of, for `rows` samples."""
        owners = _owners(blocks)
        return sum(z.shape[1] * rows * self.item for z in self.lin.z[1:] if id(owner(z)) in owners)

    def charge_forward_pass(self, ledger: Ledger, rows: int, calls: int = 1) -> int:
        """Writes down `z^2 … z^{L+1}`, which are kept; returns their bytes.

        A layer's `g` takes about what a product with its largest block does.
        """
        before = ledger.held
        for A, B in self.lin.blocks:
            largest = max((B, *A.values()), key=lambda operator: operator.edges)
            depth = largest.depth(self.samples)
            moved = self.samples * (B.cols + B.rows) * self.item
            # By the input no layer has an `A`, so its `B` has to tell whether it is a function of each number.
            kind: Kind = "function" if not A and depth < SHALLOW else "product"
            multiply_adds = 0 if kind == "function" else self.samples * largest.edges
            if kind == "product":
                moved += calls * ledger.bytes(largest.arrays(), 0)
            ledger.around.append(Step(kind, calls, multiply_adds, moved, depth))
            ledger.around.append(Step("layer", calls, 0, 0))
            ledger.hold(rows * B.rows * self.item)
        return ledger.held - before

    def charge_kept_blocks(self, ledger: Ledger) -> None:
        """Writes down the forward pass of all samples, whose blocks are kept, but no `z^i` that none of them views."""
        passed = self.charge_forward_pass(ledger, self.samples)
        ledger.hold(self.made(self.lin.blocks, self.samples))
        ledger.hold(self.viewed(self.lin.blocks, self.samples) - passed)


def structure(net: Network, samples: int, dtype: np.dtype[Any]) -> Structure:
    """The structure of a network's blocks for N samples, found with hardly any work or memory.

    Parameters, samples and outputs are arrays whose entries all share one number, and there are only as many samples as
    it takes to tell a stack of maps from a shared one: a number that is no other size. The number is one because zeros
    would make sparse matrices empty and divisions infinite. Raises `PluginError` where a layer does not give blocks of
    the shapes it declared.
    """
    seen = samples_seen(net, samples)
    z = tuple(_ones((seen, n_i), dtype) for n_i in net.n)
    blocks = [_block(net, i, z[i], z[i + 1]) for i in range(len(net.layers))]
    return Structure(net, Linearization(blocks, net.spans, samples, dtype, z), seen)


def of_layer(net: Network, i: int, samples: int, dtype: np.dtype[Any]) -> Structure:
    """The structure of layer i alone."""
    seen = samples_seen(net, samples)
    z, z_next = (_ones((seen, n_i), dtype) for n_i in net.n[i : i + 2])
    lin = Linearization([_block(net, i, z, z_next)], [net.spans[i]], samples, dtype, (z, z_next))
    return Structure(net, lin, seen)


def samples_seen(net: Network, samples: int) -> int:
    """For how many samples blocks are made, to have the structure of those for `samples` samples."""
    sizes = {*net.n, *(size for shapes in net.shapes for shape in shapes.values() for size in shape)}
    return 1 if samples == 1 else next(k for k in count(2) if k not in sizes)


def owner(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _owners(blocks: Iterable[Block]) -> dict[int, np.ndarray[Any, Any]]:
    return {
        id(found): found for A, B in blocks for operator in (*A.values(), B) for found in map(owner, operator.arrays())
    }


def _block(net: Network, i: int, z: Array, z_next: Array) -> Block:
    w = Parameters({name: _ones(shape, z.dtype) for name, shape in net.shapes[i].items()})
    try:
        with np.errstate(all="ignore"):
            given = net.layers[i].jacobian(w, z, z_next)
    except Exception:  # noqa: BLE001  (the layer writes to its arrays, or z_next belongs to no z: try real ones)
        given = _evaluated(net, i, len(z), z.dtype)
    return checks.block(net, i, given, len(z))


def _evaluated(net: Network, i: int, samples: int, dtype: np.dtype[Any]) -> Any:
    """The block at a layer's first parameters, for a layer that needs more than shapes."""
    rng = np.random.default_rng(0)
    layer = net.layers[i]
    try:
        given = layer.init(rng, net.n[i])
        w = Parameters({name: np.asarray(given[name], dtype).reshape(shape) for name, shape in net.shapes[i].items()})
        z = rng.normal(size=(samples, net.n[i])).astype(dtype)
        return layer.jacobian(w, z, layer.g(w, z))
    except Exception as error:
        raise PluginError(
            f"{net.describe(i)}: expected a Jacobian that can be planned, got {type(error).__name__}: {error}"
        ) from error


def _ones(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return np.broadcast_to(np.ones((), dtype), shape)
