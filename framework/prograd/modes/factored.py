"""Forward mode on operators, in which every block of the Jacobian keeps its structure.

    J_i = (A_i | B_i J_{i-1}),     block j of J_i is P_j A_j,     P_j = B_i … B_{j+1}

What passes through `B_i` is not the `r_j` columns of `P_j A_j` but `P_j` alone, which begins as the identity with
`n_{j+1}` columns: `B (I ⊗ z^T) = B ⊗ z^T`. For affine layers of width n that makes n³ of forward mode's n⁴. The rules
in `operators/multiplication.py` say how `B_i P_j` is multiplied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import pairwise

from prograd.arrays import Array, passes
from prograd.blocks import Block
from prograd.bracketing.words import Letters, joined, times
from prograd.errors import OptionError
from prograd.linearization import Linearization
from prograd.modes.base import Evaluation, Left, Mode
from prograd.modes.forward import DEFAULT_BYTES
from prograd.network import Network, slices
from prograd.operators import Dense, Identity, Operator
from prograd.operators.multiplication import join, multiply
from prograd.recursions import Apply, add_into, sum_into


class Factored(Mode):
    """Forward mode on operators, in which every block of the Jacobian keeps its structure; `max_bytes` bounds them."""

    name = "factored"
    lazy = True

    def gradient(self, at: Evaluation, p: Array, max_bytes: int | None) -> Array:
        """`∇ℓ` pulled through the left factors, for one part of the samples after the other."""
        p_by_layer = slices(p, at.net.spans)
        totals: list[Array] = []
        step = part_that_fits(at.net, at.samples, p.itemsize, max_bytes)
        for start in passes(range(0, at.samples, step), [step], p):
            rows = slice(start, min(start + step, at.samples))
            z, made = at.linearize(rows)
            blocks = list(made)
            total, q = at.close(z[-1], rows)
            pull(self.left_factors(blocks), blocks, q, p_by_layer, add_into if totals else sum_into)
            totals.append(total)
        return sum(totals[1:], start=totals[0])

    def jacobian(self, lin: Linearization, J: Array, max_bytes: int | None) -> None:
        """The left factors, then their products with the `A_i`, row by row."""
        rows_into(each(self.left_factors(lin.blocks), lin.blocks), lin, J)

    def order(self, lin: Callable[[], Linearization], letters: Letters, max_bytes: int | None) -> str:
        """`(A_L | … | (B_L (B_{L-1} B_{L-2})) A_{L-3})`: what is left of an `A_i` is multiplied from the right."""
        letters = letters.shortened()
        parts = []
        for i in reversed(range(len(letters.own))):
            if letters.own[i]:
                P = reduce(lambda product, B: times(B, product), letters.through[i + 1 :], "")
                parts.append(times(times(letters.q, P), letters.own[i]))
        return joined(parts)

    def left_factors(self, blocks: Sequence[Block]) -> list[Left]:
        """`J_1 = A_1`, `J_i = (A_i | B_i J_{i-1})`: the left factors of `J_L`, newest layer first."""
        J: list[Left] = []
        for i, (A_i, B_i) in enumerate(blocks):
            J = [Left(multiply(B_i, P), layers) for P, layers in J]
            if A_i:
                J.insert(0, Left(Identity(B_i.rows), (i,)))
            J = _side_by_side(J)
        return J


def pull(
    J: Sequence[Left],
    blocks: Sequence[Block],
    q: Array,
    p: Sequence[Mapping[str, Array]],
    apply: Apply,
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
        j: P if len(layers) == 1 else P.part(at)
        for P, layers in J
        for j, at in zip(layers, _columns(layers, blocks), strict=True)
    }


def rows_into(P_by_layer: Mapping[int, Operator], lin: Linearization, J: Array) -> None:
    """Writes `J = (P_L A_L | … | P_1 A_1)`, `(N, n_{L+1}, size)`."""
    p = lin.slices(J.swapaxes(0, 1))
    for i, P in P_by_layer.items():
        q = P.row_block(slice(None), J)
        for name, A in lin.blocks[i][0].items():
            A.vjp_into(q, p[i][name])


def part_that_fits(net: Network, samples: int, itemsize: int, max_bytes: int | None) -> int:
    """How many samples are in a part, so that its left factors fit into `max_bytes`.

    After an activation each sample has its own matrix for every layer: up to `n_{i+1} × Σ_j n_{j+1}` numbers, as many
    again while they are multiplied, and once more while matrices are joined. Raises `OptionError` where not even one
    sample fits.
    """
    columns = numbers = 0
    for n_i, r_i in zip(net.n[1:], net.r, strict=True):
        columns += n_i if r_i else 0
        numbers = max(numbers, n_i * columns)
    one = 3 * numbers * itemsize
    limit = DEFAULT_BYTES if max_bytes is None else max_bytes
    if max_bytes is not None and one > max_bytes:
        raise OptionError(f"max_bytes: expected at least {one}, the left factors of one sample, got {max_bytes}")
    return samples if samples * one <= limit else max(1, limit // one)


def _side_by_side(J: Sequence[Left]) -> list[Left]:
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
            joined[-1] = Left(join(newer.P, older.P), newer.layers + older.layers)
        else:
            joined.append(older)
    return joined


def _columns(layers: Sequence[int], blocks: Sequence[Block]) -> list[slice]:
    stops = [0]
    for j in layers:
        stops.append(stops[-1] + blocks[j][1].rows)
    return [slice(start, stop) for start, stop in pairwise(stops)]
