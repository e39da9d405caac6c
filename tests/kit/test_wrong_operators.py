"""Each wrong operator is caught by the check that is meant for it, and by no other."""

from __future__ import annotations

import numpy as np
import pytest

from prograd.errors import ConformanceError
from prograd.operators import Diagonal, Identity, Kronecker, Operator, Zero
from prograd.testing import check_operator
from prograd.testing.operator_checks import OPERATOR_CHECKS
from tests.helpers.gallery import Gallery, failures_of

MATRIX = np.array([[0.5, -1.5, 0.25], [2.0, 0.0, 3.5]])
GALLERY = Gallery(check_operator)
wrong = GALLERY.wrong

NOTHING_WRONG = {"matrix": "nothing fails it until a matrix is given, as test_a_matrix_tells_what_jvp_should_give does"}


@pytest.mark.parametrize("entry", GALLERY.entries)
def test_wrong_operator_is_caught(entry) -> None:
    GALLERY.caught(entry)


class Right(Operator):
    """`MATRIX` as a plugin author's operator, correct; each wrong operator changes one thing about it."""

    rows, cols = MATRIX.shape

    def matrix(self, dtype):
        return MATRIX.astype(dtype)

    def jvp(self, v):
        return v @ self.matrix(v.dtype).T

    def vjp(self, q):
        return q @ self.matrix(q.dtype)


def test_the_gallery_starts_from_a_right_operator() -> None:
    report = check_operator(Right(), matrix=MATRIX)
    assert report.failures == ()
    assert "matrix" in report.passed


def test_each_check_catches_what_no_other_does() -> None:
    assert set(OPERATOR_CHECKS.names) - GALLERY.alone == set(NOTHING_WRONG)


def test_a_matrix_tells_what_jvp_should_give() -> None:
    failures = failures_of(check_operator, Right(), matrix=-MATRIX)
    assert [failure.name for failure in failures] == ["matrix"]
    assert "likely cause: the sign" in failures[0].message


@wrong("vjp", says="likely cause: the sign")
class SignOfVjp(Right):
    def vjp(self, q):
        return -super().vjp(q)


@wrong("shapes", says=r"vjp of q .*: expected shape \(4, 3\), got \(4, 2\)")
class VjpNotTransposed(Right):
    def vjp(self, q):
        return q


@wrong("shapes", says=r"jvp of v \(1, 3\): expected shape .*, got \(2,\)")
class DropsTheSampleAxisOfOneSample(Right):
    samples = 1
    dtype = np.dtype(np.float64)

    def jvp(self, v):
        return super().jvp(v).squeeze()


@wrong("linear", says=r"jvp\(0\): expected 0, got nan")
class ByUnitVectors(Right):
    """Linear, but for zero."""

    samples = 1
    dtype = np.dtype(np.float64)

    def jvp(self, v):
        length = np.linalg.norm(v, axis=-1, keepdims=True)
        return super().jvp(v / length) * length


class TinyRow(Right):
    """The second of two rows is smaller by nine digits."""

    def matrix(self, dtype):
        return (MATRIX * [[1], [1e-9]]).astype(dtype)


def test_a_tiny_row_is_right() -> None:
    assert check_operator(TinyRow(), matrix=MATRIX * [[1], [1e-9]]).failures == ()


@wrong("vjp", says="tolerance")
class OnePercentOffInATinyRow(TinyRow):
    def vjp(self, q):
        return q @ (self.matrix(q.dtype) * np.array([[1], [1.01]], q.dtype))


@wrong("linear", says=r"jvp\(2u − 3v\)")
class AddsABias(Right):
    """Affine, not linear; its vjp and its columns can't agree with that."""

    def jvp(self, v):
        return super().jvp(v) + v.dtype.type(1)

    def vjp(self, q):
        return q @ (self.matrix(q.dtype) + 1)

    def columns_into(self, start, stop, out):
        out[...] = (MATRIX + 1).T[start:stop, None]


@wrong("vjp_sum", says="only the first sample")
class SumsOneSample(Right):
    def vjp_sum(self, q, out=None):
        p = self.vjp(q)[..., 0, :]
        return p if out is None else np.copyto(out, p)


@wrong("vjp_sum", says="out")
class IgnoresOut(Right):
    def vjp_sum(self, q, out=None):
        return self.vjp(q).sum(axis=-2)


@wrong("vjp_sum", says="out")
class AddsToOut(Right):
    def vjp_sum(self, q, out=None):
        p = self.vjp(q).sum(axis=-2)
        if out is None:
            return p
        out += p
        return out


@wrong("vjp_norm", says="likely cause: the square root is missing")
class SquareOfTheNorm(Right):
    def vjp_norm(self, q):
        return super().vjp_norm(q) ** 2


@wrong("vjp_norm", says="likely cause: all samples were added up")
class NormOfAllSamples(Right):
    def vjp_norm(self, q):
        norms = super().vjp_norm(q)
        return np.broadcast_to(np.linalg.norm(norms, axis=-1, keepdims=True), norms.shape)


@wrong("vjp_norm", says="likely cause: squares that overflow or vanish")
class SquaresOverflow(Right):
    def vjp_norm(self, q):
        with np.errstate(over="ignore"):
            return np.linalg.norm(self.vjp(q), axis=-1)


@wrong("dense", says=r"by dense\(\) .*; likely cause: a constant factor of 2")
class DenseIsDouble(Right):
    def dense(self):
        return 2 * MATRIX[None]


@wrong("dense", says=r"dense\(\): expected shape")
class DenseWithoutTheSampleAxis(Right):
    def dense(self):
        return MATRIX


@wrong("csr", says=r"by csr .*; likely cause: a constant factor of 2")
class EntriesAreDouble(Right):
    def csr(self, samples=1):
        return 2 * super().csr(samples)


@wrong("csr", says=r"csr\(4\): expected")
class EntriesOfOneSampleAlone(Right):
    def csr(self, samples=1):
        return super().csr(1)


@wrong("columns", says=r"columns\(1, 3\)")
class IgnoresWhereColumnsStart(Right):
    """The default dense() takes the columns from the first on, so it does not notice."""

    def columns_into(self, start, stop, out):
        out[...] = MATRIX.T[: stop - start, None]


@wrong("into", says="jvp_into against jvp")
class AddsWhenWritingInto(Right):
    def jvp_into(self, v, out):
        out[...] = self.jvp(v) + 1

    def columns_into(self, start, stop, out):
        out[...] = MATRIX.T[start:stop, None]


@wrong("leading_axes", "columns", "dense", "csr", says="leading axes")
class OnlyMatricesOfVectors(Right):
    def jvp(self, v):
        return np.einsum("nk,rk->nr", v.reshape(-1, 3), self.matrix(v.dtype)) if v.ndim < 3 else v[..., :2]


@wrong("leading_axes", says="cannot reshape array of size 0")
class GuessesASizeFromTheOthers(Right):
    """Fails where there are no vectors, and nowhere else."""

    def vjp(self, q):
        return (q.reshape(len(q), -1, 2) @ self.matrix(q.dtype)).reshape(*q.shape[:-1], 3)


@wrong("leading_axes", says=r"vjp_sum of q \(2, 3, 4, 2\): expected shape \(2, 3, 3\)")
class SumsTheLeadingAxes(Right):
    def vjp_sum(self, q, out=None):
        return np.add.reduce(self.vjp(q), axis=tuple(range(q.ndim - 1)), out=out)


@wrong("structure", says="the numbers that the Diagonal holds")
class DiagonalThatIsNone(Diagonal):
    def __init__(self):
        super().__init__(np.array([1.0, 2.0, 3.0]))

    csr = Operator.csr

    def jvp(self, v):
        return v * self.d.astype(v.dtype) + v[..., ::-1]

    vjp = jvp

    def jvp_into(self, v, out):
        out[...] = self.jvp(v)

    vjp_into = jvp_into
    columns_into = Operator.columns_into
    vjp_sum = Operator.vjp_sum
    vjp_norm = Operator.vjp_norm


@wrong("structure", says="the numbers that the Kronecker holds")
class KroneckerOfOtherNumbers(Kronecker):
    def __init__(self):
        super().__init__(2, np.array([[1.0, -0.5]]))
        self.used = Kronecker(2, np.array([[2.0, -1.0]]))

    csr = Operator.csr

    def jvp(self, v):
        return self.used.jvp(v)

    def vjp(self, q):
        return self.used.vjp(q)

    def vjp_into(self, q, out):
        out[...] = self.used.vjp(q)

    def vjp_sum(self, q, out=None):
        return self.used.vjp_sum(q, out)

    def vjp_norm(self, q):
        return self.used.vjp_norm(q)

    def columns_into(self, start, stop, out):
        self.used.columns_into(start, stop, out)


@wrong("structure", says="Identity")
class IdentityThatScales(Identity):
    def __init__(self):
        super().__init__(3)

    csr = Operator.csr

    def jvp(self, v):
        return 2 * v

    vjp = jvp

    @property
    def edges(self):
        return 3

    vjp_sum = Operator.vjp_sum
    vjp_norm = Operator.vjp_norm
    jvp_into = Operator.jvp_into
    vjp_into = Operator.vjp_into
    columns_into = Operator.columns_into


@wrong("edges", says="edges: expected at least 3, .*, got 0")
class ForFree(Right):
    edges = 0


@wrong("edges", says="edges: expected at most 6 for a dense 2 × 3, got 7")
class DearerThanDense(Right):
    edges = 7


@wrong("edges", says="non-negative integer")
class FractionOfAnEdge(Right):
    edges = 2.5


@wrong("edges", says="expected at least 3, the number of entries that are neither 0 nor ±1, got 2")
class DiagonalForFree(Diagonal):
    def __init__(self):
        super().__init__(np.array([2.0, 3.0, 0.5]))

    @property
    def edges(self):
        return 2


@wrong("dtype", says="vjp: expected float32, got float64")
class WidensInVjp(Right):
    def vjp(self, q):
        return q @ MATRIX


@wrong("arguments", says="vjp changes its argument")
class WritesToQ(Right):
    def vjp(self, q):
        p = super().vjp(q)
        if q.flags.writeable and q.ndim == 3:
            q[..., 0] *= 1 + 1e-13
        return p


@wrong("arguments", says="a buffer that is reused")
class ReusesItsOutput(Right):
    def __init__(self):
        self.buffers = {}

    def jvp(self, v):
        y = super().jvp(v)
        out = self.buffers.setdefault((y.shape, y.dtype), np.empty_like(y))
        out[...] = y
        return out


class SaysItHasFiveSamples(Right):
    samples = 5


def test_a_wrong_number_of_samples_is_caught() -> None:
    with pytest.raises(ConformanceError, match="samples: expected 1"):
        check_operator(SaysItHasFiveSamples(), samples=3)


def test_a_large_operator_is_checked_in_random_directions() -> None:
    a = np.random.default_rng(0).normal(size=(70, 90))

    class Wrong(Operator):
        rows, cols = a.shape

        def jvp(self, v):
            return v @ a.T.astype(v.dtype)

        def vjp(self, q):
            p = q @ a.astype(q.dtype)
            p[..., 3] += q[..., 5]  # one entry of the matrix
            return p

    with pytest.raises(ConformanceError, match="direction") as caught:
        check_operator(Wrong())
    assert [failure.name for failure in caught.value.failures] == ["vjp"]


def test_zero_is_right() -> None:
    assert check_operator(Zero(2, 3)).failures == ()
