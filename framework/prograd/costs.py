"""What the blocks of a chain cost, as the dynamic programming wants to know it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from prograd.blocks import Block
from prograd.errors import OptionError
from prograd.operators import Operator
from prograd.operators.counting import columns_multiply_adds, jvp_multiply_adds, vjp_multiply_adds
from prograd.orders import Costs, Node, best

Count: TypeAlias = Callable[[Operator, int, int, int], int]

KEPT = 64  # orders for structures that come back, which they do in every step of a descent


def cheapest(blocks: Sequence[Block], samples: int, numbers: int | None = None) -> Node:
    """The order with the fewest multiply-adds for the whole `J = (A_L | B_L A_{L-1} | …)` of all samples.

    With `numbers`, no matrix on the way has more entries. Raises `OptionError` where that can't be kept to.
    """
    return _cheapest(block_costs(blocks, samples), numbers)


@lru_cache(KEPT)
def _cheapest(costs: Costs, numbers: int | None) -> Node:
    tree = best(costs, product=False, numbers=numbers)
    if tree is None:
        raise OptionError(f"max_bytes: no bracketing has matrices of at most {numbers} numbers each on the way")
    return tree


def block_costs(blocks: Sequence[Block], samples: int) -> Costs:
    """Multiply-adds of products with the blocks, for all samples together; stacks may have been made for fewer."""
    A, B = [list(A_i.values()) for A_i, _ in blocks], [B_i for _, B_i in blocks]
    N = samples

    def both(of: Count, operators: Sequence[Operator]) -> tuple[int, int]:
        return sum(of(J, 1, 1, N) for J in operators), sum(of(J, 1, N, N) for J in operators)

    return Costs(
        rows=tuple(B_i.rows for B_i in B),
        cols=tuple(B_i.cols for B_i in B),
        own=tuple(sum(J.cols for J in A_i) for A_i in A),
        push=tuple(both(jvp_multiply_adds, [B_i]) for B_i in B),
        pull=tuple(both(vjp_multiply_adds, [B_i]) for B_i in B),
        own_pull=tuple(both(vjp_multiply_adds, A_i) for A_i in A),
        dense=tuple(_written(B_i, N if B_i.samples > 1 else 1, N) for B_i in B),
        own_dense=tuple(sum(_written(J, N, N) for J in A_i) for A_i in A),
        stacked=tuple(B_i.samples > 1 for B_i in B),
        samples=N,
    )


def by_rows(J: Operator, samples: int, stack: int | None = None) -> bool:
    """Whether writing `J` out for so many samples takes less by its rows than by its columns."""
    by_columns = columns_multiply_adds(J, J.cols, samples, stack)
    return by_columns > 0 and vjp_multiply_adds(J, J.rows, 1, stack) < by_columns


def _written(J: Operator, samples: int, stack: int) -> int:
    if by_rows(J, samples, stack):
        return vjp_multiply_adds(J, J.rows, 1, stack)
    return columns_multiply_adds(J, J.cols, samples, stack)
