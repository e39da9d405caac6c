"""Reverse mode within a number of bytes: what it holds in any case, and what is left for the `z^i` that are kept."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np

from prograd.checkpoints import Schedule, schedule
from prograd.errors import OptionError
from prograd.layer import Layer
from prograd.network import Network
from prograd.planning import scratch
from prograd.planning.modes import LOSS_ARRAYS
from prograd.planning.structure import Structure, of_layer

TEMPORARIES = (
    2  # arrays of the shape of its output that a layer takes for a moment, beside those its blocks are made of
)
LAYER_BYTES, PARAMETER_BYTES = 512, 512  # objects: views of `w` and of the gradient, and what names them
OBJECTS = 2**14


def within(net: Network, rows: int, workers: int, dtype: np.dtype[Any], max_bytes: int) -> Schedule:
    """The schedule for gradients in reverse mode, `rows` samples at a time in each of `workers` threads.

    `max_bytes` is for all that a gradient holds: itself, the views of its parts, and for each thread the `z^i` that are
    kept, the `q`, `z` and slopes that it works on, what the widest layer takes for a moment, and a parameter's part
    where parts are added up. Raises `OptionError` that says how many bytes it takes at least.
    """
    states, costs, item = [], [], dtype.itemsize
    work = (LOSS_ARRAYS * net.n[-1] + sum(net.n[-2:])) * rows * item
    behind = [*itertools.accumulate(reversed(net.n), max)][::-1]  # the widest from here on
    known: dict[Hashable, _Needs] = {}  # deep networks repeat a few layers
    for i, layer in enumerate(net.layers):
        key = _key(layer, net.n[i], i)
        if key not in known:
            known[key] = _needs(of_layer(net, i, rows, dtype), rows)
        needs = known[key]
        states.append(rows * net.n[i] * item if i else 0)  # z^1 is the samples themselves
        costs.append(needs.cost)
        waiting = 2 * rows * behind[i + 2] * item if i + 2 < len(behind) else 0  # q and z of what is reversed next
        work = max(work, needs.evaluated + waiting, needs.reversed)
    parameters = [len(at) for span in net.spans for at in span.each.values()]
    parts = max(parameters, default=0) * dtype.itemsize if workers > 1 else 0
    objects = OBJECTS + LAYER_BYTES * len(costs) + PARAMETER_BYTES * len(parameters)
    fixed = net.size * dtype.itemsize + objects
    left = (max_bytes - fixed) // workers - work - parts
    if left < 0:
        least = fixed + workers * (work + parts)
        raise OptionError(
            f"max_bytes={max_bytes}: reverse mode takes at least {least} bytes, "
            f"{net.size * dtype.itemsize} of them for the gradient itself"
        )
    return schedule(states, costs, left)


def _key(layer: Layer, n_in: int, i: int) -> Hashable:
    """Equal for equal layers, where they can be told to be."""
    try:
        hash(layer)
    except TypeError:
        return i
    return layer, n_in


class _Needs(NamedTuple):
    """What a layer takes: multiply-adds of its evaluation, bytes of that and of reversing it, input and output too."""

    cost: int
    evaluated: int
    reversed: int


def _needs(layer: Structure, rows: int) -> _Needs:
    (A, B), item = layer.chain.blocks[0], layer.item
    made = layer.made(layer.chain.blocks, rows)
    output = rows * B.rows
    evaluated = rows * B.cols + (1 + TEMPORARIES) * output + scratch.apply(B, B.cols, B.rows, rows)
    sums = max((scratch.vjp_sum(J, rows) for J in A.values()), default=0)
    pulled = rows * B.cols + scratch.apply(B, B.rows, B.cols, rows)
    slopes = TEMPORARIES * output if made else 0
    reversed_ = rows * B.cols + 2 * output + max(sums, pulled, slopes)
    cost = B.rows + max(J.edges for J in (B, *A.values()))
    return _Needs(cost, evaluated * item + made, reversed_ * item + made)
