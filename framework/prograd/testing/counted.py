"""Multiply-adds counted while they are done, by every operator of every class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prograd.operators.ledger import Count, opened
from prograd.tape import machine


@contextmanager
def counted() -> Iterator[Count]:
    """Counts what all operators do meanwhile in this thread: for a product `edges` × leading axes × samples.

    Products and sums of operators count by their factors and terms, columns by `column_edges`, and what composes two
    diagonal operators by the entries it scales. What layers do in `g` and `jacobian` is no product of a mode and does
    not count. Modes do nothing else, but for forward mode's closing product with `∇ℓ`.

    >>> with prograd.testing.counted() as count:
    ...     v = prograd.operators.Dense(np.ones((3, 4))).jvp(np.ones((10, 4)))
    >>> count.multiply_adds
    120
    """
    with machine.using("off"), opened() as ledger:  # a replay calls no operators, a recording calls them once more
        yield ledger
