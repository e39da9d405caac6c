"""Operators for scipy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from prograd.arrays import Array, refuse_mask

Apply = Callable[[Array], Array]


class ScipyOperator(LinearOperator):
    """A map as a `scipy.sparse.linalg.LinearOperator`, from products with stacks of vectors.

    `jvp` takes `(k, *domain)` to `(k, *range)` and `vjp` the other way; scipy sees both shapes as flat.
    """

    def __init__(
        self, jvp: Apply, vjp: Apply, outputs: tuple[int, ...], inputs: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        super().__init__(
            dtype,  # type: ignore[call-arg]  # scipy-stubs takes it for object's
            (math.prod(outputs), math.prod(inputs)),
        )
        self._jvp, self._vjp, self._outputs, self._inputs = jvp, vjp, outputs, inputs

    def dot(self, x: Any) -> Any:
        """The product with a vector, a matrix or an operator. Raises `ShapeError` for a masked array."""
        refuse_mask(x, "v")
        return super().dot(x)

    def _matmat(self, X: Array) -> Array:
        return self._jvp(X.T.reshape(X.shape[1], *self._inputs)).reshape(X.shape[1], self.shape[0]).T

    def _rmatmat(self, X: Array) -> Array:
        return self._vjp(X.T.reshape(X.shape[1], *self._outputs)).reshape(X.shape[1], self.shape[1]).T

    def _matvec(self, x: Array) -> Array:
        return self._matmat(x.reshape(-1, 1))[:, 0]

    def _rmatvec(self, x: Array) -> Array:
        return self._rmatmat(x.reshape(-1, 1))[:, 0]
