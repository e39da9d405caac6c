"""What the author of a loss subclasses: `Loss`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np

from prograd.errors import OptionError
from prograd.layer import snake_case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prograd.arrays import Array
    from prograd.operators import Operator


class Loss(ABC):
    """A loss `ℓ_y(z)` with its gradient, row by row. Meant to be subclassed, best as a frozen dataclass."""

    @property
    def name(self) -> str:
        """The name that messages use: the class's, in snake case."""
        return snake_case(type(self).__name__)

    @abstractmethod
    def value(self, z: Array, y: Array) -> Array:
        """`ℓ_y(z)` of each sample: `(N, n), (N, n) -> (N,)`."""

    @abstractmethod
    def gradient(self, z: Array, y: Array) -> Array:
        """`∇ℓ_y(z)` of each sample: `(N, n), (N, n) -> (N, n)`."""

    def value_and_gradient(self, z: Array, y: Array) -> tuple[Array, Array]:
        """Both at once; override it where they share work."""
        return self.value(z, y), self.gradient(z, y)

    def hessian(self, z: Array, y: Array) -> Operator:
        """`∇²ℓ_y(z)` as an operator `n × n`; optional, enables Gauss-Newton."""
        msg = f"loss {self.name} gives no hessian, which Gauss-Newton needs"
        raise OptionError(msg)

    def check(self, z: Array, y: Array) -> None:
        """Raises `LabelError` for labels outside the loss's domain; called once when an objective is built.

        `z` has the shape of the network's output and need not hold numbers that mean anything.
        """

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Array, Array]]:
        """`(loss, z, y)` triples on which the conformance kit tries the loss."""
        try:
            loss = cls()
        except TypeError as error:
            msg = f"{cls.__name__} has options without defaults, so it needs its own examples(): {error}"
            raise OptionError(msg) from error
        rng = np.random.default_rng(0)
        for samples, n in ((1, 1), (4, 3)):
            yield loss, rng.normal(size=(samples, n)), rng.normal(size=(samples, n))
