"""What the author of a loss subclasses: `Loss`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

import numpy as np

from prograd.arrays import Array
from prograd.errors import OptionError
from prograd.examples import of_defaults
from prograd.layer import snake_case
from prograd.operators import Operator


class Loss(ABC):
    """A loss `ℓ_y(z)` with its gradient, row by row. Meant to be subclassed, best as a frozen dataclass.

    >>> class Cubic(prograd.Loss):
    ...     def value(self, z, y):
    ...         return np.sum(np.abs(z - y) ** 3, axis=1) / 3
    ...     def gradient(self, z, y):
    ...         return (z - y) * np.abs(z - y)
    >>> net = prograd.Network([prograd.layer("affine", width=1, bias=False)], n_in=1)
    >>> prograd.Objective(net, Cubic(), [[2.0]], [[1.0]]).value_and_gradient([2.0])
    (9.0, array([18.]))
    """

    @property
    def name(self) -> str:
        """The name in messages: that of the class, in snake case."""
        return snake_case(type(self).__name__)

    @abstractmethod
    def value(self, z: Array, y: Array) -> Array:
        """`ℓ_y(z)` of each sample: `(N, n), (N, n) -> (N,)`. NaN where it is not defined: an objective raises."""

    @abstractmethod
    def gradient(self, z: Array, y: Array) -> Array:
        """`∇ℓ_y(z)` of each sample: `(N, n), (N, n) -> (N, n)`."""

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        """Both at once. Override it if they share work."""
        return self.value(z, y), self.gradient(z, y)

    def hessian(self, z: Array, y: Array) -> Operator:
        """`∇²ℓ_y(z)` as an operator `n × n`. Optional; Gauss-Newton needs it."""
        raise OptionError(f"loss {self.name}: expected a hessian for Gauss-Newton, got none")

    def check(self, z: Array, y: Array) -> None:  # noqa: B027  (optional: any label will do)
        """Raises `LabelError` for labels outside the domain of the loss. An objective calls it once, when it is built.

        `z` has the shape of the output of the network; its numbers mean nothing.
        """

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Array, Array]]:
        """`(loss, z, y)` triples that the conformance kit checks."""
        loss = of_defaults(cls)
        rng = np.random.default_rng(0)
        for samples, n in ((1, 1), (4, 3)):
            yield loss, rng.normal(size=(samples, n)), rng.normal(size=(samples, n))
