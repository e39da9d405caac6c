"""The costs of the blocks of a linearization, as the dynamic programming needs them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from prograd.blocks import Block
from prograd.bracketing.programming import LayerCosts, Node, best
from prograd.errors import OptionError
from prograd.operators import Operator

KEPT = 64  # bracketings: every step of gradient descent asks for the same one


def cheapest(blocks: Sequence[Block], samples: int, numbers: int | None = None) -> Node:
    """The order with the fewest multiply-adds for the whole `J = (A_L | B_L A_{L-1} | …)` of all samples.

    With `numbers`, no intermediate matrix has more entries. Raises `OptionError` if no order satisfies this.
    """
    return _cheapest(layer_costs(blocks, samples), numbers)


@lru_cache(KEPT)
def _cheapest(costs: LayerCosts, numbers: int | None) -> Node:
    tree = best(costs, product=False, numbers=numbers)
    if tree is None:
        raise OptionError(
            f"max_bytes: expected room for the matrices of some bracketing, got {numbers} numbers for each"
        )
    return tree


def layer_costs(blocks: Sequence[Block], samples: int) -> LayerCosts:
    """Multiply-adds of products with the blocks, for all samples."""
    A, B = [list(A_i.values()) for A_i, _ in blocks], [B_i for _, B_i in blocks]
    N = samples

    def pulled(operators: Sequence[Operator]) -> tuple[int, int]:
        return sum(J.vjp_multiply_adds() for J in operators), sum(J.vjp_multiply_adds(N) for J in operators)

    return LayerCosts(
        rows=tuple(B_i.rows for B_i in B),
        cols=tuple(B_i.cols for B_i in B),
        own=tuple(sum(J.cols for J in A_i) for A_i in A),
        push=tuple((B_i.jvp_multiply_adds(), B_i.jvp_multiply_adds(N)) for B_i in B),
        pull=tuple(pulled([B_i]) for B_i in B),
        own_pull=tuple(pulled(A_i) for A_i in A),
        dense=tuple(_written(B_i, N if B_i.samples > 1 else 1) for B_i in B),
        own_dense=tuple(sum(_written(J, N) for J in A_i) for A_i in A),
        stacked=tuple(B_i.samples > 1 for B_i in B),
        samples=N,
    )


def by_rows(J: Operator, samples: int) -> bool:
    """Whether `J` for `samples` samples costs less to write row by row than column by column."""
    columns = J.cols * J.column_multiply_adds(samples)
    return columns > 0 and J.rows * J.vjp_multiply_adds() < columns


def _written(J: Operator, samples: int) -> int:
    if by_rows(J, samples):
        return J.rows * J.vjp_multiply_adds()
    return J.cols * J.column_multiply_adds(samples)
