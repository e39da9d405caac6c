"""The whole Jacobian of a network as blocks that are still factored: `J = (P_L A_L | … | P_1 A_1)`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from prograd import factored, threads
from prograd.arrays import Array, as_vectors
from prograd.chain import Chain
from prograd.operators import Dense, Identity, Kronecker, Operator, Product
from prograd.operators.counting import vjp_multiply_adds
from prograd.operators.multiplication import multiply

CHUNK_NUMBERS = 2**20  # of columns that are written out for a moment, 8 MiB in float64


class LazyJacobian:
    """`J_h = (P_L A_L | … | P_1 A_1)` of N samples with `P_i = B_L … B_{i+1}`, spread out by `dense()` alone.

    `blocks[i][name]` is the operator of one parameter, layers in the order of application; by the input there is one,
    `blocks[0]["x"]`. `shape` is that of `dense()`: `(N, n_{L+1}, size)`, and one sample `(n_1,)` has no sample axis
    here or anywhere below. What it holds are the left factors, `n_{L+1} × n_{i+1}` for a sample and a layer, and views
    of `w` and `x`: give copies where those will be changed in place.
    """

    def __init__(self, chain: Chain, J: Sequence[factored.Left], *, one: bool) -> None:
        self.chain, self.one = chain, one
        self.P: Mapping[int, Operator] = factored.each(J, chain.blocks)
        shape = (chain.samples, chain.rows, chain.size)
        self.shape = shape[1:] if one else shape
        self.dtype = chain.dtype

    @cached_property
    def blocks(self) -> list[dict[str, Operator]]:
        """`P_i A_i` by layer and parameter; composed by the rules of `@`, which form no matrix for it."""
        return [
            {name: self.P[i] @ A for name, A in A_i.items()} if A_i else {}
            for i, (A_i, _) in enumerate(self.chain.blocks)
        ]

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one `vjp`, over all samples; a `jvp` takes as many, or fewer where samples share blocks."""
        samples = self.chain.samples
        A = sum(vjp_multiply_adds(A, 1, samples) for i in self.P for A in self.chain.blocks[i][0].values())
        return A + sum(vjp_multiply_adds(P, 1, samples) for P in self.P.values())

    def jvp(self, dw: ArrayLike) -> Array:
        """`J dw`: `(..., size) -> (..., N, n_{L+1})`. Raises `ShapeError`."""
        dw = as_vectors(dw, "dw", self.shape[-1:], self.dtype)
        dz = np.zeros((*dw.shape[:-1], self.chain.samples, self.chain.rows), dw.dtype)
        parts = self.chain.slices(dw[..., None, :])
        for i, P in self.P.items():
            moved = [A.jvp(parts[i][name]) for name, A in self.chain.blocks[i][0].items()]
            dz += P.jvp(sum(moved[1:], start=moved[0]))
        return dz[..., 0, :] if self.one else dz

    def vjp(self, q: ArrayLike) -> Array:
        """`J^T q`, summed over the samples: `(..., N, n_{L+1}) -> (..., size)`. Raises `ShapeError`."""
        q = as_vectors(q, "q", self.shape[:-1], self.dtype)
        q = q[..., None, :] if self.one else q
        p = np.empty((*q.shape[:-2], self.chain.size), q.dtype)
        slices = self.chain.slices(p)
        for i, P in self.P.items():
            q_i = P.vjp(q)
            for name, A in self.chain.blocks[i][0].items():
                A.vjp_sum(q_i, out=slices[i][name])
        return p

    def dense(self) -> Array:
        """`J` as an array of `shape`."""
        J = np.empty((self.chain.samples, self.chain.rows, self.chain.size), self.dtype)

        def rows(part: slice) -> None:
            slices = self.chain.slices(J[:, part].swapaxes(0, 1))
            for i, P in self.P.items():
                q_i = factored.rows(P, part, self.dtype)
                for name, A in self.chain.blocks[i][0].items():
                    A.vjp_into(q_i, slices[i][name])

        cuts = threads.parts(self.chain.rows, J.size)
        threads.run(rows, cuts, len(cuts))
        return J[0] if self.one else J

    def gram(self) -> Array:
        """`J J^T`, the neural tangent kernel: `(N, n_{L+1}, N, n_{L+1})`, or `(n_{L+1}, n_{L+1})` for one sample.

        From the structure: `(M_n ⊗ z_n^T)(M_m ⊗ z_m^T)^T = (M_n M_m^T) (z_n · z_m)`. Jacot, Gabriel and Hongler, 2018.
        """
        N, n = self.chain.samples, self.chain.rows
        K = np.zeros((N, n, N, n), self.dtype)
        for M, right in self._terms():
            rows = M.reshape(-1, M.shape[-1])
            inner = right @ right.T
            K += inner[:, None, :, None] * (rows @ rows.T).reshape(len(M), n, len(M), n)
        return K[0, :, 0] if self.one else K

    def row_norms(self) -> Array:
        """The norm of each row of `J`: `(N, n_{L+1})`. Row by row `‖M_n ⊗ z_n^T‖ = ‖M_n‖ ‖z_n‖`."""
        squares = np.zeros((self.chain.samples, self.chain.rows), self.dtype)
        for M, right in self._terms():
            squares += np.vecdot(M, M) * np.vecdot(right, right)[:, None]
        norms = np.sqrt(squares)
        return norms[0] if self.one else norms

    def to_scipy(self) -> LinearOperator:
        """A `scipy.sparse.linalg.LinearOperator`, `(N n_{L+1}) × size`."""
        N, n = self.chain.samples, self.chain.rows
        outputs = (n,) if self.one else (N, n)

        def matmat(v: Array) -> Array:
            return self.jvp(v.T).reshape(-1, N * n).T

        def rmatmat(q: Array) -> Array:
            return self.vjp(q.T.reshape(-1, *outputs)).T

        return LinearOperator(
            (N * n, self.chain.size),
            matvec=lambda v: matmat(v.reshape(-1, 1))[:, 0],
            rmatvec=lambda q: rmatmat(q.reshape(-1, 1))[:, 0],
            matmat=matmat,
            rmatmat=rmatmat,
            dtype=self.dtype,
        )

    def _terms(self) -> Iterator[tuple[Array, Array]]:
        """`J` in pieces `M ⊗ right^T`, with `M` `(N, n_{L+1}, k)` and `right` `(N, t)`; N may be 1 in either."""
        step = max(1, CHUNK_NUMBERS // (self.chain.samples * self.chain.rows))
        for i, P in self.P.items():
            shared: list[tuple[Operator, list[Array]]] = []  # parameters behind one M: their products add up
            for A in self.chain.blocks[i][0].values():
                M, right = _split(P, A, self.dtype)
                for other, rights in shared:
                    if other is M:
                        rights.append(right)
                        break
                else:
                    shared.append((M, [right]))
            for M, rights in shared:
                samples = max(map(len, rights))
                right = np.concatenate([np.broadcast_to(r, (samples, r.shape[1])) for r in rights], axis=1)
                for piece in _pieces(M, step):
                    yield piece, right

    def __repr__(self) -> str:
        lines = [f"LazyJacobian {self.shape}, {self.dtype}"]
        for i, P in self.P.items():
            for name, A in self.chain.blocks[i][0].items():
                factors = [repr(F) for F in (P, A) if not isinstance(F, Identity)] or [repr(A)]
                lines.append(f'  blocks[{i}]["{name}"] = {" @ ".join(factors)}')
        return "\n".join(lines)


def _split(P: Operator, A: Operator, dtype: np.dtype[Any]) -> tuple[Operator, Array]:
    """`P A = M ⊗ right^T`: `M`, no larger than `P` where it is a matrix, and `right` `(N, t)`."""
    while isinstance(A, Product):
        P, A = multiply(P, A.outer), A.inner
    match A:
        case Kronecker(s=1):
            return (P if A.left is None else multiply(P, Dense(A.left))), A.right.reshape(-1, A.t)
        case Operator() if A.cols <= A.rows:
            return multiply(P, A), np.ones((1, 1), dtype)
    return Product(P, A), np.ones((1, 1), dtype)


def _pieces(M: Operator, step: int) -> Iterator[Array]:
    """Some columns of `M` after the other, `(N, rows, columns)`."""
    match M:
        case Dense():
            yield M.a.reshape(-1, M.rows, M.cols)
        case Product(outer=Dense() as left, inner=Kronecker(left=None) as A):  # I ⊗ right: channel after channel
            F = left.a.reshape(-1, M.rows, A.m, A.s)
            right = A.right.reshape(-1, 1, A.s, A.t)
            channels = max(1, step // A.t)
            for start in range(0, A.m, channels):
                piece = F[:, :, start : start + channels] @ right
                yield piece.reshape(len(piece), M.rows, -1)
        case _:
            for start in range(0, M.cols, step):
                yield M.columns(start, min(start + step, M.cols)).transpose(1, 2, 0)
