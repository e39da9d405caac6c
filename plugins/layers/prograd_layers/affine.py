"""Affine maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prograd import Array, Layer, Parameters, options
from prograd.operators import Dense, Identity, Kronecker, Operator


@dataclass(frozen=True)
class Affine(Layer):
    """g(W, b; z) = W z + b, with W `(width, n)` and b `(width,)`.

    - `width`: the number of outputs.
    - `bias`: whether b is added; without it there is no parameter b.
    """

    width: int
    bias: bool = True

    def __post_init__(self) -> None:
        options.integer(self, "width")
        options.flag(self, "bias")

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        shapes: dict[str, tuple[int, ...]] = {"W": (self.width, n_in)}
        if self.bias:
            shapes["b"] = (self.width,)
        return self.width, shapes

    def g(self, w: Parameters, z: Array) -> Array:
        z_next: Array = z.dot(w["W"].T)  # quicker to call than matmul
        if self.bias:
            z_next += w["b"]
        return z_next

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = (I ⊗ z^T | I)`, `B = W`."""
        A: dict[str, Operator] = {"W": Kronecker(self.width, z)}
        if self.bias:
            A["b"] = Identity(self.width)
        return A, Dense(w["W"])

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """`dA = (I ⊗ dz^T | 0)`, `dB = dW`."""
        return {"W": Kronecker(self.width, dz)}, Dense(dw["W"])

    @classmethod
    def examples(cls) -> Iterator[tuple[Affine, int]]:
        """Fewer outputs than inputs, more, no bias, one of each."""
        yield cls(width=3), 5
        yield cls(width=4), 2
        yield cls(width=3, bias=False), 4
        yield cls(width=1), 1
