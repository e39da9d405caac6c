"""The bracketing with the fewest multiply-adds, carried out: the tree that `bracketing.cheapest` finds.

Merged layers are a layer themselves: their `W` is its `A`, their `P` its `B` (see `bracketing`). So forward mode's
columns and reverse mode's rows do all the work, on linearizations in which one layer may be many merged ones:

- tangents: columns, beginning with the inner layers merged into one;
- adjoints: rows, beginning with those of the outer `P`;
- product: the same rows, through the inner layers merged into one, which multiplies two matrices.

`P` is computed like the columns by `x`: as the parameter of a layer in front of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from prograd import recursions
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.bracketing.blocks import by_rows, cheapest
from prograd.bracketing.programming import Node
from prograd.bracketing.words import Letters, expressions, joined, times
from prograd.errors import OptionError
from prograd.linearization import Linearization
from prograd.modes.base import Evaluation, Mode, Outputs
from prograd.modes.forward import columns_into
from prograd.modes.reverse import Reverse
from prograd.network import NO_COLUMNS, Span, slices
from prograd.operators import Dense, Identity, Operator, Zero

REVERSE = Reverse()
MOST: Final = 2000  # layers; the search for the order takes about a minute, and half a gigabyte


class Optimal(Mode):
    """The cheapest bracketing of a Jacobian, each matrix on the way within `max_bytes`; of a gradient, reverse mode."""

    name = "optimal"
    longest = 200  # layers for which the bracketing is found in a fraction of a second; the time is cubic

    def gradient(self, at: Evaluation, p: Array, max_bytes: int | None) -> Array:
        """One row through all layers, as in reverse mode."""
        return REVERSE.gradient(at, p, max_bytes)

    def jacobian(self, lin: Linearization, J: Array, max_bytes: int | None) -> None:
        Accumulation(lin, J).into(_tree(lin, max_bytes), J)

    def room(self, peak: Callable[[int | None], float], outputs: Outputs, max_bytes: int) -> int | None:
        """As reverse mode for a gradient."""
        return (
            REVERSE.room(peak, outputs, max_bytes) if outputs == "gradient" else super().room(peak, outputs, max_bytes)
        )

    def order(self, lin: Callable[[], Linearization], letters: Letters, max_bytes: int | None) -> str:
        if letters.q:
            return REVERSE.order(lin, letters, max_bytes)
        return joined(expressions(_tree(lin(), max_bytes), letters.own, letters.through, times)[1])


def _tree(lin: Linearization, max_bytes: int | None) -> Node:
    if len(lin.blocks) > MOST:
        raise OptionError(
            f'mode="optimal": expected a Jacobian of at most {MOST} layers, since the search for the cheapest order '
            f'takes cubic time, got {len(lin.blocks)} layers; mode="auto" takes the quickest of the others'
        )
    numbers = None if max_bytes is None else max_bytes // lin.dtype.itemsize
    return cheapest(lin.blocks, lin.samples, numbers)


Parts: TypeAlias = Generator[Any, Any, Any]
"""A step of an accumulation: it yields the steps that it needs, is sent what they made, and returns what it made."""


def _carried_out(step: Parts) -> Any:
    """What a step makes. A tree may be as deep as the network, so steps wait in a list, not on Python's stack."""
    waiting: list[Parts] = [step]
    made: Any = None
    while waiting:
        try:
            needed = waiting[-1].send(made)
        except StopIteration as done:
            waiting.pop()
            made = done.value
        else:
            waiting.append(needed)
            made = None
    return made


class Merged(NamedTuple):
    """Layers as one layer: `(A | B)`, and which columns each entry of `A` has."""

    A: Mapping[str, Operator]
    B: Operator
    span: Span


class Accumulation:
    """Accumulates the layers of a linearization."""

    def __init__(self, lin: Linearization, like: Array) -> None:
        self.lin, self.like = lin, like

    def into(self, node: Node, W: Array) -> Operator | None:
        """Writes the columns of the layers' own parameters to `W`, `(N, rows, columns)`; returns `P` if it is wanted.

        The outer layers' columns come first, since they are newer, so they are written to their place at once.
        """
        made: Operator | None = _carried_out(self._into(node, W))
        return made

    def _into(self, node: Node, W: Array) -> Parts:
        if W.shape[-1] == 0 and not node.product:
            return None
        if node.way == "dense":
            single = self._single(node)
            self._columns([(single.A, _none(single.B))], [single.span], W)
            return single.B if node.product else None
        if node.way == "tangents":
            return (yield self._tangents(node, W))
        return (yield self._adjoints(node, W))

    def _room(self, samples: int, rows: int, columns: int, *, by_columns: bool = False) -> Array:
        """Memory for an array `(samples, rows, columns)`, stored row by row or column by column."""
        if by_columns:
            return np.empty((columns, samples, rows), self.lin.dtype, like=self.like).transpose(1, 2, 0)
        return np.empty((samples, rows, columns), self.lin.dtype, like=self.like)

    def _written(self, operator: Operator, samples: int) -> Dense:
        """The operator as a matrix for `samples` samples, by rows where that takes less."""
        if isinstance(operator, Dense) and (operator.samples > 1) == (samples > 1):
            return operator
        if by_rows(operator, samples):
            return Dense(operator.row_block(slice(None), self.like).transpose(1, 0, 2))
        W = self._room(samples, operator.rows, operator.cols, by_columns=True)
        operator.columns_into(0, operator.cols, W.transpose(2, 0, 1))
        return Dense(W)

    def _single(self, node: Node) -> Merged:
        """One layer, with `P` as a matrix if it is wanted, and as a matrix, too, what is cheaper by rows."""
        A, B = self.lin.blocks[node.start]
        N = self.lin.samples
        A = {name: self._written(operator, N) if by_rows(operator, N) else operator for name, operator in A.items()}
        P = self._written(B, self._samples(node)) if node.product else _none(B)
        return Merged(A, P, self.lin.spans[node.start])

    def _merged(self, node: Node) -> Parts:
        """Layers as one layer."""
        if node.way == "dense":
            return self._single(node)
        columns, rows = self._size(node), self.lin.blocks[node.stop - 1][1].rows
        # Tangents come column after column, and what follows reads them in that order.
        W = self._room(self.lin.samples, rows, columns, by_columns=node.way == "tangents")
        P = yield self._into(node, W)
        A: dict[str, Operator] = {"W": Dense(W)} if columns else {}
        return Merged(A, P or Zero(rows, 0), Span(range(columns), {name: range(columns) for name in A}))

    def _tangents(self, node: Node, W: Array) -> Parts:
        """Forward mode: the columns of the inner layers, and of outer ones that are single layers."""
        blocks: list[Block] = []
        spans: list[Span] = []
        newer, inner = 0, node
        while inner is node or self._goes_on(node, inner):
            behind = self.lin.blocks[inner.split : inner.stop]
            if inner.outer is not None and inner.outer.way == "dense":
                single = self._single(inner.outer)
                blocks.insert(0, (single.A, behind[0][1]))
                spans.insert(0, single.span)
            else:
                if inner.outer is not None:
                    newer = self._size(inner.outer)
                    yield self._into(inner.outer, W[..., :newer])
                blocks[:0] = [({}, B) for _, B in behind]
                spans[:0] = [NO_COLUMNS] * len(behind)
            inner = _there(inner.inner)
        start = yield self._merged(inner)
        self._columns([(start.A, _none(start.B)), *blocks], [start.span, *spans], W[..., newer:])
        if not node.product:
            return None
        n, samples = start.B.cols, self._samples(node)
        P = self._room(samples, blocks[-1][1].rows, n, by_columns=True)
        through: list[Block] = [({"P": start.B}, _none(start.B)), *(({}, B) for _, B in blocks)]
        entries = Span(range(n), {"P": range(n)})
        columns_into(Linearization(through, [entries, *(NO_COLUMNS for _ in blocks)], samples, self.lin.dtype), P)
        return Dense(P)

    def _goes_on(self, node: Node, inner: Node) -> bool:
        """Whether the columns of `inner` can go on to the end of `node` without being collected in between."""
        single = inner.outer is None or inner.outer.way == "dense"
        return inner.way == "tangents" and single and self._samples(inner) == self._samples(node)

    def _columns(self, blocks: Sequence[Block], spans: Sequence[Span], W: Array) -> None:
        if W.shape[-1]:
            columns_into(Linearization(blocks, _placed(spans), self.lin.samples, self.lin.dtype), W)

    def _adjoints(self, node: Node, W: Array) -> Parts:
        """The rows of the outer `P` back through the inner layers, one after the other or merged into one."""
        outer = _there(node.outer)
        newer = self._size(outer)
        P = yield self._into(outer, W[..., :newer])
        assert isinstance(P, Dense)  # noqa: S101  (adjoints ask for it)
        blocks, spans = self.lin.blocks[node.start : node.split], self.lin.spans[node.start : node.split]
        if node.inner is not None:
            inner = yield self._merged(node.inner)
            A = {name: self._written(operator, self.lin.samples) for name, operator in inner.A.items()}
            blocks, spans = [(A, inner.B)], [inner.span]
        q = P.stack.swapaxes(0, 1)
        own = W[..., newer:].swapaxes(0, 1)
        p = slices(own, _placed(spans))
        if not node.product:
            recursions.reverse(blocks, q, p, recursions.each_into)
            return None
        n = blocks[0][1].cols
        after = self._room(self._samples(node), P.rows, n)
        blocks, p = [({"P": Identity(n)}, Zero(n, 0)), *blocks], [{"P": after.swapaxes(0, 1)}, *p]
        recursions.reverse(blocks, q, p, recursions.each_into)
        return Dense(after)

    def _size(self, node: Node) -> int:
        return sum(len(span.all) for span in self.lin.spans[node.start : node.stop])

    def _samples(self, node: Node) -> int:
        """Of `P`: N, or 1 where all samples share it."""
        stacked = any(B.samples > 1 for _, B in self.lin.blocks[node.start : node.stop])
        return self.lin.samples if stacked else 1


def _there(node: Node | None) -> Node:
    assert node is not None  # noqa: S101  (`Node` says which way has which parts)
    return node


def _none(B: Operator) -> Zero:
    """In the place of a block that nothing goes through."""
    return Zero(B.rows, 0)


def _placed(spans: Sequence[Span]) -> list[Span]:
    """The same columns side by side from 0 on, those of the last layer first."""
    placed, stop = [], sum(len(span.all) for span in spans)
    for span in spans:
        shift = stop - span.all.stop
        each = {name: range(at.start + shift, at.stop + shift) for name, at in span.each.items()}
        placed.append(Span(range(span.all.start + shift, stop), each))
        stop -= len(span.all)
    return placed
