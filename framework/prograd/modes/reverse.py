"""Reverse mode, backpropagation: `p^i = A_i^T q^{i+1}`, `q^i = B_i^T q^{i+1}`, for one vector or all rows of `J`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prograd import recursions
from prograd.arrays import Array, unit_vectors
from prograd.blocks import Block
from prograd.bracketing.words import Letters, joined, times
from prograd.linearization import Linearization
from prograd.modes.base import MARGIN, Evaluation, Left, Mode, Outputs
from prograd.modes.recomputation import LOSS_ARRAYS, Recomputed, schedule_within
from prograd.modes.structure import Structure, object_bytes
from prograd.network import slices
from prograd.operators import Identity, Operator
from prograd.operators.ledger import Cost, Vectors, Work
from prograd.operators.multiplication import NUMBERS, Arithmetic, multiply


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

    def gradient_cost(self, of: Structure, max_bytes: int | None) -> Cost:
        """The multiply-adds and steps are those without recomputation; the peak keeps to the limit."""
        lin, item, ledger = of.lin, of.item, of.ledger()
        rows = of.samples
        ledger.hold(lin.size * item)
        work = ledger.work(rows)
        of.charge_forward_pass(ledger, rows)
        ledger.touch(LOSS_ARRAYS * rows * lin.rows * item)
        ledger.hold(rows * lin.rows * item)
        q = Vectors(1, of.samples)
        for i, (A, B) in reversed(list(enumerate(lin.blocks))):
            own = of.made([(A, B)], rows)
            ledger.touch(rows * B.rows * item + own)
            for name in lin.spans[i].each:
                A[name].charge_vjp_sum(work, q)
                ledger.touch((rows * B.rows + A[name].sum_scratch(rows)) * item + own)
            if i > 0:
                B.charge_vjp(work, q)
                ledger.touch((rows * (B.rows + B.cols) + B.scratch(rows)) * item + own)
        cost = ledger.cost()
        return cost if max_bytes is None else replace(cost, peak_bytes=min(cost.peak_bytes, max_bytes))

    def room(self, of: Structure, outputs: Outputs, max_bytes: int) -> int | None:
        """For a gradient, none where every `z^i` has room, and otherwise all, which the schedule keeps to."""
        if outputs == "jacobian":
            return super().room(of, outputs, max_bytes)
        if self.gradient_cost(of, None).peak_bytes * MARGIN + object_bytes(of.net) <= max_bytes:
            return None
        schedule_within(of.net, of.samples, of.lin.dtype, max_bytes)  # raises if it is too little
        return max_bytes

    def jacobian_cost(self, of: Structure, max_bytes: int | None) -> Cost:
        """As many vectors as there are outputs."""
        lin, item, ledger = of.lin, of.item, of.ledger()
        size, R = of.samples * lin.rows * lin.size, lin.rows
        of.charge_kept_blocks(ledger)
        ledger.hold((size + R * R) * item)
        work = ledger.work(of.samples)
        charge_rows(work, lin.blocks, Vectors(R, 1))  # row k of J begins as e_k, for every sample
        return ledger.cost()

    def order(self, of: Structure, letters: Letters, max_bytes: int | None) -> str:
        """`(q A_L | ((q B_L) A_{L-1}) | …)`: what is on the left is multiplied first."""
        letters = letters.shortened()
        q, parts = letters.q, []
        for A_i, B_i in zip(reversed(letters.own), reversed(letters.through), strict=True):
            if A_i:
                parts.append(times(q, A_i))
            q = times(q, B_i)
        return joined(parts)

    def left_factors(self, blocks: Sequence[Block], by: Arithmetic = NUMBERS) -> list[Left]:
        """From the last layer: `P_L = I`, `P_{i-1} = P_i B_i`."""
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


def per_sample_gradients(at: Evaluation, p: Array) -> Array:
    """Writes `∇f_{x_n,y_n}(w)` of each sample to `p`, `(N, size)`, and returns the sum of the losses."""
    z, blocks = at.linearize()
    total, q = at.losses(z[-1])
    recursions.reverse(blocks, q, slices(p, at.net.spans), recursions.each_into)
    return total


def charge_rows(work: Work, blocks: Sequence[Block], q: Vectors) -> None:
    """Writes down reverse mode from the vectors `q` on, with a result for each sample."""
    ledger = work.ledger
    for i, (A, B) in reversed(list(enumerate(blocks))):
        for operator in A.values():
            operator.charge_vjp_into(work, q)
            scratch = operator.row_scratch(ledger.through(operator, q).all)
            ledger.touch((q.all * B.rows + scratch) * ledger.item)
        if i > 0:
            B.charge_vjp(work, q)
            after = ledger.through(B, q)
            ledger.touch((q.all * B.rows + after.all * B.cols + B.scratch(after.all)) * ledger.item)
            q = after
