"""Products of operators put down in a ledger: the recursions run, with matrices that hold no memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Final

import numpy as np

from prograd.operators import Dense, Diagonal, DiagonalPlusLowRank, Operator
from prograd.operators.multiplication import Arithmetic
from prograd.planning.costs import Ledger, Step
from prograd.planning.products import Products, Vectors

_ZERO: Final = bytes(8)


class Planned(Arithmetic):
    """Puts down what `multiply` would take; each matrix takes memory for as long as the recursion holds on to it.

    The matrices of a stack are as many as the structure has seen samples, and count for all of them.
    """

    def __init__(self, products: Products, ledger: Ledger) -> None:
        self._products, self._ledger = products, ledger
        self._structure = products.structure

    def push(self, outer: Operator, inner: Dense) -> Dense:
        """One product of `outer` with each column."""
        self._carry_out(self._products.jvp(outer, Vectors(inner.cols, self._structure.stack(inner))))
        return self._room(outer, inner, inner.cols)

    def pull(self, outer: Dense, inner: Operator) -> Dense:
        """One product of `inner` with each row."""
        self._carry_out(self._products.vjp(inner, Vectors(outer.rows, self._structure.stack(outer))))
        return self._room(outer, inner, inner.cols)

    def compose(self, outer: Operator, inner: Operator) -> Operator:
        """A multiplication for each entry that is scaled."""
        product = outer @ inner
        scaled = 0
        match product:
            case Diagonal():
                scaled = product.rows * self._structure.stack(product)
            case DiagonalPlusLowRank():
                factor = product.U if isinstance(outer, Diagonal) else product.V
                scaled = self._numbers(product.d, 1) + self._numbers(factor, 2)
        if scaled:
            moved = 3 * scaled * self._structure.item
            self._carry_out([Step("product", self._products.calls, scaled, moved, 1.0, self._products.threads)])
        return product

    def beside(self, left: Dense, right: Dense) -> Dense:
        """Copying is no arithmetic."""
        made = self._room(left, right, left.cols + right.cols)
        moved = 2 * self._structure.stack(made) * made.rows * made.cols * self._structure.item
        self._ledger.around.append(
            Step("copy", self._products.calls, 0, moved, 1.0, self._products.threads, self._products.calls)
        )
        return made

    def _carry_out(self, steps: Iterable[Step]) -> None:
        self._ledger.steps += (step._replace(rules=step.calls) for step in steps)

    def _numbers(self, array: np.ndarray[tuple[int, ...], np.dtype[np.floating]], axes: int) -> int:
        """How many numbers an array holds for all samples; without a sample axis it has so many axes."""
        return array.size if array.ndim == axes else array.size // len(array) * self._structure.samples

    def _room(self, one: Operator, other: Operator, cols: int) -> Dense:
        samples = max(one.samples, other.samples)
        a = np.ndarray((samples, one.rows, cols), self._structure.chain.dtype, buffer=_ZERO, strides=(0, 0, 0))
        made = Dense(a)
        rows = self._products.rows if self._structure.stack(made) > 1 else 1
        size = rows * one.rows * cols * self._structure.item * self._products.threads
        self._ledger.hold(size)
        weakref.finalize(a, self._ledger.hold, -size)
        return made
