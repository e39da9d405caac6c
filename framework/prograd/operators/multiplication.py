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

from typing import Final

import numpy as np

from prograd.arrays import Array
from prograd.operators.base import Operator, Product, factors_of
from prograd.operators.dense import Dense
from prograd.operators.diagonal import Identity, Zero
from prograd.operators.kronecker import Kronecker
from prograd.operators.ledger import write_down
from prograd.operators.rules import MULTIPLICATIONS, multiply_rule

LONG: Final = 8  # factors: a longer product is made a matrix where that pays, so that it does not grow with the depth


def multiply(outer: Operator, inner: Operator) -> Operator:
    """`outer · inner`, carried out as far as the rules go.

    >>> a, b = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    >>> J = prograd.operators.multiply(prograd.operators.Dense(a), prograd.operators.Dense(b))
    >>> type(J).__name__, J.dense()
    ('Dense', array([[[11.]]]))
    """
    made = (rule(outer, inner) for rule in MULTIPLICATIONS.find(outer, inner))
    return next(filter(None, made), None) or Product(outer, inner)


def join(left: Dense, right: Dense) -> Dense:
    """`(left | right)`, both shared or both of N samples."""
    columns = [F.stack.transpose(2, 0, 1) for F in (left, right)]
    return Dense(np.concatenate(columns).transpose(1, 2, 0))


@multiply_rule(Zero, Operator)
@multiply_rule(Operator, Zero)
@multiply_rule(Identity, Operator)
@multiply_rule(Operator, Identity)
def _free(outer: Operator, inner: Operator) -> Operator:
    return outer @ inner


@multiply_rule(Operator, Product)
def _with_product(outer: Operator, inner: Product) -> Operator | None:
    made = outer
    for k, factor in enumerate(inner.factors):
        before, made = made, multiply(made, factor)
        if _is_lazy(made, before, factor):
            return Product(before, *inner.factors[k:]) if k else None
    return made


@multiply_rule(Product, Operator)
def _product_with(outer: Product, inner: Operator) -> Operator | None:
    made = inner
    for k, factor in reversed(list(enumerate(outer.factors, start=1))):
        before, made = made, multiply(factor, made)
        if _is_lazy(made, factor, before):
            return Product(*outer.factors[:k], before) if k < len(outer.factors) else None
    return made


@multiply_rule(Operator, Kronecker)
def _with_kronecker(outer: Operator, inner: Kronecker) -> Operator | None:
    if inner.s != 1:
        return None
    left = outer if inner.left is None else multiply(outer, Dense(inner.left))
    return Kronecker(left.a, inner.right) if isinstance(left, Dense) else None


@multiply_rule(Operator, Dense)
def _columns(outer: Operator, inner: Dense) -> Operator | None:
    """`outer` times the columns of `inner`; the result is stored column by column."""
    if not _pays(outer, inner):
        return None
    columns = inner.stack.transpose(2, 0, 1)
    if inner.samples == 1 < outer.samples:  # one matrix becomes N: cheaper to copy it into order before
        columns = columns.copy()
    return Dense(outer.jvp(columns).transpose(1, 2, 0))


@multiply_rule(Dense, Operator)
def _rows(outer: Dense, inner: Operator) -> Operator | None:
    """The rows of `outer` times `inner`."""
    if not _pays(outer, inner):
        return None
    return Dense(inner.vjp(outer.stack.transpose(1, 0, 2)).transpose(1, 0, 2))


@multiply_rule(Operator, Operator)
def _composed(outer: Operator, inner: Operator) -> Operator:
    product = outer @ inner
    if not _is_lazy(product, outer, inner):
        write_down(lambda: sum(array.size for array in _new_arrays(product, outer, inner)))
    if isinstance(product, Product) and len(product.factors) > LONG and _pays(outer, inner):
        return Dense(product.columns(0, product.cols).transpose(1, 2, 0))
    return product


def _new_arrays(product: Operator, *given: Operator) -> list[Array]:
    """The arrays of a product that none of its factors has: an entry of one takes a multiplication."""
    old = {id(array) for factor in given for array in factor.arrays()}
    return [array for array in product.arrays() if id(array) not in old]


def _pays(outer: Operator, inner: Operator) -> bool:
    """Whether a matrix takes no more multiply-adds to apply than both factors do."""
    return outer.rows * inner.cols <= outer.edges + inner.edges


def _is_lazy(product: Operator, outer: Operator, inner: Operator) -> bool:
    """Whether no rule applied."""
    return isinstance(product, Product) and product.factors == (*factors_of(outer), *factors_of(inner))
