"""Where numbers stop being numbers: the first layer whose output is not finite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import prograd
from prograd.errors import NonFiniteError
from prograd_experiments.samples import Array
from prograd_experiments.training.lesson import Part


@dataclass(frozen=True)
class Watch:
    """Looks at what goes into a step and what comes out. Raises `NonFiniteError` that names the layer."""

    net: prograd.Network
    loss: prograd.Loss
    part: Part

    def parameters(self, w: Array) -> None:
        """`w` is finite."""
        if not np.isfinite(w).all():
            raise NonFiniteError(self._first(w))

    def result(self, w: Array, value: float, gradient: Array) -> None:
        """`f(w)` and `∇f(w)` are finite."""
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise NonFiniteError(self._first(w))

    def value(self, w: Array, value: float) -> None:
        """`f(w)` is finite."""
        if not np.isfinite(value):
            raise NonFiniteError(self._first(w))

    def _first(self, w: Array) -> str:
        z = self.part.x
        for i, (layer, w_i) in enumerate(zip(self.net.layers, self.net.unpack(w), strict=True)):
            z = layer.g(w_i, z)
            bad = np.argwhere(~np.isfinite(z))
            if len(bad):
                sample, output = map(int, bad[0])
                at = f"{z[sample, output]} at sample {sample}, output {output}"
                return f"the output of {self.net.describe(i)} is the first that is not finite: {at}"
        if not np.isfinite(self.loss.value(z, self.part.y)).all():
            return f"every layer's output is finite, but the loss {self.loss.name} is not"
        return f"every layer's output and the loss {self.loss.name} are finite, but the gradient is not"
