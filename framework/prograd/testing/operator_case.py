"""An operator with the numbers that its checks share: directions, its products with them, and a reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

from prograd.arrays import Array
from prograd.operators import Operator
from prograd.testing.diagnosis import ROUNDING, MatrixName, Pair, largest, require_matrix, worst
from prograd.testing.reference import ALL_UP_TO, Reference, directions

DType: TypeAlias = np.dtype[Any]
# The samples of a case, unless points are given or an operator has its own number of them.
SAMPLES: Final = 4

DTYPES: Final[tuple[DType, ...]] = (np.dtype(np.float64), np.dtype(np.float32))


class OperatorCase:
    """An operator, directions `V` `(k, cols)` and `Q` `(m, rows)`, and `J V` if a `reference` is known.

    If `entries` is true, the directions are all unit vectors, so that every entry is compared.
    """

    def __init__(
        self, operator: Operator, name: MatrixName, samples: int, seed: int, reference: Reference | None = None
    ) -> None:
        self.operator, self.name, self.samples, self.seed, self.reference = operator, name, samples, seed, reference
        self.subject = name.name
        self.V = directions(operator.cols, seed)
        self.Q = directions(operator.rows, seed + 1)
        self.entries = max(operator.rows, operator.cols) <= ALL_UP_TO

    @cached_property
    def pushed(self) -> Array:
        """`J V` by `jvp`: `(k, N, rows)`."""
        pushed = np.empty((len(self.V), self.samples, self.operator.rows))
        for k, v in enumerate(self.V):
            pushed[k] = self.operator.jvp(np.tile(v, (self.samples, 1)))
        return pushed

    @cached_property
    def scale(self) -> float:
        """The largest number in `J V`."""
        return largest(self.pushed)

    def rng(self) -> np.random.Generator:
        """The same random numbers for every check."""
        return np.random.default_rng(self.seed + 2)

    def vectors(self, *lead: int) -> Array:
        """Random `v` `(*lead, N, cols)`."""
        return self.rng().normal(size=(*lead, self.samples, self.operator.cols))

    def covectors(self, *lead: int) -> Array:
        """Random `q` `(*lead, N, rows)`."""
        return self.rng().normal(size=(*lead, self.samples, self.operator.rows))

    def products(self, *lead: int) -> list[tuple[str, Callable[[Array], Array], Array, int]]:
        """`jvp` and `vjp`: the name, the method, random arguments with these leading axes, and the size of a result."""
        operator = self.operator
        return [
            ("jvp", operator.jvp, self.vectors(*lead), operator.rows),
            ("vjp", operator.vjp, self.covectors(*lead), operator.cols),
        ]

    def require(self, method: str, actual: Array, *, projected: bool, rounding: float = ROUNDING) -> None:
        """Compare `(N, m, k)`, which is `Q J V` if `projected`, with what `jvp` gives and with the reference.

        What agrees with a wrong `jvp` is right about its own map. The check that compares `jvp` with the reference
        reports a wrong formula, once.
        """
        expected = self._matrices(self.pushed, projected=projected)
        tolerance: Array | float = rounding * self.scale * max(self.operator.rows, 1)
        if worst(actual, expected, tolerance) is None:
            return
        source = "jvp"
        if self.reference is not None:
            expected, source = self._matrices(self.reference.values, projected=projected), self.reference.source
            tolerance = self.reference.tolerance[:, None, None] * (1 if self.entries else max(self.operator.rows, 1))
        require_matrix(self.name, Pair(actual, method, expected, source, tolerance), entries=self.entries)

    def require_reference(self, reference: Reference) -> None:
        """Compare what `jvp` gives with what is known from elsewhere."""
        actual, expected = (self._matrices(products, projected=False) for products in (self.pushed, reference.values))
        pair = Pair(actual, "jvp", expected, reference.source, reference.tolerance[:, None, None])
        require_matrix(self.name, pair, entries=self.entries)

    def _matrices(self, pushed: Array, *, projected: bool) -> Array:
        """`J V` as matrices `(N, rows, k)`, or `Q J V` as `(N, m, k)` if `projected`."""
        matrices = pushed.transpose(1, 2, 0)
        return self.Q @ matrices if projected else matrices


def rounding_of(dtype: DType) -> float:
    """An operator that holds no numbers may write its columns in float32, which widens nothing."""
    return ROUNDING if dtype == np.float64 else 1e-5
