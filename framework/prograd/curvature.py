"""Gauss-Newton: its products with vectors, its diagonal, that of the Fisher matrix, and Kronecker factors.

Diagonals and factors take reverse mode for all rows of `J` at once, and combine the rows of a sample as soon as they
are there. No Jacobian is formed where the blocks are Kronecker products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from prograd import recursions
from prograd.arrays import Array, unit_vectors
from prograd.blocks import Block
from prograd.linearization import Linearization
from prograd.modes import Evaluation
from prograd.network import slices
from prograd.operators import Identity, Kronecker, Operator
from prograd.penalized import Penalized
from prograd.tape.replay import Tapes

CHUNK_NUMBERS: Final = 2**20
"""In the rows of one block, of as many samples as are taken at once: 8 MiB in float64."""

Factors: TypeAlias = list[dict[str, tuple[Array, Array]]]


class Part(NamedTuple):
    """Some samples: their blocks, outputs and labels, and `c_n/N` of each, `(n,)`."""

    blocks: Sequence[Block]
    z: Array
    y: Array
    shares: Array


def gauss_newton_diagonal(at: Evaluation) -> Array:
    """`(1/N) Σ_n c_n (J_n)_k^T H_n (J_n)_k` for each column k of `J`: `(size,)`."""
    diagonal = np.zeros_like(at.w)
    for part, rows in _with_rows(at):
        add = partial(_add_squares, at.loss.hessian(part.z, part.y), part.shares)
        recursions.reverse(part.blocks, rows, slices(diagonal, at.net.spans), add)
    return diagonal


def fisher_diagonal(at: Evaluation) -> Array:
    """`(1/N) Σ_n c_n (∇ℓ_n)_k²`, with the gradients of the samples' losses: `(size,)`."""
    diagonal = np.zeros_like(at.w)
    for part in _parts(at, 1):
        _, q = at.loss.value_and_gradient(part.z, part.y)
        add = partial(_add_squares, Identity(1), part.shares)
        recursions.reverse(part.blocks, q[None], slices(diagonal, at.net.spans), add)
    return diagonal


def kronecker_factors(at: Evaluation) -> Factors:
    """`(G, Z)` by layer and parameter, for those whose block is a Kronecker product or no wider than the layer."""
    sums: list[dict[str, list[Array]]] = [{name: [] for name in span.each} for span in at.net.spans]
    for part, rows in _with_rows(at):
        add = partial(_add_factors, at.loss.hessian(part.z, part.y), part.shares, at.samples)
        recursions.reverse(part.blocks, rows, sums, add)
    return [{name: (G[0], G[1]) for name, G in of_layer.items() if G} for of_layer in sums]


def _with_rows(at: Evaluation) -> Iterator[tuple[Part, Array]]:
    """Parts of the samples, and the vectors that pull back all rows of `J`: `(n_{L+1}, 1, n_{L+1})`."""
    outputs = at.net.n[-1]
    for part in _parts(at, outputs):
        yield part, unit_vectors(outputs, slice(None), like=part.z)


def _parts(at: Evaluation, vectors: int) -> Iterator[Part]:
    """As many samples at once as keep so many `vectors` of each within `CHUNK_NUMBERS`."""
    _, blocks = at.linearize(slice(0, 1))
    columns = (A.kronecker_factors()[0].cols for A_i, _ in blocks for A in A_i.values())
    step = max(1, CHUNK_NUMBERS // (vectors * max(*at.net.n, *columns)))
    for start in range(0, at.samples, step):
        rows = slice(start, start + step)
        z, made = at.linearize(rows)
        ones = np.ones(len(z[-1]), at.w.dtype)
        yield Part(made, z[-1], at.y[rows], at.weighted(ones, rows) / at.samples)


def _add_squares(H: Operator, shares: Array, A: Operator, q: Array, p: Array) -> None:
    """`p_k += Σ_n c_n/N u^T H_n u` with `u = q^T (A_n)_k`: for `A = F ⊗ right^T`, with `F` and the squares of right."""
    F, right = A.kronecker_factors()
    u = _pulled(F, q)
    h = np.vecdot(u, H.jvp(u)) * shares
    squares = np.broadcast_to(right * right, (len(shares), right.shape[1]))
    p += (h @ squares).reshape(p.shape)


def _add_factors(H: Operator, shares: Array, samples: int, A: Operator, q: Array, sums: list[Array]) -> None:  # noqa: PLR0913, PLR0917
    """Adds to `G = Σ_n c_n/(N s) Σ_i u_i^T H_n u_i` and to `Z = (1/N) Σ_n Σ_i z_i z_i^T`, for `A = I ⊗ (z_1 … z_s)^T`.

    Nothing is added for other blocks that have more columns than rows.
    """
    if isinstance(A, Kronecker) and A.left is None:
        m, right = A.m, A.right.reshape(len(A.right), A.s, A.t)
        u = _pulled(Identity(A.rows), q).reshape(m, A.s, *q.shape[-2:-1], len(q))
    else:
        F, row = A.kronecker_factors()
        if F.cols > A.rows:
            return
        m, right = F.cols, row[:, None, :]
        u = _pulled(F, q)[:, None]
    positions, t = right.shape[1:]
    Hu = H.jvp(u) * shares[:, None]
    G = np.broadcast_to(u, Hu.shape).reshape(m, -1) @ Hu.reshape(m, -1).T / positions
    z = np.broadcast_to(right, (len(shares), positions, t)).astype(G.dtype).reshape(-1, t)
    Z = z.T @ z / samples
    sums[:] = [sums[0] + G, sums[1] + Z] if sums else [G, Z]


def _pulled(F: Operator, q: Array) -> Array:
    """`q^T F` by columns of `F`: `(k, N, rows) -> (cols, N, k)`."""
    return F.vjp(q).transpose(2, 1, 0)


class GaussNewton:
    """`v -> (1/N) Σ_n c_n J_n^T H_n J_n v + ∇²R v` for a stack of vectors, by a tape from the third product on."""

    def __init__(self, lin: Linearization, H: Operator, at: Evaluation, penalized: Penalized) -> None:
        self._lin, self._H, self._at, self._penalized = lin, H, at, penalized
        self._tapes = Tapes()

    def __call__(self, v: Array) -> Array:
        v = np.ascontiguousarray(v, np.result_type(v, self._lin.dtype))
        out = np.empty_like(v)
        self._tapes.call((v.shape, v.dtype.char), self._product, (v,), (out,))
        return out

    def _product(self, v: Array, out: Array) -> None:
        q = self._at.weighted(self._H.jvp(self._lin.jvp(v)))
        np.divide(self._lin.vjp(q), self._lin.samples, out=out)
        self._penalized.add_product(self._at.parameters, v, out)
