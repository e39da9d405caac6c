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

import numpy as np

from prograd import recursions, threads
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.chain import Chain
from prograd.costs import by_rows, cheapest
from prograd.network import Span
from prograd.operators import Dense, Identity, Operator, Zero
from prograd.orders import Node


def jacobian_into(chain: Chain, J: Array) -> None:
    """Writes `J`, `(N, rows, size)`, with the fewest multiply-adds."""
    execute(chain, cheapest(chain.blocks, chain.samples), J)


def execute(chain: Chain, tree: Node, J: Array) -> None:
    """Writes `J`, `(N, rows, size)`, as the tree says."""
    _Accumulation(chain, summed=False).into(tree, J)


def gradient_into(chain: Chain, q: Array, p: Array) -> None:
    """Writes `Σ_n J_n^T q_n` to `p` with the fewest multiply-adds."""
    extended = chain.before(q)
    _Accumulation(extended, summed=True).into(cheapest(extended.blocks, extended.samples), p.reshape(1, 1, -1))


class _Accumulation:
    """Accumulates the layers of a chain; what ends with the last layer is added up over the samples where `summed`."""

    def __init__(self, chain: Chain, *, summed: bool) -> None:
        self.chain = chain
        self.summed = summed

    def into(self, node: Node, W: Array) -> Operator | None:
        """Writes the columns of the layers' own parameters to `W`, `(N, rows, columns)`; returns `P` if it is wanted.

        The outer layers' columns come first, as they are newer, so they are written where they belong at once.
        """
        if W.shape[-1] == 0 and not node.product:
            return None
        if node.way == "dense":
            (A, B), span = self._written(node)
            self._columns([(A, _none(B))], [span], W, summed=self._is_summed(node))
            return B if node.product else None
        if node.way == "tangents":
            return self._tangents(node, W)
        outer = node.outer
        assert outer is not None  # noqa: S101  (adjoints and products have one)
        newer = self._size(outer)
        P = self.into(outer, W[..., :newer])
        assert isinstance(P, Dense)  # noqa: S101  (and it is asked for its P)
        blocks, spans = self.chain.blocks[node.start : node.split], self.chain.spans[node.start : node.split]
        if node.inner is not None:
            (A, B), span = self._merged(node.inner)
            blocks, spans = [({name: self._dense(operator) for name, operator in A.items()}, B)], [span]
        return self._rows(P, blocks, spans, W[..., newer:], node)

    def _merged(self, node: Node) -> tuple[Block, Span]:
        """Layers as one layer."""
        if node.way == "dense":
            return self._written(node)
        columns = self._size(node)
        samples, rows = self.chain.samples, self.chain.blocks[node.stop - 1][1].rows
        if node.way == "tangents":  # column after column, as they are made and as they will be wanted
            W = np.empty((columns, samples, rows), self.chain.dtype).transpose(1, 2, 0)
        else:
            W = np.empty((samples, rows, columns), self.chain.dtype)
        P = self.into(node, W)
        A: dict[str, Operator] = {"W": Dense(W)} if columns else {}
        return (A, P or Zero(rows, 0)), Span(range(columns), {name: range(columns) for name in A})

    def _written(self, node: Node) -> tuple[Block, Span]:
        """One layer, with `P` as a matrix, and what is cheaper by rows as a matrix too."""
        A, B = self.chain.blocks[node.start]
        N = self.chain.samples
        A = {name: self._by_rows(operator) if by_rows(operator, N) else operator for name, operator in A.items()}
        if not node.product:
            return (A, _none(B)), self.chain.spans[node.start]
        return (A, self._by_rows(B) if by_rows(B, B.samples) else Dense(B.dense())), self.chain.spans[node.start]

    def _by_rows(self, operator: Operator) -> Dense:
        rows = operator.vjp(np.eye(operator.rows, dtype=self.chain.dtype)[:, None, :])
        return Dense(rows.transpose(1, 0, 2))

    def _dense(self, operator: Operator) -> Dense:
        if isinstance(operator, Dense) and operator.samples == self.chain.samples:
            return operator
        columns = np.empty((operator.cols, self.chain.samples, operator.rows), self.chain.dtype)
        operator.columns_into(0, operator.cols, columns)
        return Dense(columns.transpose(1, 2, 0))

    def _tangents(self, node: Node, W: Array) -> Operator | None:
        """The columns of the inner layers and, where the outer are single layers, theirs, as forward mode has them."""
        blocks: list[Block] = []
        spans: list[Span] = []
        newer = 0
        inner: Node | None = node
        while inner is not None and (inner is node or self._goes_on(node, inner)):
            behind = self.chain.blocks[inner.split : inner.stop]
            if inner.outer is not None and _one(inner):
                (A, _), span = self._written(inner.outer)
                blocks.insert(0, (A, behind[0][1]))
                spans.insert(0, span)
            else:
                if inner.outer is not None:
                    newer = self._size(inner.outer)
                    self.into(inner.outer, W[..., :newer])
                blocks[:0] = [({}, B) for _, B in behind]
                spans[:0] = [Span(range(0), {})] * len(behind)
            inner = inner.inner
        assert inner is not None  # noqa: S101  (a run of tangents begins with something accumulated)
        (A, P), span = self._merged(inner)
        self._columns([(A, _none(P)), *blocks], [span, *spans], W[..., newer:], summed=self._is_summed(node))
        if not node.product:
            return None
        samples = self._samples(node)
        columns = np.empty((P.cols, samples, blocks[-1][1].rows), self.chain.dtype).transpose(1, 2, 0)
        nothing = [Span(range(0), {})] * len(blocks)
        start, entries = ({"P": P}, _none(P)), Span(range(P.cols), {"P": range(P.cols)})
        self._columns([start, *(({}, B) for _, B in blocks)], [entries, *nothing], columns)
        return Dense(columns)

    def _goes_on(self, node: Node, inner: Node) -> bool:
        """Whether the columns of `inner` can go on to the end of `node` without being put together in between."""
        single = inner.outer is None or _one(inner)
        return inner.way == "tangents" and single and self._samples(inner) == self._samples(node)

    def _columns(self, blocks: Sequence[Block], spans: Sequence[Span], W: Array, *, summed: bool = False) -> None:
        """Forward mode, into `W`."""
        if W.shape[-1] == 0:
            return
        samples = self.chain.samples if summed else len(W)
        chain = Chain(blocks, _placed(spans), samples, self.chain.dtype)

        def use(chunk: range, J: Array) -> None:
            part = W[..., chunk.start : chunk.stop]
            if summed:
                np.add.reduce(J[..., 0], axis=1, out=part[0, 0])
            else:
                part[...] = J.transpose(1, 2, 0)

        chain.columns(use)

    def _rows(self, P: Dense, blocks: Sequence[Block], spans: Sequence[Span], W: Array, node: Node) -> Operator | None:
        """Reverse mode from the rows of `P`, into `W`; `P B … B` if that is wanted."""
        q = P.a.reshape(-1, P.rows, P.cols).swapaxes(0, 1)
        W = W[0] if self._is_summed(node) else W.swapaxes(0, 1)
        p, after = [_parts(span, W) for span in _placed(spans)], None
        if node.product:
            n = blocks[0][1].cols
            after = np.empty((self._samples(node), P.rows, n), self.chain.dtype)
            blocks, p = [({"P": Identity(n)}, Zero(n, 0)), *blocks], [{"P": after.swapaxes(0, 1)}, *p]

        def some(part: slice) -> None:
            mine = [{name: of[part] for name, of in p_i.items()} for p_i in p]
            recursions.reverse(blocks, q[part], mine, _sum_or_each)

        cuts = threads.parts(P.rows, W.size)
        threads.run(some, cuts, len(cuts))
        return None if after is None else Dense(after)

    def _is_summed(self, node: Node) -> bool:
        return self.summed and node.stop == len(self.chain.blocks)

    def _size(self, node: Node) -> int:
        return sum(len(span.all) for span in self.chain.spans[node.start : node.stop])

    def _samples(self, node: Node) -> int:
        stacked = any(B.samples > 1 for _, B in self.chain.blocks[node.start : node.stop])
        return self.chain.samples if stacked else 1


def _one(node: Node) -> bool:
    return node.outer is not None and node.outer.way == "dense"


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


def _parts(span: Span, W: Array) -> Mapping[str, Array]:
    return {name: W[..., at.start : at.stop] for name, at in span.each.items()}
