"""What products with an operator cost: multiply-adds, memory for a moment, and the entries of a ledger.

Every number has a default, so an author's operator gives those that it knows better.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from prograd.arrays import RecordingArray
from prograd.operators.ledger import Kind, Vectors, Work

__all__ = ["OperatorCosts", "derived"]

if TYPE_CHECKING:
    from builtins import property as derived
else:  # worked out once, and a subclass may assign it: to type checkers a property, which can be overridden by anything
    from functools import cached_property as derived


class OperatorCosts(ABC):
    """The part of an operator that planning asks. Meant to be subclassed by `Operator` alone."""

    rows: int
    cols: int
    kind: Kind = "product"
    """Which rate of the machine predicts the time of a product."""
    passes = 1
    """How often a product reads its vectors and writes its results."""
    returns_argument = False
    """Whether `jvp` and `vjp` return their argument itself, which takes no memory."""
    writes_through = False
    """Whether `jvp_into` and `vjp_into` write to `out` without making the result elsewhere first."""

    @property
    @abstractmethod
    def samples(self) -> int:
        """N, or 1 when all samples share one map."""

    @derived
    def edges(self) -> int:
        """Multiply-adds of one `jvp` or `vjp`, for one sample. The default is that of a dense matrix."""
        return self.rows * self.cols

    @derived
    def column_edges(self) -> int:
        """Multiply-adds of one column in `columns_into`, for one sample. The default is that of a `jvp`."""
        return self.edges

    def scratch(self, vectors: int) -> int:
        """How many numbers a product with `vectors` vectors holds for a moment, besides these and its result.

        Override it where that is a good part of both: memory is planned with it. The default is none.
        """
        return 0

    def column_scratch(self, vectors: int) -> int:
        """How many numbers `columns_into` holds for a moment, for `vectors` columns, each sample's counted."""
        return vectors * self.cols + self.into_scratch(vectors, self.rows)

    def sum_scratch(self, vectors: int) -> int:
        """How many numbers `vjp_sum` holds for a moment."""
        return vectors * self.cols + self.scratch(vectors)

    def into_scratch(self, vectors: int, n_out: int) -> int:
        """How many numbers `jvp_into` or `vjp_into` holds for a moment, for results of size `n_out`."""
        return self.scratch(vectors) + (0 if self.writes_through else vectors * n_out)

    def row_scratch(self, vectors: int) -> int:
        """How many numbers `vjp_into` holds for a moment where it writes to rows of a Jacobian."""
        return self.into_scratch(vectors, self.cols)

    def row_block_scratch(self, vectors: int) -> int:
        """How many numbers `row_block` holds, its result included."""
        return vectors * self.cols + self.scratch(vectors)

    def depth(self, samples: int = 1) -> float:
        """Multiply-adds for each number read or written; `samples` are added up in one product."""
        return self.edges / max(self.rows, self.cols, 1)

    def arrays(self) -> Iterator[np.ndarray[Any, Any]]:
        """The arrays that a product reads; the default finds those among the operator's attributes."""
        for value in vars(self).values():
            if isinstance(value, (np.ndarray, RecordingArray)):
                yield value  # type: ignore[misc]  # a duck array
            elif isinstance(value, OperatorCosts):
                yield from value.arrays()

    @derived
    def array_sizes(self) -> tuple[tuple[int, int, int], ...]:
        """Of each of the `arrays`: how many numbers, bytes of one, and the length of a stack, or 1."""
        return tuple((a.size, a.itemsize, len(a) if a.ndim > 1 else 1) for a in self.arrays())

    def charge_jvp(self, work: Work, v: Vectors) -> None:
        """Writes down what `jvp` costs; overridden where an operator is made of others."""
        work.product(self, v, self.cols + self.rows)

    def charge_vjp(self, work: Work, q: Vectors) -> None:
        """Writes down what `vjp` costs."""
        work.product(self, q, self.cols + self.rows)

    def charge_vjp_sum(self, work: Work, q: Vectors) -> None:
        """Writes down what `vjp_sum` costs."""
        work.product(self, q, self.rows, written=q.many * self.cols, depth=self.depth(q.samples))

    def charge_vjp_into(self, work: Work, q: Vectors) -> None:
        """Writes down what `vjp_into` costs for rows of a Jacobian: once for each sample, whether it differs or not."""
        self.charge_vjp(work, q)
        work.write(q, self.cols)

    def charge_row_block(self, work: Work, q: Vectors) -> None:
        """Writes down what `row_block` costs for as many unit vectors."""
        self.charge_vjp(work, q)

    def charge_columns(self, work: Work, v: Vectors) -> None:
        """Writes down what `columns_into` costs for as many columns of each sample."""
        work.columns(self, v)
