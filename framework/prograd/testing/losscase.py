"""A loss with the numbers that its checks share: outputs, labels, and reference derivatives there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prograd.arrays import Array
from prograd.loss import Loss
from prograd.operators import Operator
from prograd.testing.diagnosis import Block
from prograd.testing.differences import ABSOLUTE, RELATIVE, derivative, scaled, steps
from prograd.testing.opcase import OperatorCase, Reference, directions
from prograd.testing.report import CheckError, CheckSkipped


@dataclass
class LossCase:
    """A loss at outputs `z` with labels `y`, both `(N, n)`."""

    loss: Loss
    z: Array
    y: Array
    seed: int

    def __post_init__(self) -> None:
        self.z = np.atleast_2d(np.array(self.z, dtype=np.float64))
        self.y = np.atleast_2d(np.array(self.y, dtype=np.float64))

    @property
    def subject(self) -> str:
        """How reports call it."""
        return f"{self.loss!r} of {self.samples} × {self.z.shape[1]} outputs"

    @property
    def samples(self) -> int:
        """N."""
        return len(self.z)

    @property
    def arguments(self) -> tuple[Array, Array]:
        """Copies of `z` and `y`, which a loss that writes to its arguments may spoil."""
        return self.z.copy(), self.y.copy()

    def both(self, z: Array, y: Array) -> tuple[Array, Array]:
        """`value` and `gradient` in memory of their own, whatever the loss does with the arrays that it gave."""
        return np.array(self.loss.value(z, y)), np.array(self.loss.gradient(z, y))

    @cached_property
    def slope(self) -> tuple[Reference, Array]:
        """`∇ℓ` in directions, `(k, N, 1)`, from values alone; and which samples are near a kink."""
        return self._differences("value", lambda z: np.array(self.loss.value(z, self.y))[:, None])

    @cached_property
    def curvature(self) -> tuple[Reference, Array]:
        """`∇²ℓ` in directions, `(k, N, n)`, from gradients; and which samples are near a kink of the gradient."""
        return self._differences("gradient", lambda z: np.array(self.loss.gradient(z, self.y)))

    @cached_property
    def hessian(self) -> OperatorCase:
        """The hessian as a case for the checks of operators."""
        if type(self.loss).hessian is Loss.hessian:
            raise CheckSkipped("the loss gives no hessian")
        operator = self.loss.hessian(self.z, self.y)
        n = self.z.shape[1]
        if not isinstance(operator, Operator) or (operator.rows, operator.cols) != (n, n):
            raise CheckError(f"hessian must give an operator {n} × {n}, got {operator!r}")
        reference, rough = self.curvature
        return OperatorCase(operator, Block("hessian"), self.samples, self.seed, None if rough.any() else reference)

    def _differences(self, what: str, f: Callable[[Array], Array]) -> tuple[Reference, Array]:
        values, errors = [], []
        for v in directions(self.z.shape[1], self.seed):
            scale, v_scaled = scaled(steps(self.z), v)
            value, error = derivative(lambda t, v=v_scaled: f(self.z + t * v))  # type: ignore[misc]
            values.append(value / scale[:, None])
            errors.append(error / scale[:, None])
        largest = np.abs(values).max(axis=(0, 2))
        tolerance = RELATIVE * largest + ABSOLUTE * np.maximum(1, np.abs(f(self.z)).max(axis=1))
        rough = ~(np.max(errors, axis=(0, 2)) <= 0.1 * tolerance)
        return Reference(np.stack(values), tolerance, f"finite differences of {what}"), rough
