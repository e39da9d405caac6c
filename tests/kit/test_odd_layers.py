"""Layers that are unusual but correct pass every check."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest
import scipy.sparse
from scipy import special

from prograd import Elementwise, Layer
from prograd.errors import ShapeError
from prograd.operators import Dense, Diagonal, DiagonalPlusLowRank, Identity, Kronecker, Sparse, Zero
from prograd.testing import check_layer
from tests.helpers.operators import RunningSum

RIGHT = []


def right(n_in=3, **options):
    def add(cls):
        RIGHT.append(pytest.param(cls, n_in, options, id=cls.__name__))
        return cls

    return add


@pytest.mark.parametrize(("cls", "n_in", "options"), RIGHT)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
def test_odd_layer_is_accepted(cls, n_in, options, seed) -> None:
    assert check_layer(cls(), n_in, seed=seed, **options).failures == ()


class Base(Layer):
    def shapes(self, n_in):
        return 2, {"W": (2, n_in)}

    def g(self, w, z):
        return z @ w.W.T

    def jacobian(self, w, z, z_next):
        return {"W": Kronecker(2, z)}, Dense(w.W)


@right()
class ArraysForOperators(Base):
    """One shared by all samples, one for each."""

    def jacobian(self, w, z, z_next):
        A = np.zeros((len(z), 2, 2 * z.shape[1]), z.dtype)
        A[:, 0, : z.shape[1]] = A[:, 1, z.shape[1] :] = z
        return {"W": A}, w.W


@right()
class MappingThatIsNoDict(Base):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return MappingProxyType(A), B


@right()
class DottedNames(Layer):
    def shapes(self, n_in):
        return n_in, {"inner.scale": (n_in,), "inner.shift": (n_in,)}

    def g(self, w, z):
        return w["inner.scale"] * z + w["inner.shift"]

    def jacobian(self, w, z, z_next):
        return {"inner.shift": Identity(z.shape[1]), "inner.scale": Diagonal(z)}, Diagonal(w["inner.scale"])


@right()
class ScalarParameter(Layer):
    def shapes(self, n_in):
        return n_in, {"t": ()}

    def init(self, rng, n_in):
        return {"t": np.array(0.5)}

    def g(self, w, z):
        return np.tanh(w.t * z)

    def jacobian(self, w, z, z_next):
        d = 1 - z_next**2
        return {"t": (d * z)[:, :, None]}, Diagonal(d * w.t)


@right()
class OneParameterUsedTwice(Layer):
    """W W^T z: each entry of W enters in two places."""

    def shapes(self, n_in):
        return n_in, {"W": (n_in, 2)}

    def g(self, w, z):
        return z @ w.W @ w.W.T

    def jacobian(self, w, z, z_next):
        n = z.shape[1]
        outer = np.eye(n, dtype=z.dtype)[None, :, :, None] * (z @ w.W)[:, None, None, :]
        inner = z[:, None, :, None] * w.W[None, :, None, :]
        return {"W": (outer + inner).reshape(len(z), n, -1)}, Dense(w.W @ w.W.T)


@right()
class Constant(Layer):
    """Ignores its input."""

    def shapes(self, n_in):
        return 2, {"b": (2,)}

    def g(self, w, z):
        return np.tile(w.b, (len(z), 1))

    def jacobian(self, w, z, z_next):
        return {"b": Identity(2)}, Zero(2, z.shape[1])


@right()
class UnusedParameter(Base):
    def shapes(self, n_in):
        return 2, {"W": (2, n_in), "spare": (3,)}

    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"spare": Zero(2, 3)}, B


@right()
class GivesBackItsInput(Layer):
    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return z

    def jacobian(self, w, z, z_next):
        return {}, Identity(z.shape[1])


@right(n_in=5)
class Reverses(Layer):
    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return z[:, ::-1]

    def jacobian(self, w, z, z_next):
        n = z.shape[1]
        return {}, Sparse(scipy.sparse.csr_array(np.eye(n, dtype=z.dtype)[::-1]))


@right(n_in=6)
class Accumulates(Layer):
    """Its operator has only the four required members, and states its own cost."""

    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return np.cumsum(z, axis=1)

    def jacobian(self, w, z, z_next):
        return {}, RunningSum(z.shape[1])


@right()
class Composed(Layer):
    """Products and sums of operators, left as they are."""

    def shapes(self, n_in):
        return n_in, {"W": (n_in, n_in)}

    def g(self, w, z):
        return z + np.tanh(z @ w.W.T)

    def jacobian(self, w, z, z_next):
        d = Diagonal(1 - (z_next - z) ** 2)
        return {"W": d @ Kronecker(z.shape[1], z)}, Identity(z.shape[1]) + d @ Dense(w.W)


@right()
class ManyKinks(Elementwise):
    """A triangular wave: kinks everywhere, a derivative between them."""

    def phi(self, z):
        return np.abs(z - np.round(z))

    def dphi(self, z, z_next):
        return np.sign(z - np.round(z))


@right()
class StepFunction(Elementwise):
    """A derivative that is zero wherever there is one."""

    def phi(self, z):
        return np.floor(z)

    def dphi(self, z, z_next):
        return np.zeros_like(z)


@right()
class LargestEntry(Layer):
    def shapes(self, n_in):
        return 1, {}

    def g(self, w, z):
        return z.max(axis=1, keepdims=True)

    def jacobian(self, w, z, z_next):
        return {}, (z == z_next).astype(z.dtype)[:, None, :]


@right()
class Sorts(Layer):
    def shapes(self, n_in):
        return n_in, {}

    def g(self, w, z):
        return np.sort(z, axis=1)

    def jacobian(self, w, z, z_next):
        return {}, np.eye(z.shape[1], dtype=z.dtype)[np.argsort(z, axis=1)]


@right()
class Exponential(Elementwise):
    """Too large for a float where its argument is large, as it must be."""

    def phi(self, z):
        return np.exp(z)

    def dphi(self, z, z_next):
        return z_next


@right()
class Cubes(Elementwise):
    def phi(self, z):
        return z**3

    def dphi(self, z, z_next):
        return 3 * z * z


@right()
class FastSine(Elementwise):
    """Varies thirty times within 1."""

    def phi(self, z):
        return np.sin(30 * z)

    def dphi(self, z, z_next):
        return 30 * np.cos(30 * z)


@right()
class TinyNumbers(Elementwise):
    def phi(self, z):
        return 1e-9 * np.tanh(z)

    def dphi(self, z, z_next):
        return 1e-9 * (1 - np.tanh(z) ** 2)


@right(z=[[0.5, 2.0, 3.0], [0.1, 0.7, 1.5]])
class Logarithm(Elementwise):
    """Not defined for every number, so the test gives the points."""

    def phi(self, z):
        return np.log(z)

    def dphi(self, z, z_next):
        return 1 / z


@right()
class ReadOnlyStart(Base):
    def init(self, rng, n_in):
        W = rng.normal(size=(2, n_in))
        W.flags.writeable = False
        return {"W": W}


@right()
class IntegerStart(Base):
    def init(self, rng, n_in):
        return {"W": np.ones((2, n_in), int)}


@right(n_in=4)
class EvenSizesOnly(Layer):
    def shapes(self, n_in):
        if n_in % 2:
            raise ShapeError(f"expected an even number of inputs, got {n_in}")
        return n_in // 2, {}

    def g(self, w, z):
        return z[:, ::2] * z[:, 1::2]

    def jacobian(self, w, z, z_next):
        J = np.zeros((len(z), z.shape[1] // 2, z.shape[1]), z.dtype)
        k = np.arange(z.shape[1] // 2)
        J[:, k, 2 * k], J[:, k, 2 * k + 1] = z[:, 1::2], z[:, ::2]
        return {}, J


@right(n_in=70)
class Wide(Layer):
    """More inputs and parameters than the kit looks at one by one."""

    def shapes(self, n_in):
        return n_in, {"scale": (n_in,)}

    def g(self, w, z):
        return special.softmax(w.scale * z, axis=1)

    def jacobian(self, w, z, z_next):
        softmax = DiagonalPlusLowRank(z_next, -z_next[:, :, None], z_next[:, :, None])
        return {"scale": softmax @ Diagonal(z)}, softmax @ Diagonal(w.scale)
