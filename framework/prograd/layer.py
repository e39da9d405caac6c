"""What the author of a layer subclasses: `Layer`, and `Elementwise` for activations."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from prograd.arrays import Array
from prograd.errors import OptionError
from prograd.examples import of_defaults
from prograd.operators import Diagonal, Operator
from prograd.operators.dense import OperatorLike
from prograd.operators.ledger import uncounted


class Parameters(dict[str, Array]):
    """The parameters of a layer by name: `w.W` and `w["W"]` are the same array.

    >>> w = prograd.Parameters(W=np.eye(2), b=np.zeros(2))
    >>> w.W is w["W"]
    True
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Array:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no parameter named {name!r}; known: {', '.join(self) or 'none'}") from None


def snake_case(name: str) -> str:
    """`LayerNorm` -> `layer_norm`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Layer(ABC):
    """One layer `g(w; z)` with its Jacobian `(A | B)`. Meant to be subclassed, best as a frozen dataclass.

    A layer has no forward rule and no backward rule: every mode is an order in which the engine multiplies `A` and `B`.

    >>> @dataclass(frozen=True)
    ... class Scale(prograd.Layer):
    ...     def shapes(self, n_in):
    ...         return n_in, {"s": (n_in,)}
    ...     def g(self, w, z):
    ...         return w.s * z
    ...     def jacobian(self, w, z, z_next):
    ...         return {"s": prograd.operators.Diagonal(z)}, prograd.operators.Diagonal(w.s)
    >>> prograd.jacobian(prograd.Network([Scale()], n_in=2), w=[2, 3], x=[5, 7])
    array([[5., 0.],
           [0., 7.]])
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in {"g", "jacobian", "jacobian_along"} & vars(
            cls
        ).keys():  # what a layer computes is no product of a mode
            setattr(cls, name, uncounted(vars(cls)[name]))

    @property
    def name(self) -> str:
        """The name in messages: that of the class, in snake case."""
        return snake_case(type(self).__name__)

    @abstractmethod
    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """`n_{i+1}`, and the shape of each parameter, for inputs of size `n_in`.

        Raises `ShapeError` if the layer can't take inputs of that size.
        """

    @abstractmethod
    def g(self, w: Parameters, z: Array) -> Array:
        """`z^{i+1}`, the output: `(N, n_in) -> (N, n_out)`."""

    @abstractmethod
    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[Mapping[str, OperatorLike], OperatorLike]:
        """`(A, B)` at `(w, z)`, with `z_next = g(w, z)` already computed.

        `A` holds `∂g/∂w` by parameter name (`n_out × size`), `B` is `∂g/∂z` (`n_out × n_in`). Each is an operator, or
        an array `(n_out, k)` shared by all samples or `(N, n_out, k)`.
        """

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[Mapping[str, OperatorLike], OperatorLike]:
        """`(dA, dB)`: the derivative of `(A, B)` at `(w, z)` along `(dw, dz)`. Optional; the Hessian needs it.

        `dw` has the shapes of `w`, and `dz` is `(N, n_in)`, or `(1, n_in)` if it is the same for all samples, as zeros
        are for the first layer. Each result is an operator or an array, of the size of the block. A parameter whose
        `A` is constant may be left out of `dA`.
        """
        raise OptionError(f"layer {self.name}: expected jacobian_along for products with the Hessian, got none")

    def init(self, rng: np.random.Generator, n_in: int) -> dict[str, Array]:
        """Starting values: matrices and kernels normal with variance 1/fan_in, vectors zero."""
        _, shapes = self.shapes(n_in)
        return {name: _normal(rng, shape) if len(shape) > 1 else np.zeros(shape) for name, shape in shapes.items()}

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, int] | tuple[Self, int, Array]]:
        """`(layer, n_in)` pairs that the conformance kit checks.

        A layer that is not defined for all inputs yields `(layer, n_in, z)`, and is checked at `z` `(N, n_in)`.
        """
        layer = of_defaults(cls)
        for n_in in (1, 2, 5):
            yield layer, n_in


class Elementwise(Layer):
    """`g(z)_j = φ(z_j)`: an activation. A subclass defines only `phi` and `dphi`, and `d2phi` for the Hessian.

    >>> class Square(prograd.Elementwise):
    ...     def phi(self, z):
    ...         return z * z
    ...     def dphi(self, z, z_next):
    ...         return 2 * z
    >>> prograd.jacobian(prograd.Network([Square()], n_in=2), w=[], x=[5, 7], wrt="input")
    array([[10.,  0.],
           [ 0., 14.]])
    """

    @abstractmethod
    def phi(self, z: Array) -> Array:
        """`φ(z)`, entry by entry."""

    @abstractmethod
    def dphi(self, z: Array, z_next: Array) -> Array:
        """`φ'(z)`, entry by entry, with `z_next = φ(z)` already computed."""

    def d2phi(self, z: Array, z_next: Array) -> Array:
        """`φ''(z)`, entry by entry. Optional; the Hessian needs it."""
        raise OptionError(f"layer {self.name}: expected d2phi for products with the Hessian, got none")

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """As many outputs as inputs, no parameters."""
        return n_in, {}

    def g(self, w: Parameters, z: Array) -> Array:
        """`φ(z)`."""
        return self.phi(z)

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A` is empty, `B = diag(φ'(z))`."""
        return {}, Diagonal(self.dphi(z, z_next))

    def jacobian_along(
        self, w: Parameters, z: Array, z_next: Array, dw: Parameters, dz: Array
    ) -> tuple[dict[str, Operator], Operator]:
        """`dB = diag(φ''(z) dz)`."""
        return {}, Diagonal(self.d2phi(z, z_next) * dz)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    fan_in = math.prod(shape[1:])
    return rng.normal(scale=1 / math.sqrt(max(fan_in, 1)), size=shape)
