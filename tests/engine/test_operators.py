"""Every operator agrees with a dense matrix that the test computes independently."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

from prograd.errors import ShapeError
from prograd.operators import (
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Kronecker,
    Operator,
    Product,
    Sparse,
    Stacked,
    Sum,
    Zero,
    norms,
)
from prograd.testing import counted

N = 3
rng = np.random.default_rng(7)


def stack(*matrices):
    return np.array(matrices)


def kron(left, right, samples):
    """The stack of Kronecker products, sample by sample, by np.kron."""
    lefts = np.broadcast_to(left, (samples, *np.shape(left)[-2:]))
    right = right[:, None, :] if right.ndim == 2 else right
    rights = np.broadcast_to(right, (samples, *right.shape[-2:]))
    return stack(*(np.kron(L, R) for L, R in zip(lefts, rights, strict=True)))


class Reversal(Operator):
    """An author's own operator, with nothing but what must be given: it turns a vector around, scaled by sample."""

    def __init__(self, scale):
        self.scale = scale
        self.rows = self.cols = 4

    def jvp(self, v):
        return v[..., ::-1] * self.scale[:, None]

    def vjp(self, q):
        return (q * self.scale[:, None])[..., ::-1]


a, a_stack = rng.normal(size=(4, 5)), rng.normal(size=(N, 4, 5))
d, d_stack = rng.normal(size=5), rng.normal(size=(N, 5))
row, rows, rows_1 = rng.normal(size=(N, 4)), rng.normal(size=(N, 2, 4)), rng.normal(size=(1, 2, 4))
left, left_stack = rng.normal(size=(2, 3)), rng.normal(size=(N, 2, 3))
U, V, U_1 = rng.normal(size=(N, 5, 2)), rng.normal(size=(N, 5, 2)), rng.normal(size=(5, 1))
sparse = scipy.sparse.random(4, 6, 0.5, random_state=1)
scale = rng.normal(size=N)

# name -> (operator, its dense stack, its multiply-adds)
OPERATORS = {
    "dense": (Dense(a), a[None], 20),
    "dense stack": (Dense(a_stack), a_stack, 20),
    "dense stack of one": (Dense(a[None]), a[None], 20),
    "diagonal": (Diagonal(d), np.diag(d)[None], 5),
    "diagonal stack": (Diagonal(d_stack), stack(*map(np.diag, d_stack)), 5),
    "identity": (Identity(4), np.eye(4)[None], 0),
    "zero": (Zero(3, 2), np.zeros((1, 3, 2)), 0),
    "kronecker": (Kronecker(3, row), kron(np.eye(3), row, N), 12),
    "kronecker numpy int": (Kronecker(np.int64(3), row), kron(np.eye(3), row, N), 12),
    "kronecker one sample": (Kronecker(3, row[:1]), kron(np.eye(3), row[:1], 1), 12),
    "kronecker matrix": (Kronecker(left, row), kron(left, row, N), 12 + 6),
    "kronecker matrix stack": (Kronecker(left_stack, row), kron(left_stack, row, N), 12 + 6),
    "kronecker stack, shared row": (Kronecker(left_stack, row[:1]), kron(left_stack, row[:1], N), 12 + 6),
    "kronecker many rows": (Kronecker(3, rows), kron(np.eye(3), rows, N), 24),
    "kronecker many rows shared": (Kronecker(3, rows_1), kron(np.eye(3), rows_1, 1), 24),
    "kronecker matrix, many rows": (Kronecker(left, rows), kron(left, rows, N), 24 + 12),
    "kronecker stack, many rows shared": (Kronecker(left_stack, rows_1), kron(left_stack, rows_1, N), 24 + 12),
    "low rank": (DiagonalPlusLowRank(d_stack, U, V), stack(*map(np.diag, d_stack)) + U @ V.swapaxes(1, 2), 25),
    "rank one": (
        DiagonalPlusLowRank(d, U_1, V[:, :, :1]),
        np.diag(d) + stack(*(U_1 @ v[:, :1].T for v in V)),
        15,
    ),
    "sparse": (Sparse(sparse), sparse.toarray()[None], sparse.nnz),
    "product": (Diagonal(d_stack[:, :4]) @ Dense(a), stack(*(np.diag(x[:4]) @ a for x in d_stack)), 24),
    "sum": (
        Sparse(sparse) + Dense(a_stack[:, :, [0, 1, 2, 3, 4, 0]]),
        sparse.toarray() + a_stack[:, :, [0, 1, 2, 3, 4, 0]],
        sparse.nnz + 24,
    ),
    "part of the identity": (Identity(4).part(slice(1, 3)), np.eye(4)[None, :, 1:3], 0),
    "stacked": (
        Stacked([Dense(a[:2, :3]), Kronecker(2, row), Diagonal(d[:2])], [slice(1, 4), slice(8), slice(0, 2)], 8),
        stack(
            *(
                np.vstack([a[:2, :3] @ np.eye(8)[1:4], J, np.diag(d[:2]) @ np.eye(8)[:2]])
                for J in kron(np.eye(2), row, N)
            )
        ),
        6 + 8 + 2,
    ),
    "own": (Reversal(scale), scale[:, None, None] * np.eye(4)[::-1], 16),
}
EACH = pytest.mark.parametrize("name", OPERATORS)
LEADING = pytest.mark.parametrize("leading", [(), (2,), (2, 3)], ids=str)


def reference(J, v, transpose=False):
    samples = max(len(J), v.shape[-2])
    J = np.broadcast_to(J, (samples, *J.shape[1:]))
    v = np.broadcast_to(v, (*v.shape[:-2], samples, v.shape[-1]))
    return np.einsum("nrc,...nr->...nc" if transpose else "nrc,...nc->...nr", J, v)


COLUMN_EDGES = {
    "kronecker matrix": 2,
    "kronecker matrix stack": 2,
    "kronecker stack, shared row": 2,
    "kronecker matrix, many rows": 4,
    "kronecker stack, many rows shared": 4,
    "low rank": 10,
    "rank one": 5,
    "product": 4,
    "own": 16,
}
"""Multiply-adds of a column where it takes any: the others are written down or copied."""


@EACH
def test_multiply_adds_of_a_column(name):
    op, _, _ = OPERATORS[name]
    assert op.column_multiply_adds() == op.samples * COLUMN_EDGES.get(name, 0)


@EACH
def test_describes_itself(name):
    op, J, edges = OPERATORS[name]
    assert (op.samples, op.rows, op.cols) == J.shape
    assert op.edges == edges
    assert f"{op.rows} × " in repr(op)
    np.testing.assert_allclose(op.dense(), J, atol=1e-15)


@EACH
@LEADING
@pytest.mark.parametrize("samples", [1, N])
def test_jvp_and_vjp(name, leading, samples):
    op, J, _ = OPERATORS[name]
    v, q = rng.normal(size=(*leading, samples, op.cols)), rng.normal(size=(*leading, samples, op.rows))
    np.testing.assert_allclose(op.jvp(v), reference(J, v), atol=1e-14)
    np.testing.assert_allclose(op.vjp(q), reference(J, q, transpose=True), atol=1e-14)


@EACH
@LEADING
def test_vjp_sum(name, leading):
    op, J, _ = OPERATORS[name]
    q = rng.normal(size=(*leading, N, op.rows))
    expected = reference(J, q, transpose=True).sum(axis=-2)
    np.testing.assert_allclose(op.vjp_sum(q), expected, atol=1e-14)
    whole = np.full((*leading, op.cols + 2), np.nan)
    op.vjp_sum(q, out=whole[..., 1:-1])
    np.testing.assert_allclose(whole[..., 1:-1], expected, atol=1e-14)
    assert np.isnan(whole[..., [0, -1]]).all()


@EACH
@LEADING
@pytest.mark.parametrize("pulled", [norms.PULLED, 1])  # all at once, and one vector at a time
def test_vjp_norm(name, leading, pulled, monkeypatch):
    monkeypatch.setattr(norms, "PULLED", pulled)
    op, J, _ = OPERATORS[name]
    for samples in (1, N):
        q = rng.normal(size=(*leading, samples, op.rows))
        expected = np.linalg.norm(reference(J, q, transpose=True), axis=-1)
        np.testing.assert_allclose(op.vjp_norm(q), expected, atol=1e-14)
        for scale in (1e200, 1e-200):  # whose squares overflow and vanish
            np.testing.assert_allclose(op.vjp_norm(scale * q), scale * expected, rtol=1e-13)


NORM_EDGES = {
    "dense": 20 + 5,
    "diagonal": 5 + 5,
    "identity": 4,
    "zero": 0,
    "kronecker": 3 + 4,
    "kronecker matrix": 6 + 3 + 4,
    "kronecker many rows": 24 + 12,
    "product": 4 + 20 + 5,
    "own": 16 + 4,
}
"""Multiply-adds of a norm: of what is multiplied, and a square for each entry of what is left."""


@pytest.mark.parametrize("name", NORM_EDGES)
def test_multiply_adds_of_a_norm(name):
    op, _, _ = OPERATORS[name]
    with counted() as count:
        op.vjp_norm(np.ones((2, N, op.rows)))
    assert count.multiply_adds == 2 * op.norm_multiply_adds(N) == 2 * N * NORM_EDGES[name]


@EACH
def test_products_into_a_given_array(name):
    op, J, _ = OPERATORS[name]
    v, q = rng.normal(size=(2, N, op.cols)), rng.normal(size=(2, N, op.rows))
    for write, given, expected in (
        (op.jvp_into, v, reference(J, v)),
        (op.vjp_into, q, reference(J, q, transpose=True)),
    ):
        for padding in (0, 2):  # whole, and columns of something wider
            whole = np.full((*expected.shape[:-1], expected.shape[-1] + 2 * padding), np.nan)
            out = whole[..., padding : padding + expected.shape[-1]]
            write(given, out)
            np.testing.assert_allclose(out, expected, atol=1e-14)
            assert np.isnan(whole).sum() == whole.size - out.size


@EACH
def test_columns(name):
    op, J, _ = OPERATORS[name]
    for start, stop in ((0, op.cols), (1, op.cols), (op.cols - 1, op.cols)):
        expected = J[:, :, start:stop].transpose(2, 0, 1)
        np.testing.assert_allclose(op.columns(start, stop), expected, atol=1e-15)
        out = np.full((stop - start, N, op.rows), np.nan)  # a shared operator serves every sample
        op.columns_into(start, stop, out)
        np.testing.assert_allclose(out, np.broadcast_to(expected, out.shape), atol=1e-15)


@EACH
def test_csr_is_block_diagonal(name):
    op, J, _ = OPERATORS[name]
    N = max(3, op.samples)
    blocks = np.broadcast_to(J, (N, *J.shape[1:]))
    np.testing.assert_allclose(op.csr(N).toarray(), scipy.linalg.block_diag(*blocks), rtol=1e-12, atol=1e-13)


def test_zeros_of_the_structure_are_not_stored():
    n, t = 5, 3
    rows = {
        "Diagonal": (Diagonal(np.zeros(n)), 1),
        "Identity": (Identity(n), 1),
        "Kronecker": (Kronecker(n, np.zeros((2, t))), t),
        "Sparse": (Sparse(scipy.sparse.eye_array(n)), 1),
        "a product": (Diagonal(np.ones(n)) @ Kronecker(n, np.ones((2, t))), t),
        "a matrix with zeros": (Dense(np.eye(n)), 1),
        "Zero": (Zero(n, 2), 0),
    }
    for name, (op, stored) in rows.items():
        assert op.csr(2).nnz == 2 * n * stored, name


@EACH
def test_to_scipy_is_block_diagonal(name):
    op, J, _ = OPERATORS[name]
    linear = op.to_scipy()
    whole = scipy.linalg.block_diag(*J)
    v, q = rng.normal(size=whole.shape[1]), rng.normal(size=whole.shape[0])
    np.testing.assert_allclose(linear @ v, whole @ v, atol=1e-14)
    np.testing.assert_allclose(linear.rmatvec(q), whole.T @ q, atol=1e-14)
    np.testing.assert_allclose(linear @ np.eye(whole.shape[1]), whole, atol=1e-14)
    np.testing.assert_allclose(linear.adjoint() @ np.eye(whole.shape[0]), whole.T, atol=1e-14)


PAIRS = [(x, y) for x in OPERATORS for y in OPERATORS if OPERATORS[x][0].cols == OPERATORS[y][0].rows]


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_composition(outer, inner):
    (left_op, J, _), (right_op, K, _) = OPERATORS[outer], OPERATORS[inner]
    product = left_op @ right_op
    expected = J @ K
    np.testing.assert_allclose(np.broadcast_to(product.dense(), expected.shape), expected, atol=1e-13)
    assert product.edges <= left_op.edges + right_op.edges + product.rows * product.cols


@pytest.mark.parametrize(
    ("first", "second"),
    [(x, y) for x in OPERATORS for y in OPERATORS if OPERATORS[x][1].shape[1:] == OPERATORS[y][1].shape[1:]],
)
def test_addition(first, second):
    (op, J, _), (other, K, _) = OPERATORS[first], OPERATORS[second]
    np.testing.assert_allclose((op + other).dense(), J + K, atol=1e-14)


def test_composition_keeps_structure():
    B, z = Dense(rng.normal(size=(2, 3))), Kronecker(3, row)
    assert isinstance(B @ z, Kronecker)  # B (I ⊗ z^T) = B ⊗ z^T
    assert isinstance(Diagonal(d) @ Diagonal(d_stack), Diagonal)
    assert isinstance(Identity(4) @ Dense(a), Dense)
    assert isinstance(Dense(a) @ Zero(5, 2), Zero)
    assert isinstance(Dense(a) @ Diagonal(d), Dense)
    assert isinstance(Diagonal(d) @ DiagonalPlusLowRank(d, U, V), DiagonalPlusLowRank)
    assert isinstance(Diagonal(d) + Identity(5), Diagonal)
    assert isinstance(Identity(5) + Diagonal(d), Diagonal)


def test_composition_never_makes_n_matrices_of_one():
    assert isinstance(Diagonal(d_stack[:, :4]) @ Dense(a), Product)
    assert isinstance(Dense(a) @ Diagonal(d_stack), Product)
    assert isinstance(Dense(a) + Dense(a_stack), Sum)
    assert isinstance(Sparse(sparse) @ Diagonal(rng.normal(size=6)), Product)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    cases = [
        Dense(a.astype(dtype)),
        Diagonal(d.astype(dtype)),
        Kronecker(3, row.astype(dtype)),
        Kronecker(left.astype(dtype), rows.astype(dtype)),
    ]
    cases += [
        DiagonalPlusLowRank(d.astype(dtype), U.astype(dtype), V.astype(dtype)),
        Sparse(sparse.astype(dtype)),
        Identity(4),
        Zero(3, 2),
    ]
    for op in cases:
        assert op.jvp(np.ones((N, op.cols), dtype)).dtype == dtype
        assert op.vjp(np.ones((N, op.rows), dtype)).dtype == dtype
        assert op.vjp_sum(np.ones((N, op.rows), dtype)).dtype == dtype
        assert op.vjp_norm(np.ones((N, op.rows), dtype)).dtype == dtype
    assert Dense(np.ones((2, 2), int)).dtype == np.float64


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(np.ones(3)), "Dense: expected an array"),
        (lambda: Dense([["a"]]), "expected real numbers"),
        (lambda: Dense([[1.0], [1.0, 2.0]]), "not rectangular"),
        (lambda: Dense(np.ones((2, 2), complex)), "expected real numbers, got complex128"),
        (lambda: Diagonal(np.ones((2, 2, 2))), "Diagonal: expected an array"),
        (lambda: Kronecker(3, np.ones(4)), "expected right"),
        (lambda: Kronecker(np.ones(3), np.ones((1, 4))), "expected left"),
        (lambda: DiagonalPlusLowRank(np.ones(3), np.ones((2, 1)), np.ones((3, 1))), "expected d"),
        (lambda: DiagonalPlusLowRank(np.ones(3), np.ones((3, 1)), np.ones((3, 2))), "of one rank"),
        (lambda: Stacked([Identity(2)], [slice(3)], 3), r"inputs of the sizes \[2\], got slices of \[3\]"),
        (lambda: Stacked([Identity(2)], [], 3), r"inputs of the sizes \[2\], got slices of \[\]"),
        (lambda: Stacked([], [], 3), "inputs of the sizes"),
        (lambda: Stacked([Identity(2)], [slice(0, 4, 2)], 4), "inputs that lie next to each other"),
        (lambda: Sparse(np.eye(3)), "expected a scipy.sparse matrix, got ndarray"),
        (lambda: Dense(a) @ Dense(a), "expected 5 rows"),
        (lambda: Dense(a) + Diagonal(d), "expected 4 × 5 of both, got 5 × 5"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ShapeError, match=message):
        make()


def test_other_things_are_refused_by_python():
    with pytest.raises(TypeError):
        Dense(a) @ a.T
    with pytest.raises(TypeError):
        Dense(a) + 1


def test_matrices_are_not_multiplied_unasked():
    product = Dense(np.ones((100, 1))) @ Dense(np.ones((1, 100)))
    assert isinstance(product, Product)
    assert product.edges == 200
    assert isinstance(Dense(a.T) @ Kronecker(rng.normal(size=(4, 3)), row), Product)


def test_sum_of_a_shared_and_a_stacked_map_on_one_vector():
    both = Dense(np.ones((2, 2))) + Diagonal(np.ones((5, 2)))
    np.testing.assert_array_equal(both.vjp_sum(np.ones((1, 2))), [15, 15])


def test_nothing_of_something():
    for op in (Dense(np.zeros((3, 0))), Dense(np.zeros((2, 3, 0))), Sparse(scipy.sparse.csr_array((3, 0)))):
        assert op.vjp(np.ones((4, 2, 3))).shape == (4, 2, 0)
        np.testing.assert_array_equal(op.jvp(np.ones((4, 2, 0))), np.zeros((4, 2, 3)))
    rank_0 = DiagonalPlusLowRank(d, np.zeros((5, 0)), np.zeros((5, 0)))
    np.testing.assert_array_equal(rank_0.dense()[0], np.diag(d))


def test_vjp_sum_takes_any_out():
    op, q = Kronecker(3, row), rng.normal(size=(N, 3))
    for out in (np.zeros(24)[::2], np.zeros(12, np.float32)):
        op.vjp_sum(q, out=out)
        np.testing.assert_allclose(out, op.vjp_sum(q), rtol=1e-6)
