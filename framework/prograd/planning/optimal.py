"""What the cheapest bracketing costs: its tree is carried out with matrices that hold no memory."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from prograd import threads
from prograd.accumulation import Accumulation, is_reverse
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.chain import Chain
from prograd.costs import by_rows, cheapest
from prograd.operators import Dense, Operator
from prograd.planning import scratch
from prograd.planning.costs import Cost, Ledger, Step
from prograd.planning.passes import columns, forward_pass
from prograd.planning.products import Products, Vectors
from prograd.planning.structure import Structure

_ZERO: Final = bytes(8)


class Accumulated(Accumulation):
    """Puts down what an accumulation would do and hold. A stack counts for all samples, whatever it was made for."""

    def __init__(self, structure: Structure, *, gradient: bool, max_bytes: int | None = None) -> None:
        chain = structure.chain
        if gradient:
            chain = chain.before(np.broadcast_to(np.ones((), chain.dtype), (structure.seen, chain.rows)))
        super().__init__(chain, summed=gradient)
        self._given = structure
        self._structure = Structure(structure.net, chain, structure.seen, structure.z)
        self._ledger = Ledger(structure.item)
        numbers = None if max_bytes is None or gradient else max_bytes // structure.item
        self.tree = cheapest(chain.blocks, chain.samples, numbers)

    @property
    def is_reverse(self) -> bool:
        """Whether this is the gradient in reverse mode, which has a recursion of its own."""
        return self.summed and is_reverse(self.tree)

    def cost(self) -> Cost:
        """Of the forward pass and of the accumulation."""
        given, ledger = self._given, self._ledger
        passed = forward_pass(ledger, given, given.samples)
        ledger.hold(given.made(given.chain.blocks, given.samples))
        ledger.hold(given.viewed(given.chain.blocks, given.samples) - passed)
        if self.summed:
            ledger.hold(2 * given.samples * given.chain.rows * ledger.item)
        J = self.room(1 if self.summed else given.samples, self.chain.rows, self.chain.size)
        self.into(self.tree, J)
        return ledger.cost()

    def room(self, samples: int, rows: int, columns: int, *, by_columns: bool = False) -> Array:
        """An array of as many samples as were seen, and of one number; it counts until nothing holds on to it."""
        shape = (self._structure.seen if samples > 1 else 1, rows, columns)
        a = np.ndarray(shape, self.chain.dtype, buffer=_ZERO, strides=(0, 0, 0))
        size = samples * rows * columns * self._ledger.item
        self._ledger.hold(size)
        weakref.finalize(a, self._ledger.hold, -size)
        return a

    def push(self, chain: Chain, W: Array, *, summed: bool) -> None:
        """Forward mode's chunks, each put in its place."""
        self._merged_once()
        workers, step = chain.chunking()
        columns(self._ledger, self._of(chain), workers, step)
        moved = 2 * chain.size * chain.samples * chain.rows * self._ledger.item
        self._ledger.around.append(Step("transpose", -(-chain.size // step), 0, moved, 1.0, workers))

    def pull(self, blocks: Sequence[Block], q: Array, p: Sequence[Mapping[str, Array]], numbers: int) -> None:
        """Reverse mode's products with all rows."""
        self._merged_once()
        N, item = self.chain.samples, self._ledger.item
        parts = len(threads.parts(len(q), numbers // self._structure.seen * N))
        products = Products(self._structure, N, parts, parts)
        v = Vectors(len(q), N if q.shape[1] > 1 else 1)
        for i in reversed(range(len(blocks))):
            A, B = blocks[i]
            for name, operator in A.items():
                if p[i][name].ndim < q.ndim:
                    self._ledger.steps += products.vjp_sum(operator, v)
                    self._ledger.touch((v.all * B.rows + scratch.vjp_sum(operator, N)) * item)
                else:
                    self._ledger.steps += products.vjp_into(operator, v)
                    held = v.all * B.rows + scratch.vjp_into(operator, products.through(operator, v).all)
                    self._ledger.touch(held * item)
            if i > 0:
                self._ledger.steps += products.vjp(B, v)
                after = products.through(B, v)
                held = v.all * B.rows + after.all * B.cols + scratch.apply(B, B.rows, B.cols, after.all)
                self._ledger.touch(held * item)
                v = after

    def written(self, operator: Operator, samples: int) -> Dense:
        """The operator as a matrix."""
        if isinstance(operator, Dense) and (operator.samples > 1) == (samples > 1):
            return operator
        N = self.chain.samples
        if by_rows(operator, samples, N):
            self._ledger.steps += Products(self._structure, N).vjp(operator, Vectors(operator.rows, 1))
            return Dense(self.room(self._structure.stack(operator), operator.rows, operator.cols))
        chain = Chain(self.chain.blocks, self.chain.spans, samples, self.chain.dtype)
        self._ledger.steps += Products(self._of(chain), samples).columns(operator, operator.cols)
        return Dense(self.room(samples, operator.rows, operator.cols))

    def _merged_once(self) -> None:
        self._ledger.around.append(Step("merge", 1, 0, 0))

    def _of(self, chain: Chain) -> Structure:
        return Structure(self._structure.net, chain, self._structure.seen, self._structure.z)
