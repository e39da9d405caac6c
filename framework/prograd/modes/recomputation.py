"""Reverse mode within a number of bytes: the schedule that fits, and the blocks from recomputed `z^i`."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, overload

import numpy as np

from prograd import recursions
from prograd.arrays import Array
from prograd.blocks import Block, Blocks
from prograd.errors import OptionError
from prograd.layer import Layer
from prograd.modes.base import Evaluation
from prograd.modes.checkpoints import Schedule, best_schedule, inputs
from prograd.modes.recordable import given_parameters, layer_key, recordable
from prograd.network import Network
from prograd.operators import Identity, Zero
from prograd.operators.ledger import uncounted
from prograd.tape.meter import Meter

LOSS_ARRAYS: Final = 4  # of the shape of the output, while a loss computes its value and its gradient
LAYER_BYTES, PARAMETER_BYTES, OBJECTS = 512, 512, 2**14
KEPT: Final = 64  # schedules, which come back in every step of gradient descent


class Recomputed(Sequence[Block]):
    """The blocks of all samples, from the last to the first; each `z^i` that was not kept is computed again.

    Blocks have to be asked for in that order, as reverse mode does, and `output` before them.
    """

    def __init__(self, schedule: Schedule, at: Evaluation) -> None:
        self._layers, self._w = at.net.layers, at.parameters
        last = len(self._layers) - 1
        self._inputs = inputs(schedule, len(self._layers), at.x, self._g)
        self._i, self._z = last, next(self._inputs)
        self._z_next = self._g(last, self._z)

    @property
    def output(self) -> Array:
        """`z^{L+1}`."""
        return self._z_next

    def __len__(self) -> int:
        return len(self._layers)

    @overload
    def __getitem__(self, i: int) -> Block: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Block]: ...
    def __getitem__(self, i: int | slice) -> Block | Sequence[Block]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        if i < self._i:
            self._z_next = self._z
            self._i, self._z = i, next(self._inputs)
        return Blocks(self._layers[i : i + 1], self._w[i : i + 1], [self._z, self._z_next])[0]

    def _g(self, i: int, z: Array) -> Array:
        return self._layers[i].g(self._w[i], z)


@lru_cache(KEPT)
def schedule_within(net: Network, rows: int, dtype: np.dtype[Any], max_bytes: int) -> Schedule:
    """The schedule with which the gradient of `rows` samples takes no more than `max_bytes`, in reverse mode.

    `max_bytes` is for everything that a gradient holds: itself, the views of its parts, the `z^i` that are kept, the
    `q`, `z` and slopes that it works on, and what the widest layer takes for a moment. Raises `OptionError` that says
    how many bytes it takes at least.
    """
    states, costs, item = [], [], dtype.itemsize
    closing = net.n[-1] * rows * item  # q^{L+1}
    work = (LOSS_ARRAYS * net.n[-1] + sum(net.n[-2:])) * rows * item
    behind = [*itertools.accumulate(reversed(net.n), max)][::-1]  # the widest from here on
    known: dict[Hashable, _Needs] = {}  # deep networks repeat a few layers
    layers = recordable(net, dtype)
    for i, layer in enumerate(layers):
        key = layer_key(layer, net.n[i], i)
        if key not in known:
            known[key] = _needs(net, i, layer, rows, dtype)
        needs = known[key]
        states.append(rows * net.n[i] * item if i else 0)  # z^1 is the samples themselves
        costs.append(needs.cost)
        waiting = 2 * rows * behind[i + 2] * item if i + 2 < len(behind) else 0  # q and z of what is reversed next
        work = max(work, needs.evaluated + waiting, needs.reversed)
    fixed = net.size * dtype.itemsize + object_bytes(net)
    left = max_bytes - fixed - closing - work
    if left < 0:
        least = fixed + closing + work
        raise OptionError(
            f"max_bytes: expected at least {least} for reverse mode, {net.size * dtype.itemsize} of them for the "
            f"gradient itself, got {max_bytes}"
        )
    return best_schedule(states, costs, left)


def object_bytes(net: Network) -> int:
    """Bytes of the views of `w` and of the gradient, of their names, and of what calls the layers."""
    parameters = sum(len(span.each) for span in net.spans)
    return OBJECTS + LAYER_BYTES * len(net.layers) + PARAMETER_BYTES * parameters


class _Needs(NamedTuple):
    """Multiply-adds of evaluating a layer; bytes of evaluating and of reversing it, input and output included."""

    cost: int
    evaluated: int
    reversed: int


@uncounted
def _needs(net: Network, i: int, layer: Layer, rows: int, dtype: np.dtype[Any]) -> _Needs:
    """What a layer needs, by recording it."""
    meter = Meter()
    w = given_parameters(meter, net.shapes[i], dtype)
    z: Any = meter.input((rows, net.n[i]), dtype)
    z_next = layer.g(w, z)
    evaluated = meter.peak
    meter.peak = meter.held
    q: Any = meter.input((rows, net.n[i + 1]), dtype)
    p: dict[str, Any] = {name: meter.output((len(at),), dtype) for name, at in net.spans[i].each.items()}
    (A, B) = Blocks([layer], [w], [z, z_next])[0]
    before = ({"z": Identity(B.cols)}, Zero(B.cols, 0))  # something that asks for B^T q
    recursions.reverse([before, (A, B)], q, [{"z": meter.output((B.cols,), dtype)}, p], recursions.sum_into)
    cost = B.rows + max(J.edges for J in (B, *A.values()))
    return _Needs(cost, z.nbytes + evaluated, z.nbytes + q.nbytes + meter.peak)
