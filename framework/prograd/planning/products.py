"""What one product with an operator costs: the place where multiply-adds are counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from prograd.operators import (
    Dense,
    DiagonalPlusLowRank,
    Identity,
    Kronecker,
    Operator,
    Product,
    Sparse,
    Sum,
)
from prograd.planning.costs import Kind, Step
from prograd.planning.structure import Structure


class Vectors(NamedTuple):
    """How many vectors are multiplied: so many for each of `samples` samples, which is 1 where all have the same."""

    many: int
    samples: int

    @property
    def all(self) -> int:
        """Of all samples."""
        return self.many * self.samples


@dataclass(frozen=True)
class Products:
    """The steps of products with the operators of a structure, each in `calls` equal calls on `threads` threads.

    A call multiplies vectors of `rows` samples: the operators' arrays for these are read each time.
    """

    structure: Structure
    rows: int
    calls: int = 1
    threads: int = 1

    def through(self, operator: Operator, v: Vectors) -> Vectors:
        """`v` after a product with the operator: a stack makes one vector for each sample of one for all."""
        return Vectors(v.many, max(v.samples, self.structure.stack(operator)))

    def vjp(self, operator: Operator, q: Vectors) -> Iterator[Step]:
        """`J^T q`."""
        match operator:
            case Product():
                yield from self.vjp(operator.outer, q)
                yield from self.vjp(operator.inner, self.through(operator.outer, q))
            case Sum():
                yield from self.vjp(operator.left, q)
                yield from self.vjp(operator.right, q)
                yield self._pass("copy", 3 * self.through(operator, q).all * operator.cols)
            case Identity():  # gives back what it gets
                return
            case _:
                yield self._product(operator, q, operator.rows, operator.cols)

    def jvp(self, operator: Operator, v: Vectors) -> Iterator[Step]:
        """`J v`."""
        match operator:
            case Product():
                yield from self.jvp(operator.inner, v)
                yield from self.jvp(operator.outer, self.through(operator.inner, v))
            case Sum():
                yield from self.jvp(operator.left, v)
                yield from self.jvp(operator.right, v)
                yield self._pass("copy", 3 * self.through(operator, v).all * operator.rows)
            case Identity():
                return
            case _:
                yield self._product(operator, v, operator.cols, operator.rows)

    def vjp_sum(self, operator: Operator, q: Vectors) -> Iterator[Step]:
        """`Σ_n J_n^T q_n`."""
        match operator:
            case Product():
                yield from self.vjp(operator.outer, q)
                yield from self.vjp_sum(operator.inner, self.through(operator.outer, q))
            case Sum():
                yield from self.vjp_sum(operator.left, self.through(operator, q))
                yield from self.vjp_sum(operator.right, self.through(operator, q))
                yield self._pass("copy", 3 * q.many * operator.cols)
            case Dense() | Sparse() if operator.samples == 1:  # the samples are added up first
                yield self._product(operator, q, operator.rows, 0)._replace(depth=1.0)
            case _:
                step = self._product(operator, q, operator.rows, 0)
                written = q.many * operator.cols * self.structure.item
                yield step._replace(moved=step.moved + written, depth=depth_of(operator, q.samples))

    def vjp_into(self, operator: Operator, q: Vectors) -> Iterator[Step]:
        """`J^T q` into rows of a Jacobian: once for each sample, whether it differs or not."""
        written = self.structure.samples * q.many * operator.cols
        if isinstance(operator, Kronecker) and operator.s == 1 and operator.left is None:  # where it belongs, at once
            multiply_adds = self.through(operator, q).all * operator.edges
            yield self._pass("write", written)._replace(multiply_adds=multiply_adds)
            return
        yield from self.vjp(operator, q)
        yield self._pass("write", written)

    def columns(self, operator: Operator, count: int) -> Iterator[Step]:
        """So many columns of `J`, written down for every sample."""
        stack, samples = self.structure.stack(operator), self.structure.samples
        match operator:
            case Product():
                yield from self.columns(operator.inner, count)
                yield from self.jvp(operator.outer, Vectors(count, samples))
            case Sum():
                yield from self.columns(operator.left, count)
                yield from self.columns(operator.right, count)
                yield self._pass("copy", 3 * count * samples * operator.rows)
            case _:
                multiply_adds = count * stack * operator.column_edges
                moved = count * samples * operator.rows
                yield self._pass("columns", moved)._replace(multiply_adds=multiply_adds)

    def _product(self, operator: Operator, v: Vectors, n_in: int, n_out: int) -> Step:
        vectors = self.through(operator, v).all
        # What is the same for all samples is read again for each of them.
        numbers = _passes(operator) * vectors * (n_in + n_out) + 2 * operator.scratch(vectors)
        moved = self.structure.item * numbers
        moved += self.calls * self.structure.reads(operator, self.rows)
        kind: Kind = "sparse" if isinstance(operator, Sparse) else "product"
        return Step(kind, self.calls, vectors * operator.edges, moved, depth_of(operator), self.threads)

    def _pass(self, kind: Kind, numbers: int) -> Step:
        return Step(kind, self.calls, 0, numbers * self.structure.item, 1.0, self.threads)


def depth_of(operator: Operator, samples: int = 1) -> float:
    """Multiply-adds for each number read or written, with so many samples added up in one product."""
    if isinstance(operator, Kronecker):
        return min(operator.m, operator.t, operator.s * samples)
    return operator.edges / max(operator.rows, operator.cols, 1)


def _passes(operator: Operator) -> int:
    """How often a product goes through its vectors."""
    if isinstance(operator, DiagonalPlusLowRank):
        return 1 + 2 * int(operator.U.shape[-1])
    return 1
