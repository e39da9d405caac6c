"""Checkpoints: few of the `z^i` are kept, the others are computed again when reverse mode needs them.

Layers are reversed from the last to the first. Reversing layer i takes `z^i` and `z^{i+1}`; the latter is at hand,
since it was the input of the layer that was reversed before. Each `z^i` is computed from the last one before it that
was kept, and a kept one is freed once its layer is reversed. With `z^i` kept and room for b,

    cost(i … j, b) = min over k of  cost of i … k-1  +  cost(k … j, b - bytes of z^k)  +  cost(i … k-1, b)

is the least cost of `z^j, …, z^i` in this order: go on to `z^k`, keep it, reverse the layers after it, then those
before. Without a further `z^k`, each is computed from `z^i`. For equal layers this is the binomial bound: with s kept,
`z^1` among them, l layers take `r l - C(s + r, s + 1)` evaluations (`evaluations`), where r is the least with
`l <= C(s + r, s)`.

Source: A. Griewank and A. Walther, Algorithm 799: revolve, 2000.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from prograd.arrays import Array

Floats = np.ndarray[Any, np.dtype[np.float64]]

LONGEST = 100  # layers for which the recursion is solved; the time is cubic
STEPS = 128  # the most parts in which it counts bytes


class Schedule(Protocol):
    """Which `z^k` to keep next; `room` is what there is at first, in the schedule's own unit."""

    room: int

    def split(self, i: int, j: int, room: int) -> int | None:
        """The next to keep after `z^i`, on the way to layer j, with `room` left for it; None where none is best."""

    def after(self, k: int, room: int) -> int:
        """What is left of `room` when `z^k` is kept."""


def best_schedule(state_bytes: Sequence[int], costs: Sequence[int], max_bytes: int) -> Schedule:
    """The best schedule for layers of unequal size and cost, within `max_bytes` for what is kept beside `z^1`.

    `state_bytes` are those of the layers' inputs `z^1 … z^L`, `costs` those of computing their outputs. Up to 100
    layers it is the best there is, with bytes counted in steps of the sizes' common divisor, or of 1/128 of the
    limit where that is larger. Beyond, every layer is taken for one of the largest and for as costly as any, which is
    the best for equal layers.
    """
    if len(costs) > LONGEST:
        all_fit = max_bytes >= sum(state_bytes)
        return Binomial(len(costs) if all_fit else min(len(costs), 1 + max_bytes // max(state_bytes[1:])))
    return Recursion(state_bytes, costs, max_bytes)


class Binomial:
    """Equal layers, `slots` of whose inputs can be kept, `z^1` among them."""

    def __init__(self, slots: int) -> None:
        self.room = slots

    def split(self, i: int, j: int, room: int) -> int | None:
        """So that both parts take no repetitions more than the whole."""
        layers = j - i + 1
        if room == 1 or layers == 1:
            return None
        r = _repetitions(layers, room)
        return i + min(_reach(room, r - 1), layers - _reach(room - 1, r - 1))

    def after(self, k: int, room: int) -> int:
        """One place less."""
        return room - 1


class Recursion:
    """The recursion above, solved for every interval and every number of bytes."""

    def __init__(self, state_bytes: Sequence[int], costs: Sequence[int], max_bytes: int) -> None:
        L, all_fit = len(costs), max_bytes >= sum(state_bytes[1:])
        step = max(math.gcd(*state_bytes[1:]), -(-max_bytes // STEPS), 1)
        self.room = 0 if all_fit else max_bytes // step
        self._parts = [0 if all_fit else -(-size // step) for size in state_bytes]
        # Exact in float64 as long as all is below 2^53; where it is not, a choice between nearly equal ones is as good.
        before = np.concatenate([[0.0], np.cumsum(costs, dtype=float)])
        cost = np.zeros((L, L, self.room + 1))
        self._split = np.full((L, L, self.room + 1), -1, np.int8)
        for d in range(1, L):
            for i in range(L - d):
                self._solve(i, i + d, before, cost)
        self.cost = float(cost[0, -1, self.room])
        """What computing `z^L … z^1` in this order costs altogether."""

    def split(self, i: int, j: int, room: int) -> int | None:
        """As the table says."""
        k = int(self._split[i, j, room])
        return None if k < 0 else k

    def after(self, k: int, room: int) -> int:
        """Its bytes less."""
        return room - self._parts[k]

    def _solve(self, i: int, j: int, before: Floats, costs: Floats) -> None:
        best = np.full(self.room + 1, float(np.sum(before[i + 1 : j + 1] - before[i])))
        split = np.full(self.room + 1, -1)
        for k in range(i + 1, j + 1):
            size = self._parts[k]
            if size > self.room:
                continue
            cost = before[k] - before[i] + costs[k, j, : self.room + 1 - size] + costs[i, k - 1, size:]
            better = cost < best[size:]
            best[size:][better] = cost[better]
            split[size:][better] = k
        costs[i, j], self._split[i, j] = best, split


def evaluations(layers: int, slots: int) -> int:
    """The least number of layers to evaluate for `z^l … z^1`, with `slots` of them kept at a time, `z^1` among them."""
    r = _repetitions(layers, slots)
    return r * layers - math.comb(slots + r, slots + 1)


def inputs(schedule: Schedule, layers: int, x: Array, g: Callable[[int, Array], Array]) -> Iterator[Array]:
    """`z^L, …, z^1`, the layers' inputs, last layer first. `g(i, z)` evaluates layer i, counted from 0."""
    kept = [(0, x, schedule.room)]
    for j in reversed(range(layers)):
        i, z, room = kept[-1]
        while i < j:
            k = schedule.split(i, j, room)
            for u in range(i, j if k is None else k):
                z = g(u, z)
            if k is None:
                break
            i, room = k, schedule.after(k, room)
            kept.append((k, z, room))
        if kept[-1][0] == j:
            kept.pop()
        yield z


def _reach(slots: int, repetitions: int) -> int:
    """How many layers so many slots are enough for, none of them evaluated more often than that."""
    return math.comb(slots + repetitions, slots) if repetitions >= 0 else 0


def _repetitions(layers: int, slots: int) -> int:
    r = 0
    while _reach(slots, r) < layers:
        r += 1
    return r
