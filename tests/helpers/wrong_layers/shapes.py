"""Wrong layers whose parts do not fit: names, shapes, kinds of objects, starting values."""

from __future__ import annotations

import numpy as np

from prograd import Layer
from prograd.operators import Dense
from tests.helpers import operators
from tests.helpers.wrong_layers.base import Right, wrong


@wrong("shapes", says="B: expected 4 × 3, got .*; likely cause: the transpose")
class BTheOtherWay(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, Dense(w.W.T)


@wrong("shapes", says="A: expected the parameters")
class ForgottenParameter(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return {"W": A["W"]}, B


@wrong("shapes", says="g of z .*: expected an array")
class LosesTheSampleAxis(Right):
    def g(self, w, z):
        return super().g(w, z)[0]


@wrong("shapes", says=r"expected an array \(4, 5\), got shape \(5, 4\); likely cause: samples are columns", n_in=5)
class SamplesAreColumns(Right):
    def shapes(self, n_in):
        return 5, {}

    def g(self, w, z):
        return z.T


@wrong("shapes", says=r"raised ValueError.* called as g\(w \{W \(4, 3\), b \(4,\)\}, z \(4, 3\)\)")
class MultipliesFromTheLeft(Right):
    def g(self, w, z):
        return w.W @ z


@wrong("shapes", says=r"g of z \(1, 3\): expected an array \(1, 4\), got shape \(4,\)")
class DropsTheSampleAxisOfOneSample(Right):
    """numpy broadcasts it where it is used, and then it seems right."""

    def g(self, w, z):
        z_next = super().g(w, z)
        return z_next[0] if len(z) == 1 else z_next


@wrong("shapes", says=r"B: vjp of q \(1, 4\): expected shape .*, got \(3,\)")
class DropsTheSampleAxisInB(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, operators.SqueezesVjp(w.W)


@wrong("shapes", says="not a method of dict as a name, got 'items'")
class ParameterNamedLikeAMethod(Right):
    def shapes(self, n_in):
        return 4, {"items": (4, n_in), "b": (4,)}


@wrong("shapes", says="raised IndexError")
class Raises(Right):
    def g(self, w, z):
        return z[:, 17:18][0, 0]


@wrong("init", says="random numbers from elsewhere")
class InitFromTheGlobalGenerator(Right):
    def init(self, rng, n_in):
        return {"W": np.random.normal(size=(4, n_in)), "b": np.zeros(4)}  # noqa: NPY002  (the mistake)


@wrong("init", says="random numbers from elsewhere, or an array that is kept")
class InitHandsOutOneArray(Right):
    kept = np.zeros(4)

    def init(self, rng, n_in):
        return {"W": rng.normal(size=(4, n_in)), "b": self.kept}


@wrong("init", says="init: W: expected the declared shape")
class InitOfTheWrongShape(Right):
    def init(self, rng, n_in):
        return {"W": rng.normal(size=(n_in, 4)), "b": np.zeros(4)}


@wrong("shapes", says=r"got \(Dense, dict\); likely cause: B and A are swapped")
class Swapped(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return B, A


@wrong("shapes", says=r"jacobian: expected a pair \(A, B\) with A a dict, got Dense$")
class BlockAlone(Right):
    def jacobian(self, w, z, z_next):
        return super().jacobian(w, z, z_next)[1]


@wrong("shapes", says="B: expected an operator or an array, got NoneType")
class NothingForB(Right):
    def jacobian(self, w, z, z_next):
        return super().jacobian(w, z, z_next)[0], None


@wrong("init", says=r"init: expected a dict with an array for each of \['W', 'b'\], got an array \(4, 3\)")
class InitGivesAnArray(Right):
    def init(self, rng, n_in):
        return rng.normal(size=(4, n_in))


@wrong("shapes", says=r"B: expected 3 × 3, got an array \(4, 3\); did you mean Diagonal\(…\)\?")
class DerivativesForABlock(Layer):
    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return np.tanh(z)

    def jacobian(self, w, z, z_next):
        return {}, 1 - z_next**2


@wrong("shapes", says=r"B: expected 4 × 4, got an array \(1, 4\); did you mean Diagonal", n_in=4)
class DerivativesOfAsManySamplesAsInputs(DerivativesForABlock):
    """Four samples of four derivatives look like a matrix; one sample does not."""


@wrong("shapes", says=r'A\["s"\]: expected 3 × 3, got an array \(4, 3\); did you mean Diagonal')
class ParameterOfEachEntry(Layer):
    def shapes(self, n_in):
        return n_in, {"s": (n_in,)}

    def g(self, w, z):
        return w.s * z

    def jacobian(self, w, z, z_next):
        return {"s": z}, w.s


@wrong("shapes", says=r"B: raised ValueError: matmul.* \(\w+\.py:\d+ in jvp\), called as jvp\(v \(4, 3\)\)")
class OperatorThatRaises(Right):
    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, operators.MultipliesFromTheWrongSide(w.W)


@wrong("shapes", says=r"raised TypeError: LeavesOutW\.g\(\) takes 2 positional arguments but 3 were given")
class LeavesOutW(Right):
    def g(self, z):
        return z
