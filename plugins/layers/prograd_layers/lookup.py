"""A table whose columns inputs look up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prograd import Array, Layer, Parameters, options
from prograd.operators import Dense, Operator, SparseKronecker, nonzeros_times


@dataclass(frozen=True)
class Lookup(Layer):
    """g(E; z) = E z, the column of the table E `(width, n)` that a one-hot z names.

    Any other z is right too: the sum of several columns, with weights. Only the entries of z that are not zero are
    multiplied, so that a gradient takes the time of the columns that are looked up; for inputs most of which are not
    zero, `affine` is quicker. Gradients are dense, as every gradient. E starts with normal entries of variance 1.

    - `width`: the number of outputs, which each column has.
    """

    width: int

    def __post_init__(self) -> None:
        options.integer(self, "width")

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return self.width, {"E": (self.width, n_in)}

    def init(self, rng: np.random.Generator, n_in: int) -> dict[str, Array]:
        return {"E": rng.normal(size=(self.width, n_in))}

    def g(self, w: Parameters, z: Array) -> Array:
        return nonzeros_times(z, w["E"])

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = I ⊗ z^T`, `B = E`."""
        return {"E": SparseKronecker(self.width, z)}, Dense(w["E"])

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """`dA = I ⊗ dz^T`, `dB = dE`."""
        return {"E": SparseKronecker(self.width, dz)}, Dense(dw["E"])

    @classmethod
    def examples(cls) -> Iterator[tuple[Lookup, int]]:
        """Fewer outputs than inputs, and more."""
        yield cls(width=2), 5
        yield cls(width=3), 2
