"""Which order of multiplication is cheapest: bracketings of a chain of blocks, found by dynamic programming.

    J_h = (A_L | B_L A_{L-1} | B_L B_{L-1} A_{L-2} | …)

Intervals of layers are merged. What is accumulated of layers i … j is a dense pair `(P | W)`:

- `P = B_j … B_i`, `n_{j+1} × n_i`, left out where it is not needed;
- `W = (A_j | B_j A_{j-1} | … | B_j … B_{i+1} A_i)`, the columns of the layers' own parameters, newest layer first,
  `R = r_i + … + r_j` of them.

One layer is accumulated by writing its blocks out. Layers i … j are merged from i … k (inner) and k+1 … j (outer) in
one of three ways:

- **product**: the outer `(P | W)` and the inner `(P | W)` are accumulated, the outer `P` is multiplied by the inner
  pair: `n_{j+1} n_{k+1}` times its columns;
- **tangents**: the outer `W` and the inner `(P | W)` are accumulated, the columns of the inner pair go through
  `B_{k+1} … B_j`: columns times edges;
- **adjoints**: the outer `(P | W)` is accumulated, the rows of its `P` go back through the `A`s and `B`s of layers
  k … i: rows times edges.

The outer `W` stays as it is. An inner `P` is accumulated, and `B_i` applied to rows, only where `P` of i … j is needed.
The unknown is `P` of all layers, which is `J_h` by the input, or their `W`, which is `J_h` by the parameters.

Forward mode belongs to this family: tangents, with one more outer layer each time. So does reverse mode: adjoints, with
the last layer as the outer part. So the best bracketing never costs more than the better of the two.

Source: U. Naumann, On the generalized dense Jacobian chain product problem, 2020, for the chain without parameters.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from prograd.arrays import checked_bytes
from prograd.bracketing.programming import LayerCosts, Node, best, forward_cost, reverse_cost
from prograd.bracketing.words import expressions
from prograd.errors import OptionError, ShapeError

__all__ = ["Bracketing", "Factor", "Node", "Own", "solve"]


class Factor(NamedTuple):
    """`B_i`, `rows × cols`; a product with one vector takes `edges` multiply-adds.

    `dense` is the cost of writing it out, by default products with as many unit vectors as it has rows or columns,
    whichever are fewer.
    """

    rows: int
    cols: int
    edges: int
    dense: int | None = None


class Own(NamedTuple):
    """`A_i`, with `cols = r_i`; a product with one row takes `edges` multiply-adds, writing it out `dense`."""

    cols: int
    edges: int
    dense: int = 0


@dataclass(frozen=True)
class Bracketing:
    """The cheapest bracketing: `cost` multiply-adds, along `tree`.

    For comparison, `tangent_cost` and `adjoint_cost` are those of pure forward and pure reverse mode, and
    `preaccumulation_cost` is that of the best order of products alone, every block written out first.
    `str` is the bracketed product.
    """

    cost: int
    tree: Node
    tangent_cost: int
    adjoint_cost: int
    preaccumulation_cost: int
    columns: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Such as `(B_4 (B_3 B_2))`; with parameters, one product for each layer that has any, newest layer first."""
        own = [f"A_{i + 1}" if r else "" for i, r in enumerate(self.columns)]
        P, W = expressions(
            self.tree, own, [f"B_{i + 1}" for i in range(len(own))], lambda left, right: f"({left} {right})"
        )
        return P if self.tree.product else f"({' | '.join(W)})"

    def as_dict(self) -> dict[str, Any]:
        """Plain data: numbers, and the steps of the tree in an order in which they can be executed."""
        steps = [
            {"layers": [s.start, s.stop], "split": s.split, "way": s.way, "product": s.product, "cost": s.cost}
            for s in self.tree.steps()
        ]
        return {
            "cost": self.cost,
            "tangent_cost": self.tangent_cost,
            "adjoint_cost": self.adjoint_cost,
            "preaccumulation_cost": self.preaccumulation_cost,
            "steps": steps,
        }


def solve(
    factors: Iterable[Sequence[int | None]],
    parameters: Iterable[Sequence[int]] | None = None,
    max_bytes: int | None = None,
) -> Bracketing:
    """The best bracketing of `B_L … B_1`; with `parameters`, of the whole `(A_L | B_L A_{L-1} | …)`.

    `factors` are `(rows, cols, edges)`, first layer first, and may have a fourth entry (see `Factor`); `parameters` are
    `(cols, edges)`, one entry for each layer (see `Own`). Costs are multiply-adds for one sample, in exact integers.
    With `max_bytes`, no matrix on the way to the result takes more, at 8 bytes a number. Raises `ShapeError` where
    factors don't fit one another, and `OptionError` where no bracketing keeps to `max_bytes`.
    """
    if max_bytes is not None:
        max_bytes = checked_bytes(max_bytes)
    B = [_checked(Factor, "factors", i, given) for i, given in enumerate(factors)]
    if not B:
        raise ShapeError("factors: expected at least one (rows, cols, edges), got none")
    for i, (inner, outer) in enumerate(pairwise(B)):
        if outer.cols != inner.rows:
            raise ShapeError(f"factors[{i + 1}]: expected {inner.rows} columns, the rows of factors[{i}], got {outer}")
    if parameters is None:
        return _solved(_costs(B, [Own(0, 0)] * len(B)), product=True, max_bytes=max_bytes)
    A = [_checked(Own, "parameters", i, given) for i, given in enumerate(parameters)]
    if len(A) != len(B):
        raise ShapeError(f"parameters: expected an entry for each of {len(B)} factors, got {len(A)}")
    return _solved(_costs(B, A), product=False, max_bytes=max_bytes)


def _solved(costs: LayerCosts, *, product: bool, max_bytes: int | None = None) -> Bracketing:
    """The best bracketing for `P` of all layers (`product`), or for their `W`, at the `costs` of all samples."""
    tree = best(costs, product=product, numbers=None if max_bytes is None else max_bytes // 8)
    if tree is None:
        raise OptionError(f"max_bytes: expected enough for the matrices on the way of some bracketing, got {max_bytes}")
    products = best(costs, product=product, ways=("product",))
    assert products is not None  # noqa: S101  (where nothing is limited there is always one)
    return Bracketing(
        cost=tree.cost,
        tree=tree,
        tangent_cost=forward_cost(costs, product=product),
        adjoint_cost=reverse_cost(costs, product=product),
        preaccumulation_cost=products.cost,
        columns=tuple(costs.own),
    )


def _costs(B: Sequence[Factor], A: Sequence[Own]) -> LayerCosts:
    edges = [(F.edges, F.edges) for F in B]
    return LayerCosts(
        rows=[F.rows for F in B],
        cols=[F.cols for F in B],
        own=[F.cols for F in A],
        push=edges,
        pull=edges,
        own_pull=[(F.edges, F.edges) for F in A],
        dense=[F.edges * min(F.rows, F.cols) if F.dense is None else F.dense for F in B],
        own_dense=[F.dense for F in A],
        stacked=[False] * len(B),
    )


GivenT = TypeVar("GivenT", Factor, Own)


def _checked(kind: type[GivenT], what: str, i: int, given: Sequence[int | None]) -> GivenT:
    try:
        numbers = [k if k is None else operator.index(k) for k in given]
    except TypeError:
        numbers = []
    fields = kind._fields
    least = len(fields) - len(kind._field_defaults)
    if not least <= len(numbers) <= len(fields) or None in numbers[:3] or min(filter(None, numbers), default=0) < 0:
        raise ShapeError(f"{what}[{i}]: expected integers ({', '.join(fields)}), none negative, got {given!r}")
    return kind(*numbers)  # type: ignore[arg-type]  # only a fourth may be None, which a Factor may have
