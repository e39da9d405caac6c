"""What the blocks of a chain cost, as the dynamic programming wants to know it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from prograd.blocks import Block
from prograd.operators import Operator
from prograd.operators.counting import columns_multiply_adds, jvp_multiply_adds, vjp_multiply_adds
from prograd.orders import Costs, Node, best

KEPT = 64  # orders for structures that come back, which they do in every step of a descent


def cheapest(blocks: Sequence[Block], samples: int) -> Node:
    """The order with the fewest multiply-adds for the whole `J = (A_L | B_L A_{L-1} | …)` of all samples."""
    return _cheapest(block_costs(blocks, samples))


@lru_cache(KEPT)
def _cheapest(costs: Costs) -> Node:
    tree = best(costs, product=False)
    assert tree is not None  # noqa: S101  (where nothing is limited there is always one)
    return tree


def block_costs(blocks: Sequence[Block], samples: int) -> Costs:
    """Multiply-adds of products with the blocks, for all samples together."""
    A, B = [list(A_i.values()) for A_i, _ in blocks], [B_i for _, B_i in blocks]
    return Costs(
        rows=tuple(B_i.rows for B_i in B),
        cols=tuple(B_i.cols for B_i in B),
        own=tuple(sum(operator.cols for operator in A_i) for A_i in A),
        push=tuple((jvp_multiply_adds(B_i, 1, 1), jvp_multiply_adds(B_i, 1, samples)) for B_i in B),
        pull=tuple((vjp_multiply_adds(B_i, 1, 1), vjp_multiply_adds(B_i, 1, samples)) for B_i in B),
        own_pull=tuple(
            (sum(vjp_multiply_adds(a, 1, 1) for a in A_i), sum(vjp_multiply_adds(a, 1, samples) for a in A_i))
            for A_i in A
        ),
        dense=tuple(written(B_i, B_i.samples) for B_i in B),
        own_dense=tuple(sum(written(operator, samples) for operator in A_i) for A_i in A),
        stacked=tuple(B_i.samples > 1 for B_i in B),
        samples=samples,
    )


def written(operator: Operator, samples: int) -> int:
    """Multiply-adds of writing an operator out for so many samples, by its columns or by its rows."""
    by_columns = columns_multiply_adds(operator, operator.cols, samples)
    return min(by_columns, vjp_multiply_adds(operator, operator.rows, 1)) if by_columns else 0


def by_rows(operator: Operator, samples: int) -> bool:
    """Whether writing it out takes less by its rows."""
    return written(operator, samples) < columns_multiply_adds(operator, operator.cols, samples)
