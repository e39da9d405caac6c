"""Wrong layers whose blocks are not the derivatives of `g` at ordinary inputs."""

from __future__ import annotations

import numpy as np
from scipy import special

from prograd import Elementwise, Layer
from prograd.operators import Dense, Diagonal, Kronecker, Zero
from tests.helpers.wrong_layers.base import Right, wrong


@wrong("jacobian_B", says=r"B\[\d, \d\] of sample \d: .* differences of g, got .* by jvp .*; likely cause: the sign")
class SignOfB(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Dense(-w.W)


@wrong("jacobian_B", says="likely cause: the transpose", n_in=4)
class TransposedB(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Dense(w.W.T)


@wrong("jacobian_B", says="it is zero: the derivative is missing")
class ForgottenB(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Zero(4, z.shape[1])


@wrong("jacobian_A", says=r'A\["W"\]\[\d, \d+\] \(W\[\d, \d\]\).*a constant factor of 2')
class TwiceA(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": Kronecker(4, 2 * z)}, B


@wrong("jacobian_A", "samples", says="a missing factor of 1/N|an extra factor of 1/N")
class MeanInA(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"b": Diagonal(np.full((len(z), 4), 1 / len(z), z.dtype))}, B


@wrong("jacobian_A", says="column by column")
class ColumnMajorW(Right):
    """Reads W column by column, but differentiates as if it were row by row."""

    def g(self, w, z):
        return z @ w.W.reshape(z.shape[1], 4) + w.b

    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Dense(w.W.reshape(z.shape[1], 4).T)


@wrong("jacobian_A", "samples", says="the map of one sample is used for all")
class FirstSampleForAll(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": Kronecker(4, np.repeat(z[:1], len(z), axis=0))}, B


@wrong("jacobian_B", says="only the diagonal is there")
class SoftmaxWithoutItsCorrection(Layer):
    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return special.softmax(z, axis=-1)

    def jacobian(self, w, z, z_next):
        return {}, Diagonal(z_next * (1 - z_next))


@wrong("jacobian_B", says="likely cause: a constant factor of 0.5|a factor for each row")
class ForgottenInnerDerivative(Elementwise):
    def phi(self, z):
        return np.sin(2 * z)

    def dphi(self, z, z_next):
        return np.cos(2 * z)


@wrong("jacobian_B")
class TanhApproximationOfGelu(Elementwise):
    """Off by a thousandth or less."""

    def phi(self, z):
        return z * special.ndtr(z)

    def dphi(self, z, z_next):
        c = float(np.sqrt(2 / np.pi))
        z = np.clip(z, -50, 50)
        t = np.tanh(c * (z + 0.044715 * z**3))
        return (1 + t) / 2 + z * (1 - t * t) * c * (1 + 0.134145 * z**2) / 2


@wrong("jacobian_B")
class NormWithoutEps(Layer):
    """The derivative forgets an eps of 1e-5 under the root."""

    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return z / np.sqrt(np.mean(z * z, axis=1, keepdims=True) + z.dtype.type(1e-5))

    def jacobian(self, w, z, z_next):
        s = np.sqrt(np.mean(z * z, axis=1, keepdims=True))
        return {}, np.eye(z.shape[1], dtype=z.dtype) / s[..., None] - z[:, :, None] * z[:, None, :] / (
            z.shape[1] * s[..., None] ** 3
        )


@wrong("jacobian_B")
class Relu6WithoutItsUpperKink(Elementwise):
    """Wrong for large arguments alone."""

    def phi(self, z):
        return np.clip(z, 0, 3)

    def dphi(self, z, z_next):
        return (z > 0).astype(z.dtype)


@wrong("jacobian_B", says="it should be zero")
class Staircase(Elementwise):
    """Its derivative is zero; the one given is that of what it approximates."""

    def phi(self, z):
        return np.floor(z)

    def dphi(self, z, z_next):
        return np.ones_like(z)


@wrong("jacobian_B", says="a constant factor of 1.01")
class TinyAndOnePercentOff(Elementwise):
    def phi(self, z):
        return 1e-12 * np.sin(z)

    def dphi(self, z, z_next):
        return 1.01e-12 * np.cos(z)


class TinyRow(Right):
    """The last of four outputs is smaller than the others by nine digits."""

    scale = np.array([1, 1, 1, 1e-9])

    def g(self, w, z):
        return super().g(w, z) * self.scale.astype(z.dtype)

    def blocks(self, w, z, scale):
        return {"W": Diagonal(scale) @ Kronecker(4, z), "b": Diagonal(scale)}, Diagonal(scale) @ Dense(w.W)

    def jacobian(self, w, z, z_next):
        return self.blocks(w, z, self.scale.astype(z.dtype))


@wrong("jacobian_A", "jacobian_B", says=r"A.*\[3, \d+\]|B\[3, \d\]")
class OnePercentOffInATinyRow(TinyRow):
    def jacobian(self, w, z, z_next):
        return self.blocks(w, z, (self.scale * [1, 1, 1, 1.01]).astype(z.dtype))


@wrong("jacobian_B", says="likely cause: a constant factor of 0.5 everywhere")
class ForgottenTwo(Elementwise):
    def phi(self, z):
        return z * z

    def dphi(self, z, z_next):
        return z


@wrong("jacobian_along", says=r"dB\^T q by jacobian_along, direction \d of sample \d: .*; likely cause: the sign")
class SignOfTheSecondDerivative(Elementwise):
    def phi(self, z):
        return np.sin(z)

    def dphi(self, z, z_next):
        return np.cos(z)

    def d2phi(self, z, z_next):
        return z_next


@wrong(
    "jacobian_along", says=r'dA\["W"\]\^T q by jacobian_along, .*; likely cause: it is zero: the derivative is missing'
)
class ForgottenSecondDerivative(Right):
    def jacobian_along(self, w, z, z_next, dw, dz):
        return {}, Dense(dw.W)


@wrong("jacobian_along", says=r"^dB: expected 4 × 3, got Dense\[3 × 4")
class TransposedSecondDerivative(Right):
    def jacobian_along(self, w, z, z_next, dw, dz):
        return {"W": Kronecker(4, dz)}, Dense(dw.W.T)


@wrong("jacobian_along", says="dB: vjp: expected float32, got float64")
class WidensInTheSecondDerivative(Elementwise):
    def phi(self, z):
        return np.sin(z)

    def dphi(self, z, z_next):
        return np.cos(z)

    def d2phi(self, z, z_next):
        return -np.sin(z.astype(np.float64))


@wrong("jacobian_along", says=r"dA: expected none but the parameters \['W', 'b'\], got \['V'\]")
class SecondDerivativeOfAnother(Right):
    def jacobian_along(self, w, z, z_next, dw, dz):
        return {"V": Kronecker(4, dz)}, Dense(dw.W)


@wrong("jacobian_along", says=r"zip\(\) argument 2 is shorter")
class AsksForADirectionOfEachSample(Elementwise):
    def phi(self, z):
        return np.sin(z)

    def dphi(self, z, z_next):
        return np.cos(z)

    def jacobian_along(self, w, z, z_next, dw, dz):
        return {}, Diagonal(np.stack([-a * da for a, da in zip(z_next, dz, strict=True)]))
