"""Products with their brackets, as one writes them: `(B_4 (B_3 A_2))`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Final

from prograd.bracketing import expressions
from prograd.orders import Node

IDENTITY: Final = "I"


@dataclass(frozen=True)
class Letters:
    """The blocks of L layers by their letters: `own[i]` is empty where layer i brings no columns.

    `q`, the gradient of the loss, stands at the left of them all, or nothing does.
    """

    own: Sequence[str]
    through: Sequence[str]
    q: str = ""

    @classmethod
    def of(cls, parameters: Sequence[bool], *, by_input: bool, gradient: bool) -> Letters:
        """Of a network, `parameters` saying which layers have any; the input is that of a layer before the first."""
        through = [f"B_{i + 1}" for i in range(len(parameters))]
        own = [f"A_{i + 1}" if has else "" for i, has in enumerate(parameters)]
        if by_input:
            own, through = [IDENTITY, *("" for _ in parameters)], ["", *through]
        return cls(own, through, "q" if gradient else "")


def forward(letters: Letters) -> str:
    """`(A_L | (B_L (A_{L-1} | …)))`: the innermost product comes first."""
    J = ""
    for A_i, B_i in zip(letters.own, letters.through, strict=True):
        older = _times(B_i, J) if J else ""
        J = f"({A_i} | {older})" if A_i and older else A_i or older
    return _times(letters.q, J)


def reverse(letters: Letters) -> str:
    """`(q A_L | ((q B_L) A_{L-1}) | …)`: what stands to the left is multiplied first."""
    q, parts = letters.q, []
    for A_i, B_i in zip(reversed(letters.own), reversed(letters.through), strict=True):
        if A_i:
            parts.append(_times(q, A_i))
        q = _times(q, B_i)
    return _beside(parts)


def factored(letters: Letters) -> str:
    """`(A_L | … | (B_L (B_{L-1} B_{L-2})) A_{L-3})`: what stands before an `A_i` is multiplied from the right."""
    parts = []
    for i in reversed(range(len(letters.own))):
        if letters.own[i]:
            P = reduce(lambda product, B: _times(B, product), letters.through[i + 1 :], "")
            parts.append(_times(_times(letters.q, P), letters.own[i]))
    return _beside(parts)


def optimal(letters: Letters, tree: Node) -> str:
    """As the tree of the cheapest bracketing says; with `q`, which is a block of the tree then, it is the last."""
    through = [*letters.through, letters.q] if letters.q else letters.through
    own = [*letters.own, ""] if letters.q else letters.own
    return _beside(expressions(tree, own, through, _times)[1])


def _times(left: str, right: str) -> str:
    if IDENTITY in {left, right}:
        return left if right == IDENTITY and left else right
    return f"({left} {right})" if left and right else left or right


def _beside(parts: Sequence[str]) -> str:
    return f"({' | '.join(parts)})" if len(parts) > 1 else "".join(parts)


ORDERS: Mapping[str, Callable[[Letters], str]] = MappingProxyType(
    {"reverse": reverse, "forward": forward, "factored": factored}
)
