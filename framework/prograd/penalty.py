"""What the author of a penalty subclasses: `Penalty`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from prograd.arrays import Array
from prograd.errors import OptionError
from prograd.examples import of_defaults
from prograd.layer import snake_case


@dataclass(frozen=True)
class Penalty(ABC):
    """A penalty `ρ(w)` of one parameter `w`, an array of any shape, with its gradient. Meant to be subclassed.

    Subclasses are frozen dataclasses. An objective adds the penalties of all parameters of its network, or of those
    that two options choose:

    - `layers`: numbers of layers, from 0 on; −1 is the last. All by default.
    - `parameters`: names of parameters. `W` is also the `0.W` of a layer with inner ones. All by default.

    >>> @dataclass(frozen=True)
    ... class Ridge(prograd.Penalty):
    ...     rate: float = 0.5
    ...
    ...     def value(self, w):
    ...         return self.rate * np.vdot(w, w)
    ...
    ...     def gradient(self, w):
    ...         return 2 * self.rate * w
    >>> Ridge(parameters=["W"]).gradient(np.array([[1.0, 2.0]]))
    array([[1., 2.]])
    """

    layers: Sequence[int] | None = field(default=None, kw_only=True)
    parameters: Sequence[str] | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        """The name in messages: that of the class, in snake case."""
        return snake_case(type(self).__name__)

    @abstractmethod
    def value(self, w: Array) -> Array:
        """`ρ(w)`, one number."""

    @abstractmethod
    def gradient(self, w: Array) -> Array:
        """`∇ρ(w)`, of the shape of `w`."""

    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        """Both at once. Override it if they share work."""
        return self.value(w), self.gradient(w)

    def hessian_vector(self, w: Array, v: Array) -> Array:
        """`∇²ρ(w) v` for `v` `(…, *w.shape)`, of the shape of `v`. Optional; Gauss-Newton needs it."""
        raise OptionError(f"penalty {self.name}: expected a hessian_vector for Gauss-Newton, got none")

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Array]]:
        """`(penalty, w)` pairs that the conformance kit checks."""
        penalty = of_defaults(cls)
        rng = np.random.default_rng(0)
        for shape in ((1,), (3, 4)):
            yield penalty, rng.normal(size=shape)
