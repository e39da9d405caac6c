"""Forward mode on operators, in which every block of the Jacobian keeps its structure.

    J_i = (A_i | B_i J_{i-1}),     block j of J_i is P_j A_j,     P_j = B_i … B_{j+1}

What goes through `B_i` is not the `r_j` columns of `P_j A_j` but `P_j` alone, which begins as the identity with
`n_{j+1}` columns: `B (I ⊗ z^T) = B ⊗ z^T`. For affine layers of width n that makes n³ of forward mode's n⁴. How
`B_i P_j` is multiplied, say the rules in `operators/multiplication.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from prograd import threads
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.errors import OptionError
from prograd.network import Network
from prograd.operators import Dense, Identity, Operator, Product, Zero
from prograd.operators.counting import Counting
from prograd.operators.multiplication import NUMBERS, Arithmetic, multiply
from prograd.workspace import DEFAULT_BYTES


class Left(NamedTuple):
    """`P = (P_j | … | P_k)`: what stands before `A_j … A_k` in `J`, side by side for the layers j … k, newest first."""

    P: Operator
    layers: tuple[int, ...]


def forward(blocks: Sequence[Block], by: Arithmetic = NUMBERS) -> list[Left]:
    """`J_1 = A_1`, `J_i = (A_i | B_i J_{i-1})`: the left factors of `J_L`, newest layer first."""
    J: list[Left] = []
    for i, (A_i, B_i) in enumerate(blocks):
        J = [Left(multiply(B_i, P, by), layers) for P, layers in J]
        if A_i:
            J.insert(0, Left(Identity(B_i.rows), (i,)))
        J = _side_by_side(J, by)
    return J


def backward(blocks: Sequence[Block], by: Arithmetic = NUMBERS) -> list[Left]:
    """The same left factors from the other end: `P_L = I`, `P_{i-1} = P_i B_i`."""
    J: list[Left] = []
    P: Operator = Identity(blocks[-1][1].rows)
    first = min((i for i, (A_i, _) in enumerate(blocks) if A_i), default=len(blocks))
    for i in reversed(range(first, len(blocks))):
        A_i, B_i = blocks[i]
        if A_i:
            J.append(Left(P, (i,)))
        if i > first:
            P = multiply(P, B_i, by)
    return J


def pull(
    J: Sequence[Left],
    blocks: Sequence[Block],
    q: Array,
    p: Sequence[Mapping[str, Array]],
    apply: Callable[[Operator, Array, Array], object],
) -> None:
    """`J^T q`, block by block: writes `p^j = A_j^T (P_j^T q)`, parameter by parameter, with `apply(A, q, p)`."""
    for P, layers in J:
        pulled = P.vjp(q)
        for j, at in zip(layers, _columns(layers, blocks), strict=True):
            for name, A in blocks[j][0].items():
                apply(A, pulled[..., at], p[j][name])


def each(J: Sequence[Left], blocks: Sequence[Block]) -> dict[int, Operator]:
    """`P_j` by layer."""
    return {
        j: P if len(layers) == 1 else _part(P, at)
        for P, layers in J
        for j, at in zip(layers, _columns(layers, blocks), strict=True)
    }


def multiply_adds(order: Callable[[Sequence[Block], Arithmetic], object], blocks: Sequence[Block]) -> int:
    """Multiply-adds of the left factors, by `forward` or by `backward`."""
    by = Counting()
    order(blocks, by)
    return by.multiply_adds


def rows(P: Operator, part: slice, dtype: np.dtype[Any]) -> Array:
    """Some rows of `P`: `(rows, N, cols)`, with N = 1 when shared."""
    if isinstance(P, Dense):
        return P.a.reshape(-1, P.rows, P.cols)[:, part].swapaxes(0, 1)
    return P.vjp(np.eye(P.rows, dtype=dtype)[part, None, :])


def shards(net: Network, samples: int, itemsize: int, max_bytes: int | None) -> list[slice]:
    """`range(samples)` in parts whose left factors fit into `max_bytes`, those of all threads together.

    Behind an activation each sample has a matrix of its own for every layer: up to `n_{i+1} × Σ_j n_{j+1}` numbers, as
    many again while they are multiplied, and while matrices are joined. Raises `OptionError` where not even one
    sample fits.
    """
    columns = numbers = 0
    for n_i, r_i in zip(net.n[1:], net.r, strict=True):
        columns += n_i if r_i else 0
        numbers = max(numbers, n_i * columns)
    one = 3 * numbers * itemsize
    limit = DEFAULT_BYTES if max_bytes is None else max_bytes
    if max_bytes is not None and one > max_bytes:
        raise OptionError(f"max_bytes={max_bytes}: the left factors of one sample take up to {one} bytes")
    if samples * one <= limit:
        return [slice(0, samples)]
    step = max(1, limit // (one * threads.available()))
    return [slice(start, min(start + step, samples)) for start in range(0, samples, step)]


def _side_by_side(J: Sequence[Left], by: Arithmetic) -> list[Left]:
    """Matrices joined into one where the newer is at least as wide.

    So a few products take the place of many small ones, and a column is copied only as often as its matrix doubles.
    """
    joined = list(J[:1])
    for older in J[1:]:
        newer = joined[-1]
        if (
            isinstance(newer.P, Dense)
            and isinstance(older.P, Dense)
            and newer.P.samples == older.P.samples
            and newer.P.cols >= older.P.cols
        ):
            joined[-1] = Left(by.beside(newer.P, older.P), newer.layers + older.layers)
        else:
            joined.append(older)
    return joined


def _columns(layers: Sequence[int], blocks: Sequence[Block]) -> list[slice]:
    stops = [0]
    for j in layers:
        stops.append(stops[-1] + blocks[j][1].rows)
    return [slice(start, stop) for start, stop in pairwise(stops)]


def _part(P: Operator, at: slice) -> Operator:
    """The columns `at` of matrices that were joined, and perhaps multiplied by something since."""
    match P:
        case Dense():
            return Dense(P.a[..., at])
        case Product():
            return Product(P.outer, _part(P.inner, at))
    return Zero(P.rows, at.stop - at.start)
