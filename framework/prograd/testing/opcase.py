"""An operator with the numbers that its checks share: directions, what `jvp` gives for them, and a reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

from prograd.arrays import Array
from prograd.operators import Operator
from prograd.testing.diagnosis import Block, Pair, require_matrix, worst

# Up to so many rows or columns each one is checked; beyond, so many random directions. A wrong entry of a larger matrix
# shows in a random direction as well, and the kit stays quick.
ALL_UP_TO: Final = 48
DIRECTIONS: Final = 6

# Two ways to the same sum differ by a rounding error (1e-16) for each term; thousands of terms stay below this.
ROUNDING: Final = 1e-10

Kind: TypeAlias = np.dtype[Any]
KINDS: Final[tuple[Kind, ...]] = (np.dtype(np.float64), np.dtype(np.float32))


@dataclass(frozen=True)
class Reference:
    """`J V` as known from elsewhere, `(k, N, rows)`, the tolerance of each sample `(N,)`, and where it comes from."""

    values: Array
    tolerance: Array
    source: str


@dataclass
class OperatorCase:
    """An operator with directions `V` `(k, cols)`, `Q` `(m, rows)`, and what it should give for them.

    `reference` is `J V` where it is known from elsewhere.
    """

    operator: Operator
    block: Block
    samples: int
    seed: int
    reference: Reference | None = None
    V: Array = field(init=False)
    Q: Array = field(init=False)

    def __post_init__(self) -> None:
        self.V = directions(self.operator.cols, self.seed)
        self.Q = directions(self.operator.rows, self.seed + 1)

    @property
    def subject(self) -> str:
        """How reports call it."""
        return self.block.name

    @property
    def entries(self) -> bool:
        """Whether every entry is looked at, not directions."""
        return len(self.V) == self.operator.cols <= ALL_UP_TO and self.operator.rows <= ALL_UP_TO

    @property
    def rng(self) -> np.random.Generator:
        """Fresh random numbers, the same for every check."""
        return np.random.default_rng(self.seed + 2)

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
        return max(float(np.abs(self.pushed).max(initial=0)), 1e-300)

    def vectors(self, *lead: int) -> Array:
        """Random `v` `(*lead, N, cols)`."""
        return self.rng.normal(size=(*lead, self.samples, self.operator.cols))

    def covectors(self, *lead: int) -> Array:
        """Random `q` `(*lead, N, rows)`."""
        return self.rng.normal(size=(*lead, self.samples, self.operator.rows))

    def require(self, method: str, actual: Array, *, projected: bool, rounding: float = ROUNDING) -> None:
        """Compares `(N, m, k)`, which is `Q J V` if `projected`, with the reference and with what `jvp` gives.

        What agrees with a wrong `jvp` is right about its own map: the wrong formula is then reported once, by the check
        that compares `jvp` with the reference.
        """
        pushed = self._projected(self.pushed) if projected else self.pushed.transpose(1, 2, 0)
        tolerance: Array | float = rounding * self.scale * max(self.operator.rows, 1)
        if worst(actual, pushed, tolerance) is None:
            return
        source = "the columns of jvp"
        if self.reference is not None:
            values = self.reference.values
            pushed = self._projected(values) if projected else values.transpose(1, 2, 0)
            tolerance = self.reference.tolerance[:, None, None] * (1 if self.entries else max(self.operator.rows, 1))
            source = self.reference.source
        require_matrix(self.block, method, Pair(actual, pushed, tolerance), source=source, entries=self.entries)

    def require_reference(self, reference: Reference) -> None:
        """Compares what `jvp` gives with what is known from elsewhere."""
        pair = Pair(
            self.pushed.transpose(1, 2, 0), reference.values.transpose(1, 2, 0), reference.tolerance[:, None, None]
        )
        require_matrix(self.block, "jvp", pair, source=reference.source, entries=self.entries)

    def _projected(self, pushed: Array) -> Array:
        return np.stack([self.Q @ pushed[:, n].T for n in range(self.samples)])


def rounding_of(dtype: np.dtype[Any]) -> float:
    """An operator that holds no numbers may write its columns in float32, the least that widens nothing."""
    return ROUNDING if dtype == np.float64 else 1e-5


def directions(size: int, seed: int) -> Array:
    """Every unit vector, or random directions where there are too many."""
    return np.eye(size) if size <= ALL_UP_TO else np.random.default_rng(seed).normal(size=(DIRECTIONS, size))
