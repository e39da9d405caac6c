"""The checker is checked the other way: layers, losses and operators that are odd but right are not rejected."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest
import scipy.sparse
from scipy import special

from prograd import Elementwise, Layer, Loss
from prograd.errors import ConformanceError, LabelError, OptionError, ShapeError, UnknownNameError
from prograd.operators import (
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Kronecker,
    Operator,
    Sparse,
    Zero,
)
from prograd.testing import check_layer, check_loss, check_operator, parametrize_with_checks

RIGHT = []


def right(n_in=3, **options):
    def add(cls):
        RIGHT.append(pytest.param(cls, n_in, options, id=cls.__name__))
        return cls

    return add


@pytest.mark.parametrize(("cls", "n_in", "options"), RIGHT)
@pytest.mark.parametrize("seed", range(4))
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
    """Takes no notice of its input."""

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


class RunningSum(Operator):
    """n(n+1)/2 ones, no multiplication."""

    edges = 0

    def __init__(self, n):
        self.rows = self.cols = n

    def jvp(self, v):
        return np.cumsum(v, axis=-1)

    def vjp(self, q):
        return np.cumsum(q[..., ::-1], axis=-1)[..., ::-1]


@right(n_in=6)
class Accumulates(Layer):
    """Its operator has the four members that are asked for, and its own idea of cost."""

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
    """Not defined for every number, so it is tried at points of its own."""

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


# Losses.


class Quantile(Loss):
    """No hessian, no labels that are wrong, a kink."""

    def value(self, z, y):
        return np.maximum(0.9 * (y - z), 0.1 * (z - y)).sum(axis=1)

    def gradient(self, z, y):
        return np.where(z > y, z.dtype.type(0.1), z.dtype.type(-0.9))


class Poisson(Loss):
    """Grows like an exponential, and takes any count as a label."""

    def value(self, z, y):
        return (np.exp(z) - y * z).sum(axis=1)

    def gradient(self, z, y):
        return np.exp(z) - y

    def hessian(self, z, y):
        return Diagonal(np.exp(z))

    def check(self, z, y):
        if not (y >= 0).all():
            raise LabelError("a count can't be negative")


class Coupled(Loss):
    """A hessian that is one dense matrix for all samples."""

    H = np.array([[2.0, -0.5], [-0.5, 1.0]])

    def value(self, z, y):
        return 0.5 * np.einsum("ni,ij,nj->n", z - y, self.H.astype(z.dtype), z - y)

    def gradient(self, z, y):
        return (z - y) @ self.H.astype(z.dtype)

    def hessian(self, z, y):
        return Dense(self.H.astype(z.dtype))


@pytest.mark.parametrize("loss", [Quantile(), Poisson(), Coupled()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("samples", [1, 3])
def test_odd_loss_is_accepted(loss, samples) -> None:
    z = np.array([[0.3, -0.4], [1.2, 0.1], [-0.5, 0.8]])[:samples]
    y = np.array([[1.0, 0.0], [3.0, 2.0], [0.0, 1.0]])[:samples]
    assert check_loss(loss, z, y).failures == ()


def test_a_saddle_is_expected_to_fail_by_name() -> None:
    """A loss that is not convex is right, and no loss for Gauss-Newton: its author says so by the check's name."""

    class Welsch(Loss):
        def value(self, z, y):
            return (1 - np.exp(-((z - y) ** 2))).sum(axis=1)

        def gradient(self, z, y):
            return 2 * (z - y) * np.exp(-((z - y) ** 2))

        def hessian(self, z, y):
            return Diagonal((2 - 4 * (z - y) ** 2) * np.exp(-((z - y) ** 2)))

    with pytest.raises(ConformanceError) as caught:
        check_loss(Welsch(), np.array([[0.1, 2.0]]), np.zeros((1, 2)))
    assert [failure.name for failure in caught.value.failures] == ["positive_semidefinite"]


# Operators.


class Butterfly(Operator):
    """A Walsh-Hadamard transform with weights: dense, and applied in n log n multiply-adds."""

    def __init__(self, d):
        self.d = d
        self.rows = self.cols = len(d)

    @property
    def edges(self):
        return self.rows * int(np.log2(self.rows))

    def transform(self, v):
        n = self.rows
        h = 1
        while h < n:
            pairs = v.reshape(*v.shape[:-1], n // (2 * h), 2, h)
            v = np.stack([pairs[..., 0, :] + pairs[..., 1, :], pairs[..., 0, :] - pairs[..., 1, :]], axis=-2)
            v = v.reshape(*v.shape[:-3], n)
            h *= 2
        return v

    def jvp(self, v):
        return self.d.astype(v.dtype) * self.transform(v)

    def vjp(self, q):
        return self.transform(q * self.d.astype(q.dtype))


OPERATORS = [
    Butterfly(np.array([0.5, -2.0, 0.3, 1.5])),
    RunningSum(4),
    Dense(np.ones((1, 1))),
    Dense(np.zeros((3, 2, 4))),
    Diagonal(np.zeros(3)),
    Kronecker(np.full((2, 3), 0.5), np.full((4, 2), -1.5)),
    Kronecker(np.full((4, 2, 3), 0.5), np.full((1, 2, 5), 3.0)),
    Kronecker(2, np.ones((1, 6, 1))),
    DiagonalPlusLowRank(np.ones(2), np.full((2, 3), 0.5), np.full((2, 3), 2.0)),
    Sparse(scipy.sparse.random_array((6, 60), density=0.1, rng=np.random.default_rng(0))),
    Dense(np.full((1, 30), 0.5)) @ Dense(np.full((4, 30, 1), 0.5)),
    Identity(3) + RunningSum(3),
    RunningSum(3) @ Diagonal(np.array([[0.5, 2.0, 3.0], [1.0, 4.0, 0.1]])),
]


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
def test_odd_operator_is_accepted(operator) -> None:
    assert check_operator(operator).failures == ()


def test_float32_operator_is_accepted() -> None:
    a = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert check_operator(Dense(a), matrix=a).failures == ()


# The doors themselves.


@parametrize_with_checks([Base, (Base(), 4), (Coupled(), np.ones((1, 2)), np.zeros((1, 2))), Base(), RunningSum(3)])
def test_parametrized(check) -> None:
    check()


class Concave(Loss):
    def value(self, z, y):
        return -0.5 * ((z - y) ** 2).sum(axis=1)

    def gradient(self, z, y):
        return y - z

    def hessian(self, z, y):
        return Diagonal(-np.ones_like(z))


@parametrize_with_checks(
    [(Concave(), np.ones((2, 2)), np.zeros((2, 2)))], expected_failures={"positive_semidefinite": "it is concave"}
)
def test_expected_failures(check) -> None:
    check()


@pytest.mark.parametrize("subject", [3, object, "relu", (Base(),)])
def test_a_subject_of_another_kind_is_refused(subject) -> None:
    with pytest.raises(OptionError, match="expected a class, a layer, a loss"):
        parametrize_with_checks([subject])


def test_an_expected_failure_that_no_check_has_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="jacobian_B"):
        parametrize_with_checks([(Base(), 3)], expected_failures={"jacobian_C": "misspelt"})


def test_the_report_tells_all() -> None:
    report = check_layer(GivesBackItsInput(), 2)
    text = str(report)
    assert "jacobian_B" in report.passed
    assert "jacobian_A" in report.skipped
    assert "skipped jacobian_A: no parameters" in text
    assert f"{len(report.passed)} passed, 0 failed" in text


@pytest.mark.parametrize("check", [check_layer, check_loss, check_operator])
def test_the_wrong_kind_of_object_is_refused(check) -> None:
    arguments = {check_layer: (3,), check_loss: (np.ones(2), np.ones(2)), check_operator: ()}[check]
    with pytest.raises(OptionError, match="expected a"):
        check("relu", *arguments)
