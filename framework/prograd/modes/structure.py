"""The blocks of a network without their numbers: what they are made of, from shapes alone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final, TypeAlias

import numpy as np

from prograd import checks
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.errors import PluginError
from prograd.layer import Layer, Parameters
from prograd.linearization import Linearization
from prograd.network import Network
from prograd.operators.ledger import Kind, Ledger, Step

Numbers: TypeAlias = np.ndarray[Any, Any]

LAYER_BYTES, PARAMETER_BYTES, OBJECTS = 512, 512, 2**14
SHALLOW: Final = 8  # multiply-adds for each number: more than activations and normalisations take


@dataclass(frozen=True, eq=False)
class Structure:
    """A linearization for N samples without its numbers; its blocks may have been made for fewer, `seen` of them."""

    net: Network
    lin: Linearization
    seen: int
    ends: Sequence[tuple[Array, Array]] = ()
    """`z^i` and `z^{i+1}` as each layer was given them. Equal layers share theirs, and their blocks."""
    owned: dict[tuple[int, ...], dict[int, Numbers]] = field(default_factory=dict)
    """Arrays that own the memory of those in a block, by the identities of its operators: found once for each."""
    momentary: int = 0
    """Bytes of arrays that are made for the blocks of a layer and not kept."""

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
        momentary = max(
            self.made([(A, B)], self.samples) - self.made([({}, B)], self.samples) for A, B in self.lin.blocks
        )
        return replace(self, lin=self.lin.by_input(), momentary=momentary)

    def ledger(self) -> Ledger:
        """An empty one."""
        return Ledger(self.samples, self.seen, self.item)

    def made(self, blocks: Iterable[Block], rows: int) -> int:
        """Bytes of arrays that were made for blocks, for `rows` samples: not views of `w` or the `z^i`."""
        ledger = self.ledger()
        return sum(ledger.bytes(filter(_has_axes, self._owners(block).values()), rows) for block in blocks)

    def viewed(self, blocks: Iterable[Block], rows: int) -> int:
        """Bytes of the `z^2 … z^{L+1}` that blocks hold views of, for `rows` samples."""
        layers = len(self.net.layers)
        held = [False] * (layers + 1)
        for i, (block, ends) in enumerate(zip(list(blocks)[-layers:], self.ends, strict=False)):
            owners = self._owners(block)
            for k, z in enumerate(ends):
                held[i + k] = held[i + k] or id(owner(z)) in owners
        return sum(n * rows * self.item for n, there in list(zip(self.net.n, held, strict=True))[1:] if there)

    def _owners(self, block: Block) -> dict[int, Numbers]:
        operators = (*block[0].values(), block[1])
        key = tuple(map(id, operators))
        if key not in self.owned:
            arrays = (owner(array) for operator in operators for array in operator.arrays())
            self.owned[key] = {id(array): array for array in arrays}
        return self.owned[key]

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
                moved += calls * ledger.read(largest, 0)
            ledger.around.append(Step(kind, calls, multiply_adds, moved, depth))
            ledger.around.append(Step("layer", calls, 0, 0))
            ledger.hold(rows * B.rows * self.item)
        return ledger.held - before

    def charge_kept_blocks(self, ledger: Ledger) -> None:
        """Writes down the forward pass of all samples, whose blocks are kept, but no `z^i` that none of them views."""
        passed = self.charge_forward_pass(ledger, self.samples)
        ledger.hold(self.made(self.lin.blocks, self.samples))
        ledger.touch(self.momentary)
        ledger.hold(self.viewed(self.lin.blocks, self.samples) - passed)


def structure(net: Network, samples: int, dtype: np.dtype[Any]) -> Structure:
    """The structure of a network's blocks for N samples, found with hardly any work or memory.

    Parameters, samples and outputs are arrays whose entries all share one number, and there are only as many samples as
    it takes to tell a stack of maps from a shared one: a number that is no other size. The number is one because zeros
    would make sparse matrices empty and divisions infinite. Raises `PluginError` where a layer does not give blocks of
    the shapes it declared.
    """
    seen = samples_seen(net, samples)
    known: dict[Hashable, tuple[Block, tuple[Array, Array]]] = {}  # deep networks repeat a few layers
    for i, layer in enumerate(net.layers):
        key = layer_key(layer, net.n[i], i)
        if key not in known:
            ends = _ones((seen, net.n[i]), dtype), _ones((seen, net.n[i + 1]), dtype)
            known[key] = _block(net, i, *ends), ends
    made = [known[layer_key(layer, net.n[i], i)] for i, layer in enumerate(net.layers)]
    lin = Linearization([block for block, _ in made], net.spans, samples, dtype)
    return Structure(net, lin, seen, [ends for _, ends in made])


def of_layer(net: Network, i: int, samples: int, dtype: np.dtype[Any]) -> Structure:
    """The structure of layer i alone."""
    seen = samples_seen(net, samples)
    z, z_next = (_ones((seen, n_i), dtype) for n_i in net.n[i : i + 2])
    lin = Linearization([_block(net, i, z, z_next)], [net.spans[i]], samples, dtype)
    return Structure(net, lin, seen, [(z, z_next)])


def layer_key(layer: Layer, n_in: int, i: int) -> Hashable:
    """Equal for equal layers, where equality can be told."""
    try:
        hash(layer)
    except TypeError:
        return i
    return layer, n_in


def samples_seen(net: Network, samples: int) -> int:
    """For how many samples blocks are made, to have the structure of those for `samples` samples."""
    sizes = {*net.n, *(size for shapes in net.shapes for shape in shapes.values() for size in shape)}
    return 1 if samples == 1 else next(k for k in count(2) if k not in sizes)


def object_bytes(net: Network) -> int:
    """Bytes of the views of `w` and of the gradient, of their names, and of what calls the layers."""
    parameters = sum(len(span.each) for span in net.spans)
    return OBJECTS + LAYER_BYTES * len(net.layers) + PARAMETER_BYTES * parameters


def owner(array: Numbers) -> Numbers:
    """The array that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _has_axes(array: Numbers) -> bool:
    """Whether it is more than the one number that stands for those of `w` and the `z^i`."""
    return array.ndim > 0


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
