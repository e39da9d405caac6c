"""The Jacobian of a network with blocks that are still factored: `J = (P_L A_L | … | P_1 A_1)`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from prograd import recursions
from prograd.arrays import Array, as_vectors
from prograd.errors import OptionError, ShapeError
from prograd.linearization import Linearization
from prograd.modes import AUTO, MODES, Left, Mode, factored
from prograd.operators import Identity, Operator, Product, multiply
from prograd.operators.export import ScipyOperator

CHUNK_NUMBERS = 2**20  # of columns that are written out at once: 8 MiB in float64


class LazyJacobian:
    """`J_h = (P_L A_L | … | P_1 A_1)` of N samples with `P_i = B_L … B_{i+1}`. Only `dense()` writes it out.

    `blocks[i][name]` is the operator of one parameter, with layers in the order of application. With respect to the
    input there is one operator, `blocks[0]["x"]`. `shape` is that of `dense()`, `(N, n_{L+1}, size)`. For one sample
    `(n_1,)`, no method has a sample axis. The object holds the left factors, `n_{L+1} × n_{i+1}` for each sample and
    layer, and views of `w` and `x`: pass copies if you will change them in place.

    >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=3)
    >>> J = prograd.jacobian(net, net.init(0), np.ones((5, 3)), lazy=True)
    >>> J.shape
    (5, 2, 8)
    >>> J.jvp(np.zeros(8)).shape
    (5, 2)
    """

    def __init__(self, lin: Linearization, J: Sequence[Left]) -> None:
        self.lin, self.one = lin, lin.one
        self.P: Mapping[int, Operator] = factored.each(J, lin.blocks)
        shape = (lin.samples, lin.rows, lin.size)
        self.shape = shape[1:] if lin.one else shape
        self.dtype = lin.dtype

    @classmethod
    def in_mode(cls, lin: Linearization, mode: Mode) -> LazyJacobian:
        """The product in the order of a mode. Raises `OptionError` for a mode that has no left factors."""
        if not mode.lazy:
            known = ", ".join(f'"{name}"' for name in (*(one.name for one in MODES.values() if one.lazy), AUTO))
            raise OptionError(f'lazy=True: expected a mode that keeps products of blocks ({known}), got "{mode.name}"')
        return cls(lin, mode.left_factors(lin.blocks))

    @cached_property
    def blocks(self) -> list[dict[str, Operator]]:
        """`P_i A_i` by layer and parameter, composed by the rules of `@`, which form no matrix."""
        return [
            {name: self.P[i] @ A for name, A in A_i.items()} if A_i else {}
            for i, (A_i, _) in enumerate(self.lin.blocks)
        ]

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one `vjp`, over all samples. A `jvp` takes as many, or fewer if samples share blocks."""
        N, total = self.lin.samples, 0
        for i, P in self.P.items():
            total += P.vjp_multiply_adds(N) + sum(A.vjp_multiply_adds(N) for A in self.lin.blocks[i][0].values())
        return total

    def jvp(self, dw: ArrayLike) -> Array:
        """`J dw`: `(..., size) -> (..., N, n_{L+1})`. Raises `ShapeError`."""
        dw = as_vectors(dw, "dw", self.shape[-1:], self.dtype)
        dz = np.zeros((*dw.shape[:-1], self.lin.samples, self.lin.rows), dw.dtype)
        parts = self.lin.slices(dw[..., None, :])
        for i, P in self.P.items():
            moved = [A.jvp(parts[i][name]) for name, A in self.lin.blocks[i][0].items()]
            dz += P.jvp(sum(moved[1:], start=moved[0]))
        return dz[..., 0, :] if self.one else dz

    def vjp(self, q: ArrayLike) -> Array:
        """`J^T q`, summed over the samples: `(..., N, n_{L+1}) -> (..., size)`. Raises `ShapeError`."""
        q = as_vectors(q, "q", self.shape[:-1], self.dtype)
        q = q[..., None, :] if self.one else q
        p = np.empty((*q.shape[:-2], self.lin.size), q.dtype)
        slices = self.lin.slices(p)
        for i, P in self.P.items():
            q_i = P.vjp(q)
            for name, A in self.lin.blocks[i][0].items():
                A.vjp_sum(q_i, out=slices[i][name])
        return p

    def dense(self) -> Array:
        """`J` as an array of `shape`."""
        J = np.empty((self.lin.samples, self.lin.rows, self.lin.size), self.dtype)
        factored.rows_into(self.P, self.lin, J)
        return J[0] if self.one else J

    def gram(self, other: LazyJacobian | None = None, *, trace: bool = False) -> Array:
        """`J J'^T` with the Jacobian `J'` of another batch, or with `J` itself: the neural tangent kernel.

        `(N, n_{L+1}, N', n_{L+1})`, without the sample axis of an object for one sample. `trace` sums over the pairs of
        equal outputs, `(N, N')`, and takes `n_{L+1}` times fewer multiply-adds. It follows from
        `(M_n ⊗ z_n^T)(M_m ⊗ z_m^T)^T = (M_n M_m^T) (z_n · z_m)`. Jacot, Gabriel and Hongler, 2018. Raises `ShapeError`
        for Jacobians of different networks.

        >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=3)
        >>> w = net.init(0)
        >>> J, K = (prograd.jacobian(net, w, np.ones((N, 3)), lazy=True) for N in (5, 4))
        >>> J.gram(K).shape, J.gram(K, trace=True).shape
        ((5, 2, 4, 2), (5, 4))
        """
        other = self if other is None else other
        if self.lin.spans != other.lin.spans or self.lin.rows != other.lin.rows:
            raise ShapeError(f"gram: expected another Jacobian of the network of {self.shape}, got {other.shape}")
        N, n, N_other = self.lin.samples, self.lin.rows, other.lin.samples
        K = np.zeros((N, N_other) if trace else (N, n, N_other, n), np.result_type(self.dtype, other.dtype))
        step = max(1, CHUNK_NUMBERS // (max(N, N_other) * n))
        for (M, right), (M_other, right_other) in zip(self.terms(), other.terms(), strict=True):
            inner = right @ right_other.T
            for one, two in _aligned(M.column_blocks(step), M_other.column_blocks(step)):
                if trace:
                    K += inner * (_rows(one, 1) @ _rows(two, 1).T)
                else:
                    products = _rows(one, 2) @ _rows(two, 2).T
                    K += inner[:, None, :, None] * products.reshape(len(one), n, len(two), n)
        axes = (0, 1) if trace else (0, 2)
        return np.squeeze(K, tuple(axis for axis, J in zip(axes, (self, other), strict=True) if J.one))

    def row_norms(self) -> Array:
        """The norm of each row of `J`: `(N, n_{L+1})`, from `‖m ⊗ z^T‖ = ‖m‖ ‖z‖` for each row m of `P_i`."""
        norms = np.zeros((self.lin.rows, self.lin.samples), self.dtype)
        for i, P in self.P.items():
            q = P.row_block(slice(None), norms)
            for A in self.lin.blocks[i][0].values():
                recursions.norm_into(A, q, norms)
        return norms[:, 0] if self.one else norms.T

    def to_scipy(self) -> ScipyOperator:
        """A `scipy.sparse.linalg.LinearOperator`, `(N n_{L+1}) × size`."""
        return ScipyOperator(self.jvp, self.vjp, self.shape[:-1], self.shape[-1:], self.dtype)

    def terms(self) -> Iterator[tuple[Operator, Array]]:
        """`J` in parts `M ⊗ right^T`, with `right` `(N, t)`. Either N may be 1."""
        for i, P in self.P.items():
            shared: list[tuple[Operator, list[Array]]] = []  # parameters with the same M: their products add up
            for A in self.lin.blocks[i][0].values():
                M, right = _split(P, A, self.dtype)
                for other, rights in shared:
                    if other is M:
                        rights.append(right)
                        break
                else:
                    shared.append((M, [right]))
            for M, rights in shared:
                samples = max(map(len, rights))
                yield M, np.concatenate([np.broadcast_to(r, (samples, r.shape[1])) for r in rights], axis=1)

    def __repr__(self) -> str:
        lines = [f"LazyJacobian {self.shape}, {self.dtype}"]
        for i, P in self.P.items():
            for name, A in self.lin.blocks[i][0].items():
                factors = [repr(F) for F in (P, A) if not isinstance(F, Identity)] or [repr(A)]
                lines.append(f'  blocks[{i}]["{name}"] = {" @ ".join(factors)}')
        return "\n".join(lines)


def _rows(a: Array, axes: int) -> Array:
    """`a` `(N, n, k)` as a matrix with the first `axes` axes as its rows."""
    return a.reshape(math.prod(a.shape[:axes]), math.prod(a.shape[axes:]))


def _aligned(pieces: Iterator[Array], others: Iterator[Array]) -> Iterator[tuple[Array, Array]]:
    """The same columns of both, where each comes in pieces of its own."""
    one: Array = np.empty((1, 1, 0))
    other: Array = one
    while True:
        one = one if one.shape[-1] else next(pieces, one)
        other = other if other.shape[-1] else next(others, other)
        k = min(one.shape[-1], other.shape[-1])
        if not k:
            return
        yield one[..., :k], other[..., :k]
        one, other = one[..., k:], other[..., k:]


def _split(P: Operator, A: Operator, dtype: np.dtype[Any]) -> tuple[Operator, Array]:
    """`P A = M ⊗ right^T`: `M`, which is no larger than `P` if it is a matrix, and `right` `(N, t)`."""
    F, right = A.kronecker_factors()
    if F.cols <= A.rows:
        return multiply(P, F), right
    return Product(P, A), np.ones((1, 1), dtype)
