"""The dynamic programming behind `bracketing`: the cheapest order of merging intervals of layers, in exact integers.

`bracketing` defines `P` and `W` of an interval, and the ways of merging two. Costs are multiply-adds of all samples
together. A matrix that all samples share (a product of shared blocks) is multiplied once, so the cost of a product
depends on whether the other factor already is a stack. Only tangents know their columns from the start, and their
number does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, Literal, TypeAlias

import numpy as np

Way: TypeAlias = Literal["dense", "product", "tangents", "adjoints"]
Integers: TypeAlias = np.ndarray[Any, np.dtype[Any]]  # int64, or Python's own integers if int64 could overflow

MERGES: Final[tuple[Way, ...]] = ("tangents", "adjoints", "product")  # of equal ones the first: it holds fewer matrices
GREATEST: Final = 2**61  # three of these can be added up in int64
EXACT: Final = 2**53  # in float64


@dataclass(frozen=True)
class LayerCosts:
    """The costs of each layer, first layer first.

    `rows` and `cols` are those of `B`, and `own` is the number of columns of `A`. `push` (`B v`), `pull` (`B^T q`) and
    `own_pull` (`A^T q`) are pairs: the multiply-adds of a product with one vector that all samples share, and with a
    stack of vectors. `dense` and `own_dense` are the multiply-adds of writing out `B` and `A`. `stacked` says whether
    `B` differs from sample to sample.
    """

    rows: Sequence[int]
    cols: Sequence[int]
    own: Sequence[int]
    push: Sequence[tuple[int, int]]
    pull: Sequence[tuple[int, int]]
    own_pull: Sequence[tuple[int, int]]
    dense: Sequence[int]
    own_dense: Sequence[int]
    stacked: Sequence[bool]
    samples: int = 1

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, repr=False)
class Node:
    """`layers[start:stop]`, accumulated in one `way`, including `P` if `product`. `cost` is that of the whole subtree.

    The inner layers end at `split`, and the outer layers start there. A "dense" node has no parts. A "product" has an
    `outer` and an `inner` node, "adjoints" have an `outer` one, and "tangents" have an `inner` one, and an `outer` one
    if the outer layers have columns.
    """

    start: int
    split: int
    stop: int
    way: Way
    product: bool
    cost: int
    outer: Node | None = None
    inner: Node | None = None

    def steps(self) -> list[Node]:
        """All nodes in an order of execution: parts before the whole, outer parts before inner ones."""
        waiting, steps = [self], []
        while waiting:
            node = waiting.pop()
            steps.append(node)
            waiting += [part for part in (node.outer, node.inner) if part is not None]
        return steps[::-1]

    def __repr__(self) -> str:
        return f"Node({self.way} of layers[{self.start}:{self.stop}], {self.cost} multiply-adds)"


def forward_cost(costs: LayerCosts, *, product: bool) -> int:
    """Pure tangents: push unit columns (for `P`) and the columns of the `A`s (for `W`) through all later `B`s."""
    if product:
        return costs.cols[0] * (costs.push[0][0] + sum(push[any(costs.stacked)] for push in costs.push[1:]))
    columns = pushed = 0
    for own, push in zip(costs.own, costs.push, strict=True):
        pushed += columns * push[1]
        columns += own
    return pushed + sum(costs.own_dense)


def reverse_cost(costs: LayerCosts, *, product: bool) -> int:
    """Pure adjoints: pull unit rows back through all `A`s and `B`s; as far as the first `A` if not for `P`."""
    first = next((i for i, own in enumerate(costs.own) if own), len(costs))
    stack, pulled = False, 0
    for i in reversed(range(len(costs))):
        pulled += costs.own_pull[i][stack] + (costs.pull[i][stack] if i > first or product else 0)
        stack = stack or costs.stacked[i]
    return costs.rows[-1] * pulled


def best(costs: LayerCosts, *, product: bool, ways: Sequence[Way] = MERGES, numbers: int | None = None) -> Node | None:
    """The cheapest tree for the `P` of all layers (`product`) or for their `W`.

    It merges in the given `ways`. None of its accumulated matrices, except for the result, has more than `numbers`
    entries. Returns None if there is no such tree. Takes O(L³) operations of numpy and O(L²) memory.
    """
    bound = _bound(costs) * (1 if numbers is None else len(costs))
    if bound < GREATEST:
        return _filled(costs, ways, numbers, np.dtype(np.int64), bound).tree(int(product))
    # Costs that overflow are far from the best. They are wrong in int64 but large in float64, and so are left out.
    tree = None
    if _sum(costs) < EXACT:
        tree = _filled(costs, ways, numbers, np.dtype(np.int64), GREATEST, guarded=True).tree(int(product))
    return tree or _filled(costs, ways, numbers, np.dtype(object), bound).tree(int(product))


def _filled(  # noqa: PLR0913
    costs: LayerCosts,
    ways: Sequence[Way],
    numbers: int | None,
    dtype: np.dtype[Any],
    bound: int,
    *,
    guarded: bool = False,
) -> _Tables:
    tables = _Tables(costs, ways, numbers, dtype, bound)
    rough = _Tables(costs, ways, numbers, np.dtype(np.float64), bound) if guarded else None
    for d in range(1, len(costs)):
        for P in (0, 1) if any(costs.own) else (1,):
            every = tables.candidates(d, P)
            if rough:
                every[rough.candidates(d, P) > bound] = tables.infinite
            kept = tables.choose(d, P, every)
            if rough:
                rough.keep(d, P, kept)
    return tables


class _Tables:
    """LayerCosts of all intervals, filled by length.

    The costs of layers i … j are stored in two layouts, as `left[i, j - i]` and as `right[j, j - i]`. So all splits of
    all intervals of one length are slices, and no entry is looked up by itself.
    """

    def __init__(
        self, costs: LayerCosts, ways: Sequence[Way], numbers: int | None, dtype: np.dtype[Any], bound: int
    ) -> None:
        self.costs, self.ways, self.numbers = costs, ways, numbers
        self.infinite = bound + 1
        L = len(costs)

        def integers(given: Sequence[Any]) -> Integers:
            return np.array(given, dtype)

        self.m, self.n, own = integers(costs.rows), integers(costs.cols), integers(costs.own)
        push, pull, own_pull = integers(costs.push), integers(costs.pull), integers(costs.own_pull)
        stacked = np.concatenate([[0], np.cumsum(costs.stacked)])
        first, last = np.ogrid[:L, :L]
        # Whether B_last … B_first is a stack. Then B_first^T is applied to a stack, too.
        whole, right_end = stacked[last + 1] > stacked[first], stacked[last + 1] > stacked[first + 1]
        self.whole = _left(whole)
        self.samples = _left(np.where(whole, integers([costs.samples]), integers([1])))
        self.R = _left(np.cumsum(own)[None] - (np.cumsum(own) - own)[:, None])
        self.push, self.push_stack = (_left(np.broadcast_to(np.cumsum(push[:, k]), (L, L))) for k in (0, 1))
        by_row = np.where(right_end, pull[:, None, 1], pull[:, None, 0])
        through = by_row + np.where(right_end, own_pull[:, None, 1], own_pull[:, None, 0])
        self.pull_through = _right(np.cumsum(by_row[::-1], axis=0)[::-1])
        owns = np.append(np.flatnonzero(own), L)
        self.first = owns[np.searchsorted(owns, np.arange(L))]  # the first layer from each on that has columns
        self.pull = _right(np.cumsum(through[::-1], axis=0)[::-1])
        self.left = np.full((2, L, L), self.infinite, dtype)
        self.right = self.left.copy()
        self.chosen = np.zeros((2, L, L), np.int64)
        own_dense = integers(costs.own_dense)
        self.keep(0, 0, own_dense)
        if not any(costs.own):
            self.left[0] = self.right[0] = 0
        self.keep(0, 1, own_dense + integers(costs.dense))

    def candidates(self, d: int, P: int) -> Integers:
        """The costs of the intervals of `d + 1` layers: a row for each, with a column for each way and split."""
        return np.concatenate([self._candidates(way, d, P) for way in self.ways], axis=1)

    def choose(self, d: int, P: int, every: Integers) -> Integers:
        """Takes the best of the candidates and returns its cost."""
        choice = np.argmin(every, axis=1)
        self.chosen[P, : len(choice), d] = choice
        return self.keep(d, P, np.take_along_axis(every, choice[:, None], axis=1)[:, 0])

    def keep(self, d: int, P: int, cost: Integers) -> Integers:
        """Stores the costs of the intervals of `d + 1` layers."""
        L = len(self.costs)
        if P and self.numbers is not None and d < L - 1:
            numbers = self.samples[: L - d, d] * self.m[d:] * self.n[: L - d]
            cost = np.where(numbers > self.numbers, self.infinite, cost)
        if not P:  # layers without parameters
            cost = np.where(self.R[: L - d, d] == 0, 0, cost)
        kept: Integers = np.minimum(cost, self.infinite)
        self.left[P, : L - d, d] = self.right[P, d:, d] = kept
        return kept

    def _candidates(self, way: Way, d: int, P: int) -> Integers:
        count = len(self.costs) - d
        i, j, all_of_it = slice(0, count), slice(d, None), slice(d, d + 1)
        outer = self.right[:, j, :d][:, :, ::-1]
        m, n = self.m[j, None], self.n[i, None]
        cost: Integers
        if way == "adjoints":
            rows = self.pull[j, all_of_it] - self.pull[j, :d][:, ::-1]
            cost = outer[1] + m * (rows if P else rows - self._unasked(d, count))
            return cost[:, ::-1]  # the largest inner part first
        R, between = self.R[i, :d], np.lib.stride_tricks.sliding_window_view(self.m, d)[:count]
        N, inner = self.costs.samples, self.left[P, i, :d]
        if self.numbers is not None:
            inner = np.where(between * R * N > self.numbers, self.infinite, inner)
        if way == "tangents":
            stack, shared = (push[i, all_of_it] - push[i, :d] for push in (self.push_stack, self.push))
            cost = inner + outer[0] + R * stack
            return cost + n * np.where(self.whole[i, all_of_it], stack, shared) if P else cost
        cost = inner + outer[1] + m * between * (R * N + n * self.samples[i, all_of_it] if P else R * N)
        return cost

    def _unasked(self, d: int, count: int) -> Integers:
        """What `q^T B` would take on the way beyond the first `A` of the inner layers, for each interval and split."""
        i, place = np.ogrid[:count, :d]
        ends = i + d - 1 - np.minimum(self.first[:count, None], i + place)  # of what is asked for, from behind
        through = self.pull_through
        unasked: Integers = through[i + d, d] - through[i + d, ends]
        return unasked

    def _split(self, start: int, last: int, P: int) -> tuple[Way, int]:
        d = last - start
        way, place = divmod(int(self.chosen[P, start, d]), d)
        return self.ways[way], last - place if self.ways[way] == "adjoints" else start + place + 1

    def tree(self, P: int) -> Node | None:
        """The tree that was found for all layers."""
        columns = [0, *accumulate(self.costs.own)]
        waiting = [(0, len(self.costs) - 1, P)]
        found: list[tuple[int, int, int, Way, int, bool, bool]] = []  # wholes before parts, inner parts first
        while waiting:
            start, last, P = waiting.pop()
            way, split = self._split(start, last, P) if start < last else ("dense", start)
            outer = start < last and (way != "tangents" or columns[last + 1] > columns[split])
            inner = way in {"product", "tangents"}
            found.append((start, split, last + 1, way, P, outer, inner))
            if outer:
                waiting.append((split, last, int(way != "tangents")))
            if inner:
                waiting.append((start, split - 1, P))
        nodes: list[Node] = []
        for start, split, stop, way, P, outer, inner in reversed(found):
            cost = int(self.left[P, start, stop - start - 1])
            parts = [nodes.pop() if there else None for there in (inner, outer)]
            nodes.append(Node(start, split, stop, way, bool(P), cost, inner=parts[0], outer=parts[1]))
        return None if nodes[0].cost >= self.infinite else nodes[0]


def _left(of: Integers) -> Integers:
    """`of[i, j]` at `[i, j - i]`. Entries beyond the last layer are never read."""
    L = len(of)
    i, d = np.ogrid[:L, :L]
    placed: Integers = of[i, np.minimum(i + d, L - 1)]
    return placed


def _right(of: Integers) -> Integers:
    """`of[i, j]` at `[j, j - i]`. Entries before the first layer are never read."""
    L = len(of)
    j, d = np.ogrid[:L, :L]
    placed: Integers = of[np.maximum(j - d, 0), j]
    return placed


def _bound(costs: LayerCosts) -> int:
    """No best tree costs more than this, and neither does any part of a tree that it is compared with."""
    widest, columns = max(*costs.rows, *costs.cols, 1), sum(costs.own)
    written, pushed, pulled, entries = _sums(costs)
    return written + (widest + columns) * (pushed + costs.samples * (entries + widest**2)) + widest * pulled


def _sum(costs: LayerCosts) -> int:
    """No number in the tables is greater than this."""
    return sum(costs.own) + sum(_sums(costs))


def _sums(costs: LayerCosts) -> tuple[int, int, int, int]:
    written = sum(costs.dense) + sum(costs.own_dense)
    pushed = sum(max(pair) for pair in costs.push)
    pulled = sum(max(pair) for pair in (*costs.pull, *costs.own_pull))
    return written, pushed, pulled, sum(m * n for m, n in zip(costs.rows, costs.cols, strict=True))
