"""Reverse mode, backpropagation: `p^i = A_i^T q^{i+1}`, `q^i = B_i^T q^{i+1}`, for one vector or all rows of `J`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prograd import recursions
from prograd.arrays import Array, unit_vectors
from prograd.blocks import Block
from prograd.bracketing.words import Letters, joined, times
from prograd.linearization import Linearization
from prograd.modes.base import Evaluation, Left, Mode, Outputs
from prograd.modes.recomputation import Recomputed, schedule_within
from prograd.modes.samples import clipped_gradient, per_sample_norms
from prograd.modes.second import hessian_vector
from prograd.network import slices
from prograd.operators import Identity, Operator, multiply


class Reverse(Mode):
    """Matrix times vector; `max_bytes` bounds everything it holds, and some `z^i` are then computed again."""

    name = "reverse"
    lazy = True

    def gradient(self, at: Evaluation, p: Array, max_bytes: int | None) -> Array:
        """One pass; with checkpoints where `max_bytes` is given."""
        blocks: Sequence[Block]
        if max_bytes is None:
            z, blocks = at.linearize()
            total, q = at.close(z[-1])
        else:
            blocks = Recomputed(schedule_within(at.net, at.samples, at.w.dtype, max_bytes), at)
            total, q = at.close(blocks.output)
        recursions.reverse(blocks, q, slices(p, at.net.spans), recursions.sum_into)
        return total

    def jacobian(self, lin: Linearization, J: Array, max_bytes: int | None) -> None:
        """All rows at once, from the unit vectors on."""
        seeds = unit_vectors(lin.rows, slice(None), like=J)  # row k of J is e_k^T J, for every sample
        recursions.reverse(lin.blocks, seeds, lin.slices(J.swapaxes(0, 1)), recursions.each_into)

    def per_sample_norms(self, at: Evaluation, norms: Array, max_bytes: int | None) -> Array:
        """From one pass; with `max_bytes` for a part of the samples after the other."""
        return per_sample_norms(at, norms, max_bytes)

    def clipped_gradient(self, at: Evaluation, limit: Array, p: Array, max_bytes: int | None) -> Array:
        """From one pass, as the norms; it keeps the `q^i` of layers that have parameters."""
        return clipped_gradient(at, limit, p, max_bytes)

    def hessian_vector(self, at: Evaluation, v: Array, p: Array) -> Array:
        """Both passes, and how they move along `v`."""
        return hessian_vector(at, v, p)

    def room(self, peak: Callable[[int | None], float], outputs: Outputs, max_bytes: int) -> int | None:
        """For a gradient all, which the schedule keeps to."""
        return max_bytes if outputs == "gradient" else super().room(peak, outputs, max_bytes)

    def order(self, lin: Callable[[], Linearization], letters: Letters, max_bytes: int | None) -> str:
        """`(q A_L | ((q B_L) A_{L-1}) | …)`: what is on the left is multiplied first."""
        letters = letters.shortened()
        q, parts = letters.q, []
        for A_i, B_i in zip(reversed(letters.own), reversed(letters.through), strict=True):
            if A_i:
                parts.append(times(q, A_i))
            q = times(q, B_i)
        return joined(parts)

    def left_factors(self, blocks: Sequence[Block]) -> list[Left]:
        """From the last layer: `P_L = I`, `P_{i-1} = P_i B_i`."""
        J: list[Left] = []
        P: Operator = Identity(blocks[-1][1].rows)
        first = min((i for i, (A_i, _) in enumerate(blocks) if A_i), default=len(blocks))
        for i in reversed(range(first, len(blocks))):
            A_i, B_i = blocks[i]
            if A_i:
                J.append(Left(P, (i,)))
            if i > first:
                P = multiply(P, B_i)
        return J
