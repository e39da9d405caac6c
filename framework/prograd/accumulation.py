"""A bracketing carried out: the tree that `orders.best` finds, with the blocks of a chain.

Layers that have been merged are a layer themselves: their `W` is its `A`, their `P` its `B` (see `bracketing`). So
forward mode's columns and reverse mode's rows do all the work, on chains in which merged layers stand for many:

- tangents: columns, beginning with the inner layers merged into one;
- adjoints: rows, beginning with those of the outer `P`;
- product: the same rows, through the inner layers merged into one, which multiplies two matrices.

`P` is asked for like the columns by `x`: as the parameter of a layer before the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from prograd import recursions, threads
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.chain import Chain
from prograd.costs import by_rows, cheapest
from prograd.network import Span
from prograd.operators import Dense, Identity, Operator, Zero
from prograd.orders import Node

NOTHING = Span(range(0), {})


class Merged(NamedTuple):
    """Layers as one layer: `(A | B)`, and which columns each entry of `A` has."""

    A: Mapping[str, Operator]
    B: Operator
    span: Span


def jacobian_into(chain: Chain, J: Array, max_bytes: int | None = None) -> None:
    """Writes `J`, `(N, rows, size)`, with the fewest multiply-adds; no matrix on the way takes more than `max_bytes`.

    Raises `OptionError` where that can't be kept to.
    """
    numbers = None if max_bytes is None else max_bytes // chain.dtype.itemsize
    execute(chain, cheapest(chain.blocks, chain.samples, numbers), J)


def execute(chain: Chain, tree: Node, J: Array) -> None:
    """Writes `J`, `(N, rows, size)`, as the tree says."""
    Accumulation(chain).into(tree, J)


def gradient_into(chain: Chain, q: Array, p: Array) -> None:
    """Writes `Σ_n J_n^T q_n` to `p` with the fewest multiply-adds."""
    extended = chain.before(q)
    tree = cheapest(extended.blocks, extended.samples)
    Accumulation(extended, summed=True).into(tree, p.reshape(1, 1, -1))


def is_reverse(tree: Node) -> bool:
    """Whether one row, the last block's, goes back through all layers."""
    return tree.way == "adjoints" and tree.split == tree.stop - 1


class Accumulation:
    """Accumulates the layers of a chain; what ends with the last layer is added up over the samples where `summed`.

    Meant to be subclassed by what plans it: `room`, `push`, `pull` and `written` take all memory and do all the work.
    """

    def __init__(self, chain: Chain, *, summed: bool = False) -> None:
        self.chain = chain
        self.summed = summed

    def into(self, node: Node, W: Array) -> Operator | None:
        """Writes the columns of the layers' own parameters to `W`, `(N, rows, columns)`; returns `P` if it is wanted.

        The outer layers' columns come first, as they are newer, so they are written where they belong at once.
        """
        if W.shape[-1] == 0 and not node.product:
            return None
        if node.way == "dense":
            single = self._single(node)
            self._columns([(single.A, _none(single.B))], [single.span], W, node)
            return single.B if node.product else None
        if node.way == "tangents":
            return self._tangents(node, W)
        return self._adjoints(node, W)

    def room(self, samples: int, rows: int, columns: int, *, by_columns: bool = False) -> Array:
        """An array `(samples, rows, columns)`, in which column lies after column or row after row."""
        if by_columns:
            return np.empty((columns, samples, rows), self.chain.dtype).transpose(1, 2, 0)
        return np.empty((samples, rows, columns), self.chain.dtype)

    def push(self, chain: Chain, W: Array, *, summed: bool) -> None:
        """Forward mode into `W`."""

        def use(chunk: range, J: Array) -> None:
            part = W[..., chunk.start : chunk.stop]
            if summed:
                np.add.reduce(J[..., 0], axis=1, out=part[0, 0])
            else:
                part[...] = J.transpose(1, 2, 0)

        chain.columns(use)

    def pull(self, blocks: Sequence[Block], q: Array, p: Sequence[Mapping[str, Array]], numbers: int) -> None:
        """Reverse mode from the rows `q`, `(rows, N, n)`, into `p`, which has so many numbers."""

        def some(part: slice) -> None:
            mine = [{name: of[part] for name, of in p_i.items()} for p_i in p]
            recursions.reverse(blocks, q[part], mine, _sum_or_each)

        cuts = threads.parts(len(q), numbers)
        threads.run(some, cuts, len(cuts))

    def written(self, operator: Operator, samples: int) -> Dense:
        """The operator as a matrix for so many samples, by rows where that takes less."""
        if isinstance(operator, Dense) and (operator.samples > 1) == (samples > 1):
            return operator
        if by_rows(operator, samples, self.chain.samples):
            rows = operator.vjp(np.eye(operator.rows, dtype=self.chain.dtype)[:, None, :])
            return Dense(rows.transpose(1, 0, 2))
        W = self.room(samples, operator.rows, operator.cols, by_columns=True)
        operator.columns_into(0, operator.cols, W.transpose(2, 0, 1))
        return Dense(W)

    def _single(self, node: Node) -> Merged:
        """One layer, with `P` as a matrix if it is wanted, and as a matrix, too, what is cheaper by rows."""
        A, B = self.chain.blocks[node.start]
        N = self.chain.samples
        A = {name: self.written(operator, N) if by_rows(operator, N, N) else operator for name, operator in A.items()}
        P = self.written(B, self._samples(node)) if node.product else _none(B)
        return Merged(A, P, self.chain.spans[node.start])

    def _merged(self, node: Node) -> Merged:
        """Layers as one layer."""
        if node.way == "dense":
            return self._single(node)
        columns, rows = self._size(node), self.chain.blocks[node.stop - 1][1].rows
        # Tangents come column after column, and in what follows they will be wanted so.
        W = self.room(self.chain.samples, rows, columns, by_columns=node.way == "tangents")
        P = self.into(node, W)
        A: dict[str, Operator] = {"W": Dense(W)} if columns else {}
        return Merged(A, P or Zero(rows, 0), Span(range(columns), {name: range(columns) for name in A}))

    def _tangents(self, node: Node, W: Array) -> Operator | None:
        """The columns of the inner layers and, where the outer are single layers, theirs, as forward mode has them."""
        blocks: list[Block] = []
        spans: list[Span] = []
        newer, inner = 0, node
        while inner is node or self._goes_on(node, inner):
            behind = self.chain.blocks[inner.split : inner.stop]
            if inner.outer is not None and inner.outer.way == "dense":
                single = self._single(inner.outer)
                blocks.insert(0, (single.A, behind[0][1]))
                spans.insert(0, single.span)
            else:
                if inner.outer is not None:
                    newer = self._size(inner.outer)
                    self.into(inner.outer, W[..., :newer])
                blocks[:0] = [({}, B) for _, B in behind]
                spans[:0] = [NOTHING] * len(behind)
            inner = _there(inner.inner)
        start = self._merged(inner)
        self._columns([(start.A, _none(start.B)), *blocks], [start.span, *spans], W[..., newer:], node)
        if not node.product:
            return None
        n, samples = start.B.cols, self._samples(node)
        P = self.room(samples, blocks[-1][1].rows, n, by_columns=True)
        through: list[Block] = [({"P": start.B}, _none(start.B)), *(({}, B) for _, B in blocks)]
        entries = Span(range(n), {"P": range(n)})
        self.push(Chain(through, [entries, *(NOTHING for _ in blocks)], samples, self.chain.dtype), P, summed=False)
        return Dense(P)

    def _goes_on(self, node: Node, inner: Node) -> bool:
        """Whether the columns of `inner` can go on to the end of `node` without being put together in between."""
        single = inner.outer is None or inner.outer.way == "dense"
        return inner.way == "tangents" and single and self._samples(inner) == self._samples(node)

    def _columns(self, blocks: Sequence[Block], spans: Sequence[Span], W: Array, node: Node) -> None:
        if W.shape[-1]:
            chain = Chain(blocks, _placed(spans), self.chain.samples, self.chain.dtype)
            self.push(chain, W, summed=self._is_summed(node))

    def _adjoints(self, node: Node, W: Array) -> Operator | None:
        """The rows of the outer `P` back through the inner layers, one after the other or merged into one."""
        outer = _there(node.outer)
        newer = self._size(outer)
        P = self.into(outer, W[..., :newer])
        assert isinstance(P, Dense)  # noqa: S101  (it is asked for)
        blocks, spans = self.chain.blocks[node.start : node.split], self.chain.spans[node.start : node.split]
        if node.inner is not None:
            inner = self._merged(node.inner)
            A = {name: self.written(operator, self.chain.samples) for name, operator in inner.A.items()}
            blocks, spans = [(A, inner.B)], [inner.span]
        q = P.a.reshape(-1, P.rows, P.cols).swapaxes(0, 1)
        own = W[..., newer:]
        own = own[0] if self._is_summed(node) else own.swapaxes(0, 1)
        p = [{name: own[..., at.start : at.stop] for name, at in span.each.items()} for span in _placed(spans)]
        if not node.product:
            self.pull(blocks, q, p, own.size)
            return None
        n = blocks[0][1].cols
        after = self.room(self._samples(node), P.rows, n)
        blocks, p = [({"P": Identity(n)}, Zero(n, 0)), *blocks], [{"P": after.swapaxes(0, 1)}, *p]
        self.pull(blocks, q, p, own.size + after.size)
        return Dense(after)

    def _is_summed(self, node: Node) -> bool:
        return self.summed and node.stop == len(self.chain.blocks)

    def _size(self, node: Node) -> int:
        return sum(len(span.all) for span in self.chain.spans[node.start : node.stop])

    def _samples(self, node: Node) -> int:
        """Of `P`: N, or 1 where all samples share it."""
        stacked = any(B.samples > 1 for _, B in self.chain.blocks[node.start : node.stop])
        return self.chain.samples if stacked else 1


def _there(node: Node | None) -> Node:
    assert node is not None  # noqa: S101  (which way has which parts, says `Node`)
    return node


def _none(B: Operator) -> Zero:
    """In the place of a block that nothing goes through."""
    return Zero(B.rows, 0)


def _placed(spans: Sequence[Span]) -> list[Span]:
    """The same columns beside each other from 0 on, those of the last layer first."""
    placed, stop = [], sum(len(span.all) for span in spans)
    for span in spans:
        shift = stop - span.all.stop
        each = {name: range(at.start + shift, at.stop + shift) for name, at in span.each.items()}
        placed.append(Span(range(span.all.start + shift, stop), each))
        stop -= len(span.all)
    return placed


def _sum_or_each(A: Operator, q: Array, p: Array) -> None:
    """The sum over the samples where `p` has no place for each of them."""
    (recursions.sum_into if p.ndim < q.ndim else recursions.each_into)(A, q, p)
