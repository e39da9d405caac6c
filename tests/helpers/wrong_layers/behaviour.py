"""Wrong layers that do more than compute: they remember, write to arguments, draw numbers, mix samples, widen."""

from __future__ import annotations

import numpy as np

from prograd import Elementwise
from prograd.operators import Kronecker
from tests.helpers.wrong_layers.base import Right, wrong


@wrong("dtype", says="g: expected float32, got float64")
class WidensToFloat64(Right):
    scale = np.ones(4)

    def g(self, w, z):
        return super().g(w, z) * self.scale


@wrong("dtype", says="B: jvp: expected float32, got float64")
class WidensInB(Elementwise):
    def phi(self, z):
        return np.tanh(z)

    def dphi(self, z, z_next):
        return (1 - z_next**2).astype(np.float64)


@wrong("arguments", "repeatable", says="z is changed")
class WritesToZ(Elementwise):
    def phi(self, z):
        z_next = np.tanh(z)
        if z.flags.writeable and z.flags.owndata and len(z) == 4:
            z *= 1
            z[0, 0] = np.nextafter(z[0, 0], 9)
        return z_next

    def dphi(self, z, z_next):
        return 1 - np.tanh(z) ** 2


@wrong("arguments", says="raised ValueError")
class RefusesReadOnly(Right):
    def g(self, w, z):
        w.b[...] += 0
        return super().g(w, z)


@wrong("repeatable", says="a buffer that is kept and reused")
class ReusesItsOutput(Right):
    def __init__(self):
        self.buffers = {}

    def g(self, w, z):
        out = self.buffers.setdefault((len(z), z.dtype), np.empty((len(z), 4), z.dtype))
        out[...] = super().g(w, z)
        return out


@wrong("repeatable", says="gives another result when called again")
class CountsItsCalls(Right):
    def __init__(self):
        self.calls = 0

    def g(self, w, z):
        self.calls += 1
        return super().g(w, z) * z.dtype.type(1 + 1e-14 * (self.calls % 2))


@wrong("repeatable", says="depends on the last call of g")
class RemembersItsInput(Right):
    def g(self, w, z):
        self.z = z
        return super().g(w, z)

    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": Kronecker(4, self.z)}, B


@wrong("layout", says="strided|column-major|reversed")
class AssumesContiguousInput(Right):
    def g(self, w, z):
        return super().g(w, np.lib.stride_tricks.as_strided(z, z.shape, (z.shape[1] * z.itemsize, z.itemsize)))


@wrong("samples", says="over the samples")
class NormalisesOverTheBatch(Elementwise):
    def phi(self, z):
        return z - z.mean(axis=0)

    def dphi(self, z, z_next):
        return np.full_like(z, 1 - 1 / len(z))


@wrong("samples", says="sample 0 alone")
class MaximumOfTheBatch(Elementwise):
    def phi(self, z):
        return z / np.abs(z).max()

    def dphi(self, z, z_next):
        return np.ones_like(z) / np.abs(z).max()


@wrong("repeatable", says="g gives another result when called again with equal arguments; likely cause: random numbers")
class Dropout(Elementwise):
    """Random, which no other check complains about."""

    def phi(self, z):
        self.kept = np.random.default_rng().random(z.shape) < 0.5
        return z * self.kept

    def dphi(self, z, z_next):
        return self.kept.astype(z.dtype)
