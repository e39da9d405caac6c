"""The blocks `(A_i | B_i)` of a network at a point, as operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, overload

import numpy as np

from prograd.arrays import Array, RecordingArray
from prograd.chosen import Names
from prograd.layer import Layer, Parameters
from prograd.operators import Operator, as_operator

Block: TypeAlias = tuple[Mapping[str, Operator], Operator]
"""`(A_i | B_i)`: an operator for each parameter, and one for the input."""


def wrong_pair(given: object) -> str:
    """What `jacobian` gave instead of `(A, B)`, and a hint; empty if that is what it gave."""
    if not isinstance(given, tuple) or len(given) != 2:
        return _kind(given)
    A, B = given
    if isinstance(A, Mapping):
        return ""
    return f"{_kind(given)}{'; likely cause: B and A are swapped' if isinstance(B, Mapping) else ''}"


def _kind(given: object) -> str:
    kinds = f"({', '.join(type(part).__name__ for part in given)})" if isinstance(given, tuple) else ""
    return kinds or type(given).__name__


def diagonal_hint(block: Any, rows: int, cols: int) -> str:
    """A question, if an array in the place of a square block holds a derivative for each entry: `(n,)` or `(N, n)`."""
    is_array = isinstance(block, (np.ndarray, RecordingArray))
    if not is_array or rows != cols or block.shape == (rows, cols):
        return ""
    return "; did you mean Diagonal(…)?" if block.ndim in {1, 2} and block.shape[-1] == cols else ""


class Blocks(Sequence[Block]):
    """`(A_1 | B_1) … (A_L | B_L)`, each made on demand.

    Reverse mode indexes each block once. So the arrays of a block (such as the slopes of an activation) are freed
    before the next block is made. Code that needs the blocks more than once makes a list of them. Of each `A_i` there
    are the `chosen` parameters, by default all.
    """

    def __init__(
        self, layers: Sequence[Layer], w: Sequence[Parameters], z: Sequence[Array], chosen: Names | None = None
    ) -> None:
        self._layers, self._w, self._z, self._chosen = layers, w, z, chosen

    def __len__(self) -> int:
        return len(self._layers)

    @overload
    def __getitem__(self, i: int) -> Block: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Block]: ...
    def __getitem__(self, i: int | slice) -> Block | Sequence[Block]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        if i < 0:
            i += len(self)
        A, B = self._layers[i].jacobian(self._w[i], self._z[i], self._z[i + 1])
        if self._chosen is not None:
            A = {name: A[name] for name in self._chosen[i]}
        for block in A.values():
            if isinstance(block, (np.ndarray, RecordingArray)):
                A = {name: as_operator(block) for name, block in A.items()}
                break
        if isinstance(B, (np.ndarray, RecordingArray)):
            B = as_operator(B)
        return A, B  # type: ignore[return-value]  # no arrays are left in A
