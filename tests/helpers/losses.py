"""Losses that several tests of the kit start from."""

from __future__ import annotations

import numpy as np

from prograd import Loss
from prograd.operators import Diagonal


class Concave(Loss):
    """Correct, but not convex, so Gauss-Newton cannot use it."""

    def value(self, z, y):
        return -0.5 * ((z - y) ** 2).sum(axis=1)

    def gradient(self, z, y):
        return y - z

    def hessian(self, z, y):
        return Diagonal(-np.ones_like(z))
