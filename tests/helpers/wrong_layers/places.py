"""Wrong layers that fail where formulas break: at zero, at large inputs, outside a domain."""

from __future__ import annotations

import numpy as np
from scipy import special

from prograd import Elementwise, Layer
from prograd.operators import DiagonalPlusLowRank
from tests.helpers.wrong_layers.base import wrong


@wrong("differentiable", says="computes in less than float64")
class ComputesInFloat32(Elementwise):
    def phi(self, z):
        return np.tanh(z.astype(np.float32)).astype(z.dtype)

    def dphi(self, z, z_next):
        return 1 - z_next**2


@wrong("zeros", says="g at a row of zeros: expected finite numbers.*a division by a norm")
class UnitLength(Layer):
    """z / ‖z‖, which is no number where a layer before it gives zeros."""

    def shapes(self, n_in):
        return n_in, {}

    def norm(self, z):
        return np.sqrt(np.sum(z * z, axis=1, keepdims=True))

    def g(self, w, z):
        return z / self.norm(z)

    def jacobian(self, w, z, z_next):
        n, g = self.norm(z), z_next[:, :, None]
        return {}, DiagonalPlusLowRank(np.broadcast_to(1 / n, z.shape), -g / n[:, :, None], g)


@wrong("zeros", says="at a row of zeros: B.*expected 0 by finite differences of g, got 1 by jvp")
class SineOverItsArgument(Elementwise):
    """Zero is an exception in g, and the derivative there is guessed."""

    def phi(self, z):
        return np.where(z == 0, z.dtype.type(1), np.sin(z) / np.where(z == 0, z.dtype.type(1), z))

    def dphi(self, z, z_next):
        safe = np.where(z == 0, z.dtype.type(1), z)
        return np.where(z == 0, z.dtype.type(1), (np.cos(z) - z_next) / safe)


@wrong("zeros", says="B at a row of zeros: expected finite numbers.*a division by zero, where g itself is a number")
class DerivativeByDivision(Elementwise):
    def phi(self, z):
        return z * z * z

    def dphi(self, z, z_next):
        with np.errstate(invalid="ignore"):
            return 3 * z_next / z


@wrong("saturation", says="at inputs of ±17: B.*expected 0 by finite differences of g, got 1 by jvp")
class ForgetsThatItClips(Elementwise):
    """Wrong beyond the ordinary inputs."""

    def phi(self, z):
        return np.clip(z, -12, 12)

    def dphi(self, z, z_next):
        return np.ones_like(z)


@wrong("large_arguments", says="overflow encountered in exp")
class NaiveSigmoid(Elementwise):
    def phi(self, z):
        return 1 / (1 + np.exp(-z))

    def dphi(self, z, z_next):
        return z_next * (1 - z_next)


@wrong("large_arguments", says="overflow encountered in exp")
class NaiveSoftplus(Elementwise):
    def phi(self, z):
        return np.log(1 + np.exp(z))

    def dphi(self, z, z_next):
        return special.expit(z)


@wrong("large_arguments", says="B is not finite in float64 at inputs of 10000")
class NanInSaturation(Elementwise):
    def phi(self, z):
        return np.tanh(z)

    def dphi(self, z, z_next):
        return np.where(np.abs(z) > 1e3, z.dtype.type(np.nan), 1 - z_next**2)


@wrong(
    "shapes",
    says=r"g of z \(4, 3\), from -\S+ to \S+: expected finite .* in log; .*examples\(\) that yields \(layer, n_in, z\)",
)
class Logarithm(Elementwise):
    def phi(self, z):
        return np.log(z)

    def dphi(self, z, z_next):
        return 1 / z


@wrong("shapes", says="expected finite numbers, got NaN; a layer that is not defined there")
class QuietLogarithm(Logarithm):
    def phi(self, z):
        with np.errstate(all="ignore"):
            return np.log(z)

    def dphi(self, z, z_next):
        with np.errstate(all="ignore"):
            return 1 / z
