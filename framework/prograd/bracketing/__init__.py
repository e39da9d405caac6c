"""Which order of multiplication is cheapest? Dynamic programming finds the bracketing of a chain of blocks.

    J_h = (A_L | B_L A_{L-1} | B_L B_{L-1} A_{L-2} | …)

A bracketing merges intervals of layers. Layers i … j accumulate to a dense pair `(P | W)`:

- `P = B_j … B_i`, `n_{j+1} × n_i`, left out if it is not needed;
- `W = (A_j | B_j A_{j-1} | … | B_j … B_{i+1} A_i)`, the columns of the parameters of these layers, newest layer first.
  There are `R = r_i + … + r_j` of them.

The pair of a single layer consists of its blocks, written out. Layers i … j are merged from the inner layers i … k and
the outer layers k+1 … j in one of three ways:

- **product**: accumulate the outer `(P | W)` and the inner `(P | W)`, then multiply the outer `P` by the inner pair.
  This costs `n_{j+1} n_{k+1}` times the columns of the inner pair.
- **tangents**: accumulate the outer `W` and the inner `(P | W)`, then push the columns of the inner pair through
  `B_{k+1} … B_j`. This costs columns times edges.
- **adjoints**: accumulate the outer `(P | W)`, then pull the rows of its `P` back through the `A`s and `B`s of layers
  k … i. This costs rows times edges.

The outer `W` does not change. The inner `P`, and the product of the rows with `B_i`, are computed only if the `P` of
layers i … j is needed. The result is the `P` of all layers, which is `J_h` with respect to the input, or their `W`,
which is `J_h` with respect to the parameters.

Forward mode and reverse mode are bracketings too: forward mode merges by tangents and adds one outer layer at a time,
and reverse mode merges by adjoints with the last layer as the outer part. So the best bracketing never costs more than
the cheaper of the two.

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
    """`B_i`, `rows × cols`. A product with one vector takes `edges` multiply-adds.

    `dense` is the cost of writing it out as a matrix. The default is `edges` times its rows or its columns, whichever
    are fewer.
    """

    rows: int
    cols: int
    edges: int
    dense: int | None = None


class Own(NamedTuple):
    """`A_i`, with `cols = r_i`. A product with one row takes `edges` multiply-adds, writing it out takes `dense`."""

    cols: int
    edges: int
    dense: int = 0


@dataclass(frozen=True)
class Bracketing:
    """The cheapest bracketing: `cost` multiply-adds, along `tree`.

    For comparison, `tangent_cost` and `adjoint_cost` are the costs of pure forward and pure reverse mode, and
    `preaccumulation_cost` is the cost of the best order of matrix products, with every block written out first.
    `str` is the bracketed product.
    """

    cost: int
    tree: Node
    tangent_cost: int
    adjoint_cost: int
    preaccumulation_cost: int
    columns: tuple[int, ...] = ()

    def __str__(self) -> str:
        """For example `(B_4 (B_3 B_2))`. With parameters: a product for each layer that has any, newest layer first."""
        own = [f"A_{i + 1}" if r else "" for i, r in enumerate(self.columns)]
        P, W = expressions(
            self.tree, own, [f"B_{i + 1}" for i in range(len(own))], lambda left, right: f"({left} {right})"
        )
        return P if self.tree.product else f"({' | '.join(W)})"

    def as_dict(self) -> dict[str, Any]:
        """Plain data: numbers, and the steps of the tree in an order of execution."""
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

    `factors` are `(rows, cols, edges)`, first layer first, optionally followed by `dense` (see `Factor`). `parameters`
    are `(cols, edges)`, one entry for each layer (see `Own`). Costs are multiply-adds for one sample, as exact
    integers. With `max_bytes`, no intermediate matrix takes more, at 8 bytes for each number. Raises `ShapeError` if
    the factors don't fit together, and `OptionError` if no bracketing fits into `max_bytes`.

    >>> best = prograd.bracketing.solve([(2, 9, 18), (9, 3, 27), (3, 5, 15)][::-1])  # B_1 is 3 × 5
    >>> best.cost, best.tangent_cost, str(best)
    (120, 300, '((B_3 B_2) B_1)')
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
    """The best bracketing for the `P` of all layers (`product`) or for their `W`, from the `costs` of all samples."""
    tree = best(costs, product=product, numbers=None if max_bytes is None else max_bytes // 8)
    if tree is None:
        raise OptionError(f"max_bytes: expected room for the matrices of some bracketing, got {max_bytes}")
    products = best(costs, product=product, ways=("product",))
    assert products is not None  # noqa: S101  (without a limit there is always one)
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
