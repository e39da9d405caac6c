"""Products that are carried out: `multiply(outer, inner)`, where `outer @ inner` only composes.

A composition is applied to one vector, so `@` leaves two matrices as they are: two products with a vector cost less
than one of matrices. A recursion on operators applies them layer after layer, so it multiplies them once. The rules:

| product | becomes | multiply-adds, for a sample |
|---|---|---|
| `0 J`, `J 0`, `I J`, `J I` | `0`, `J` | none |
| `diag(d) diag(e)` | `diag(d ∘ e)` | an entry each |
| `diag(d) (diag(e) + U V^T)`, and mirrored | `diag(d ∘ e) + (d ∘ U) V^T` | an entry each |
| `J (F ⊗ z^T)` | `(J F) ⊗ z^T` where `J F` is dense | those of `J F` |
| `J F`, F a matrix | a matrix: `J` applied to the columns | edges of `J` × columns |
| `F J`, F a matrix | a matrix: the rows pulled back through `J` | rows × edges of `J` |
| `J (K M)`, `(J K) M` | `(J K) M`, `J (K M)`, where that product has a rule | those of the parts |
| more than eight factors that stay | a matrix: the columns of the last, through the others | its columns × edges |

A product becomes a matrix only where that takes no more multiply-adds to apply than its factors do: a bottleneck
stays two thin matrices. Everything else stays a lazy `Product`.

A diagonal that differs from sample to sample makes N matrices of a shared one. That is right here, because whatever
follows an activation differs from sample to sample in any case.

More rules join by `multiply_rule` (see `rules`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from prograd.arrays import Array
from prograd.operators.base import Operator, Product, factors_of
from prograd.operators.dense import Dense
from prograd.operators.diagonal import Identity, Zero
from prograd.operators.kronecker import Kronecker
from prograd.operators.ledger import Step, Vectors, Work
from prograd.operators.rules import MULTIPLICATIONS, multiply_rule

LONG: Final = 8  # factors: a longer product is made a matrix where that pays, so that it does not grow with the depth


class Arithmetic:
    """How `multiply` carries a product out: here with numbers. Meant to be subclassed."""

    def push(self, outer: Operator, inner: Dense) -> Dense:
        """`outer` times the columns of `inner`; the result is stored column by column."""
        columns = inner.stack.transpose(2, 0, 1)
        if inner.samples == 1 < outer.samples:  # one matrix becomes N: cheaper to copy it into order before
            columns = columns.copy()
        return Dense(outer.jvp(columns).transpose(1, 2, 0))

    def pull(self, outer: Dense, inner: Operator) -> Dense:
        """The rows of `outer` times `inner`."""
        rows = outer.stack.transpose(1, 0, 2)
        return Dense(inner.vjp(rows).transpose(1, 0, 2))

    def compose(self, outer: Operator, inner: Operator) -> Operator:
        """`outer @ inner`, for products that take one multiplication for each entry, or none."""
        return outer @ inner

    def write(self, product: Product) -> Dense:
        """The columns of a product that was left as it is."""
        return Dense(product.columns(0, product.cols).transpose(1, 2, 0))

    def join(self, left: Dense, right: Dense) -> Dense:
        """`(left | right)`, both shared or both of N samples."""
        columns = [F.stack.transpose(2, 0, 1) for F in (left, right)]
        return Dense(np.concatenate(columns).transpose(1, 2, 0))


class Planned(Arithmetic):
    """Writes to a ledger what a product would take; its matrices hold no numbers, and count as memory while they live.

    A stack counts for all samples of the ledger, though it may have been made for fewer.
    """

    def __init__(self, work: Work) -> None:
        self._work, self._ledger = work, work.ledger

    def push(self, outer: Operator, inner: Dense) -> Dense:
        """One product of `outer` with each column."""
        with self._carried_out():
            outer.charge_jvp(self._work, Vectors(inner.cols, self._ledger.stack(inner)))
        self._touch(outer, inner, inner.cols)
        return self._room(outer, inner, inner.cols)

    def pull(self, outer: Dense, inner: Operator) -> Dense:
        """One product of `inner` with each row."""
        with self._carried_out():
            inner.charge_vjp(self._work, Vectors(outer.rows, self._ledger.stack(outer)))
        self._touch(inner, outer, outer.rows)
        return self._room(outer, inner, inner.cols)

    def compose(self, outer: Operator, inner: Operator) -> Operator:
        """One multiplication for each entry of an array that neither factor had."""
        product = outer @ inner
        if _is_lazy(product, outer, inner):
            return product
        made = new_arrays(product, outer, inner)
        scaled = sum(self._ledger.numbers(array, self._ledger.samples) for array in made)
        if scaled:
            with self._carried_out():
                self._work.step("product", multiply_adds=scaled, moved=3 * scaled * self._ledger.item)
        return product

    def write(self, product: Product) -> Dense:
        """The columns of the last factor, and a product of each other one with all of them."""
        with self._carried_out():
            product.charge_columns(self._work, Vectors(product.cols, self._ledger.stack(product)))
        return self._room(product, product, product.cols)

    def join(self, left: Dense, right: Dense) -> Dense:
        """A copy of both."""
        made = self._room(left, right, left.cols + right.cols)
        moved = 2 * self._ledger.stack(made) * made.rows * made.cols * self._ledger.item
        calls = self._work.calls
        self._ledger.around.append(Step("copy", calls, 0, moved, rules=calls))
        return made

    def _touch(self, through: Operator, given: Dense, many: int) -> None:
        """What a product of `many` vectors takes for a moment: the operator's own, and vectors in another order."""
        vectors = many * (self._work.rows if max(through.samples, given.samples) > 1 else 1)
        numbers = through.scratch(vectors) + vectors * (through.rows + through.cols)
        self._ledger.touch(numbers * self._ledger.item)

    @contextmanager
    def _carried_out(self) -> Iterator[None]:
        """Each step inside is one that a rule carries out."""
        steps = self._ledger.steps
        before = len(steps)
        yield
        steps[before:] = [step._replace(rules=step.calls) for step in steps[before:]]

    def _room(self, one: Operator, other: Operator, cols: int) -> Dense:
        samples = max(one.samples, other.samples)
        rows = self._work.rows if samples > 1 else 1
        size = rows * one.rows * cols * self._ledger.item
        return Dense(self._ledger.matrices(samples, one.rows, cols, size))


NUMBERS: Final = Arithmetic()


def multiply(outer: Operator, inner: Operator, by: Arithmetic = NUMBERS) -> Operator:
    """`outer · inner`, carried out as far as the rules go; `by` does the arithmetic."""
    made = (rule(outer, inner, by) for rule in MULTIPLICATIONS.find(outer, inner))
    return next(filter(None, made), None) or Product(outer, inner)


def new_arrays(product: Operator, *given: Operator) -> list[Array]:
    """The arrays of a product that none of its factors has."""
    old = {id(array) for factor in given for array in factor.arrays()}
    return [array for array in product.arrays() if id(array) not in old]


@multiply_rule(Zero, Operator)
@multiply_rule(Operator, Zero)
@multiply_rule(Identity, Operator)
@multiply_rule(Operator, Identity)
def _free(outer: Operator, inner: Operator, by: Arithmetic) -> Operator:  # noqa: ARG001
    return outer @ inner


@multiply_rule(Operator, Product)
def _with_product(outer: Operator, inner: Product, by: Arithmetic) -> Operator | None:
    made = outer
    for k, factor in enumerate(inner.factors):
        before, made = made, multiply(made, factor, by)
        if _is_lazy(made, before, factor):
            return Product(before, *inner.factors[k:]) if k else None
    return made


@multiply_rule(Product, Operator)
def _product_with(outer: Product, inner: Operator, by: Arithmetic) -> Operator | None:
    made = inner
    for k, factor in reversed(list(enumerate(outer.factors, start=1))):
        before, made = made, multiply(factor, made, by)
        if _is_lazy(made, factor, before):
            return Product(*outer.factors[:k], before) if k < len(outer.factors) else None
    return made


@multiply_rule(Operator, Kronecker)
def _with_kronecker(outer: Operator, inner: Kronecker, by: Arithmetic) -> Operator | None:
    if inner.s != 1:
        return None
    left = outer if inner.left is None else multiply(outer, Dense(inner.left), by)
    return Kronecker(left.a, inner.right) if isinstance(left, Dense) else None


@multiply_rule(Operator, Dense)
def _columns(outer: Operator, inner: Dense, by: Arithmetic) -> Operator | None:
    return by.push(outer, inner) if _pays(outer, inner) else None


@multiply_rule(Dense, Operator)
def _rows(outer: Dense, inner: Operator, by: Arithmetic) -> Operator | None:
    return by.pull(outer, inner) if _pays(outer, inner) else None


@multiply_rule(Operator, Operator)
def _composed(outer: Operator, inner: Operator, by: Arithmetic) -> Operator:
    product = by.compose(outer, inner)
    if isinstance(product, Product) and len(product.factors) > LONG and _pays(outer, inner):
        return by.write(product)
    return product


def _pays(outer: Operator, inner: Operator) -> bool:
    """Whether a matrix takes no more multiply-adds to apply than both factors do."""
    return outer.rows * inner.cols <= outer.edges + inner.edges


def _is_lazy(product: Operator, outer: Operator, inner: Operator) -> bool:
    """Whether no rule applied."""
    return isinstance(product, Product) and product.factors == (*factors_of(outer), *factors_of(inner))
