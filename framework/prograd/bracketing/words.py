"""Products written with their brackets: `(B_4 (B_3 A_2))`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from prograd.bracketing.programming import Node

IDENTITY: Final = "I"
ELLIPSIS: Final = "…"
WRITTEN: Final = 24  # layers up to which all products are written


@dataclass(frozen=True)
class Letters:
    """The names of the blocks of L layers: `own[i]` is that of `A_i`, empty if the layer has no parameters.

    `q` is the name of the gradient of the loss, on the left of all blocks. It is empty for a Jacobian.
    """

    own: Sequence[str]
    through: Sequence[str]
    q: str = ""

    @classmethod
    def of(cls, parameters: Sequence[bool], *, by_input: bool, gradient: bool) -> Letters:
        """The names for a network. `parameters` says which layers have any; `x` belongs to a layer before the first."""
        through = [f"B_{i + 1}" for i in range(len(parameters))]
        own = [f"A_{i + 1}" if has else "" for i, has in enumerate(parameters)]
        if by_input:
            own, through = [IDENTITY, *("" for _ in parameters)], ["", *through]
        return cls(own, through, "q" if gradient else "")

    def shortened(self) -> Letters:
        """Of many layers only the first and the last: the brackets around all would take a page for each layer."""
        if len(self.own) <= WRITTEN:
            return self
        k = WRITTEN // 4
        between = ELLIPSIS if any(self.own[k:-k]) else ""
        own = (*self.own[:k], between, *self.own[-k:])
        return Letters(own, (*self.through[:k], ELLIPSIS, *self.through[-k:]), self.q)


def expressions(
    tree: Node, own: Sequence[str], through: Sequence[str], times: Callable[[str, str], str]
) -> tuple[str, list[str]]:
    """The bracketed product for `P`, and one for the columns of each layer, newest layer first.

    `own` and `through` are the names of the `A_i` and `B_i`. That of an `A_i` without columns is empty.
    """
    parts: list[tuple[str, list[str]]] = []
    for node in tree.steps():
        i = node.start
        if node.way == "dense":
            parts.append((through[i], [own[i]] if own[i] else []))
            continue
        if node.way == "adjoints":
            P, W = parts.pop()
            for k in reversed(range(node.start, node.split)):
                W = [*W, times(P, own[k])] if own[k] else W
                P = times(P, through[k])
            parts.append((P, W))
            continue
        inner_P, inner_W = parts.pop()
        P, W = parts.pop() if node.outer else ("", [])
        for B in [P] if node.way == "product" else through[node.split : node.stop]:
            inner_P, inner_W = times(B, inner_P), [times(B, A) for A in inner_W]
        parts.append((inner_P, W + inner_W))
    return parts[0]


def times(left: str, right: str) -> str:
    """The product of two expressions. If one is empty, it is the other."""
    if IDENTITY in {left, right}:
        return left if right == IDENTITY and left else right
    return f"({left} {right})" if left and right else left or right


def joined(parts: Sequence[str]) -> str:
    """Expressions separated by bars."""
    return f"({' | '.join(parts)})" if len(parts) > 1 else "".join(parts)
