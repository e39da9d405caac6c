"""Products that are carried out: `multiply(outer, inner)`, where `outer @ inner` only composes.

A composition meets one vector, so `@` leaves two matrices as they are: two products with a vector cost less than one of
matrices. A recursion on operators meets them layer after layer, so there the product is worth having, once. The rules:

| product | becomes | multiply-adds, for a sample |
|---|---|---|
| `0 J`, `J 0`, `I J`, `J I` | `0`, `J` | none |
| `diag(d) diag(e)` | `diag(d ∘ e)` | an entry each |
| `diag(d) (diag(e) + U V^T)`, and mirrored | `diag(d ∘ e) + (d ∘ U) V^T` | an entry each |
| `J (F ⊗ z^T)` | `(J F) ⊗ z^T` where `J F` is dense | those of `J F` |
| `J F`, F a matrix | a matrix: `J` applied to the columns | edges of `J` × columns |
| `F J`, F a matrix | a matrix: the rows pulled back through `J` | rows × edges of `J` |
| `J (K M)`, `(J K) M` | `(J K) M`, `J (K M)`, where that product has a rule | those of the parts |

A matrix comes about only where it takes no more multiply-adds to apply than both factors do: a bottleneck stays two
thin matrices. Everything else stays a lazy `Product`; nothing is spread out.

A diagonal that differs from sample to sample makes N matrices of one that was shared. That is right here, because what
lies behind an activation differs from sample to sample whatever one does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np

from prograd.operators.base import Operator, Product
from prograd.operators.dense import Dense
from prograd.operators.diagonal import Identity, Zero
from prograd.operators.kronecker import Kronecker


class Arithmetic:
    """How `multiply` carries out a product that its rules want: here with numbers. Meant to be subclassed."""

    def push(self, outer: Operator, inner: Dense) -> Dense:
        """`outer` times the columns of `inner`, which lie one behind the other afterwards."""
        columns = inner.a.reshape(-1, inner.rows, inner.cols).transpose(2, 0, 1)
        if inner.samples == 1 < outer.samples:  # N matrices come from one: let it be the one that is copied into order
            columns = np.ascontiguousarray(columns)
        return Dense(outer.jvp(columns).transpose(1, 2, 0))

    def pull(self, outer: Dense, inner: Operator) -> Dense:
        """The rows of `outer` times `inner`."""
        rows = outer.a.reshape(-1, outer.rows, outer.cols).transpose(1, 0, 2)
        return Dense(inner.vjp(rows).transpose(1, 0, 2))

    def compose(self, outer: Operator, inner: Operator) -> Operator:
        """`outer @ inner`, for what takes an operation an entry or none."""
        return outer @ inner

    def beside(self, left: Dense, right: Dense) -> Dense:
        """`(left | right)`, both shared or both of N samples."""
        columns = [F.a.reshape(-1, F.rows, F.cols).transpose(2, 0, 1) for F in (left, right)]
        return Dense(np.concatenate(columns).transpose(1, 2, 0))


NUMBERS: Final = Arithmetic()


def multiply(outer: Operator, inner: Operator, by: Arithmetic = NUMBERS) -> Operator:
    """`outer · inner`, carried out as far as the rules go; `by` does the arithmetic."""
    return _rule(type(outer), type(inner))(outer, inner, by)


def _free(outer: Operator, inner: Operator, by: Arithmetic) -> Operator:  # noqa: ARG001
    return outer @ inner


def _composed(outer: Operator, inner: Operator, by: Arithmetic) -> Operator:
    return by.compose(outer, inner)


def _with_product(outer: Operator, inner: Product, by: Arithmetic) -> Operator:
    first = multiply(outer, inner.outer, by)
    return Product(outer, inner) if _is_lazy(first, outer, inner.outer) else multiply(first, inner.inner, by)


def _product_with(outer: Product, inner: Operator, by: Arithmetic) -> Operator:
    last = multiply(outer.inner, inner, by)
    return Product(outer, inner) if _is_lazy(last, outer.inner, inner) else multiply(outer.outer, last, by)


def _with_kronecker(outer: Operator, inner: Kronecker, by: Arithmetic) -> Operator:
    if inner.s > 1:
        return _rows(outer, inner, by) if isinstance(outer, Dense) else Product(outer, inner)
    left = outer if inner.left is None else multiply(outer, Dense(inner.left), by)
    return Kronecker(left.a, inner.right) if isinstance(left, Dense) else Product(outer, inner)


def _columns(outer: Operator, inner: Dense, by: Arithmetic) -> Operator:
    return by.push(outer, inner) if _pays(outer, inner) else Product(outer, inner)


def _rows(outer: Dense, inner: Operator, by: Arithmetic) -> Operator:
    return by.pull(outer, inner) if _pays(outer, inner) else Product(outer, inner)


def _pays(outer: Operator, inner: Operator) -> bool:
    """Whether a matrix takes no more multiply-adds to apply than both factors do."""
    return outer.rows * inner.cols <= outer.edges + inner.edges


def _is_lazy(product: Operator, outer: Operator, inner: Operator) -> bool:
    """Whether no rule applied."""
    return isinstance(product, Product) and product.outer is outer and product.inner is inner


Rule: TypeAlias = Callable[[Any, Any, Arithmetic], Operator]
RULES: Final[tuple[tuple[type[Operator], type[Operator], Rule], ...]] = (  # the first that fits
    (Zero, Operator, _free),
    (Operator, Zero, _free),
    (Identity, Operator, _free),
    (Operator, Identity, _free),
    (Operator, Product, _with_product),
    (Product, Operator, _product_with),
    (Operator, Kronecker, _with_kronecker),
    (Operator, Dense, _columns),
    (Dense, Operator, _rows),
    (Operator, Operator, _composed),
)


@cache
def _rule(outer: type[Operator], inner: type[Operator]) -> Rule:
    return next(rule for left, right, rule in RULES if issubclass(outer, left) and issubclass(inner, right))
