"""An operator with the numbers that its checks share: directions, its products with them, and a reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

from prograd.arrays import Array
from prograd.operators import Operator
from prograd.testing.diagnosis import OF_TERMS, ROUNDING, MatrixName, Pair, largest, of_shape, require_matrix, worst
from prograd.testing.reference import ALL_UP_TO, Reference, directions

DType: TypeAlias = np.dtype[Any]
# The samples of a case, unless points are given or an operator has its own number of them.
SAMPLES: Final = 4

# An operator that holds no numbers may write its columns in float32, which widens nothing.
IN_FLOAT32: Final = 1e-5

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
            repeated = np.tile(v, (self.samples, 1))
            pushed[k] = of_shape(self.called("jvp", repeated), self.operator.jvp(repeated), pushed.shape[1:])
        return pushed

    @cached_property
    def scale(self) -> float:
        """The largest number in `J V`."""
        return largest(self.pushed)

    def called(self, method: str, x: Array) -> str:
        """How a method was called, in messages: `B: vjp of q (4, 3)`."""
        return f"{self.subject}: {method} of {'v' if method == 'jvp' else 'q'} {x.shape}"

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
        tolerance = self.rounding(expected, rounding)
        if worst(actual, expected, tolerance) is None:
            return
        source = "jvp"
        if self.reference is not None:
            expected, source = self._matrices(self.reference.values, projected=projected), self.reference.source
            allowed = self.reference.tolerance.transpose(1, 2, 0)
            tolerance = np.abs(self.Q) @ allowed if projected else allowed
        require_matrix(self.name, Pair(actual, method, expected, source, tolerance), entries=self.entries)

    def require_reference(self, reference: Reference) -> None:
        """Compare what `jvp` gives with what is known from elsewhere."""
        actual, expected = (self._matrices(products, projected=False) for products in (self.pushed, reference.values))
        pair = Pair(actual, "jvp", expected, reference.source, reference.tolerance.transpose(1, 2, 0))
        require_matrix(self.name, pair, entries=self.entries)

    def rounding(self, matrices: Array, share: float = ROUNDING) -> Array:
        """How far two ways to the matrices `(N, m, k)` may differ: relative to each row, and a little to the sample."""
        size = np.abs(matrices)
        rows, sample = size.max(axis=2, keepdims=True, initial=0), size.max(axis=(1, 2), keepdims=True, initial=0)
        allowed: Array = max(self.operator.rows, self.operator.cols, 1) * (share * rows + OF_TERMS * sample)
        return np.broadcast_to(allowed, matrices.shape)

    def _matrices(self, pushed: Array, *, projected: bool) -> Array:
        """`J V` as matrices `(N, rows, k)`, or `Q J V` as `(N, m, k)` if `projected`."""
        matrices = pushed.transpose(1, 2, 0)
        return self.Q @ matrices if projected else matrices
