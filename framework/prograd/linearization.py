"""A network linearized at a point: its blocks, their products with vectors, and what each mode costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from prograd import checks, recursions
from prograd.arrays import Array, as_vectors
from prograd.blocks import Block
from prograd.chain import Chain, check_mode
from prograd.network import Network
from prograd.planning.modes import COSTS, Task, considered
from prograd.planning.structure import Structure


@dataclass(frozen=True, eq=False)
class Linearization:
    """`h_x` at `w`: `z` holds `z^1 … z^{L+1}`, `blocks` the pairs `(A_i, B_i)`.

    `A_i` is a dict of operators, one a parameter; `B_i` is one operator. They hold views of `w` and `x`: give copies
    where those will be changed in place.
    """

    net: Network
    z: Sequence[Array]
    blocks: Sequence[Block]
    one: bool = False

    @property
    def output(self) -> Array:
        """`h_x(w) = z^{L+1}`: `(N, n_{L+1})`, or `(n_{L+1},)` for one sample."""
        return self.z[-1][0] if self.one else self.z[-1]

    @cached_property
    def chain(self) -> Chain:
        """The blocks with the columns of `w`."""
        return Chain(self.blocks, self.net.spans, len(self.z[0]), self.z[-1].dtype)

    def jvp(self, dw: ArrayLike) -> Array:
        """`J_h dw`: `(..., size) -> (..., N, n_{L+1})`; without the sample axis for one sample."""
        dw = as_vectors(dw, "dw", (self.net.size,), self.z[-1].dtype)
        dz = np.zeros((*dw.shape[:-1], 1, self.net.n[0]), dw.dtype)
        for (A, B), dw_i in zip(self.blocks, self.chain.slices(dw[..., None, :]), strict=True):
            dz = sum((A[name].jvp(part) for name, part in dw_i.items()), start=B.jvp(dz))
        dz = np.broadcast_to(dz, (*dw.shape[:-1], *self.z[-1].shape))
        return dz[..., 0, :].copy() if self.one else dz.copy()

    def vjp(self, q: ArrayLike) -> Array:
        """`J_h^T q`, summed over the samples: `(..., N, n_{L+1}) -> (..., size)`; no sample axis for one sample."""
        shape = self.z[-1].shape
        q = as_vectors(q, "q", shape[1:] if self.one else shape, self.z[-1].dtype)
        q = q[..., None, :] if self.one else q
        p = np.empty((*q.shape[:-2], self.net.size), q.dtype)
        recursions.reverse(self.blocks, q, self.chain.slices(p), recursions.sum_into)
        return p

    def multiply_adds(self, mode: str) -> int:
        """Multiply-adds of the products of one gradient over all samples; of "auto", the least of any mode.

        Forward modes end with `J_L^T ∇ℓ`, one more product with every column or block. Raises `UnknownNameError`.
        """
        check_mode(mode)
        structure = Structure(self.net, self.chain, len(self.z[0]))
        modes = considered(len(self.blocks)) if mode == "auto" else [mode]
        return min(COSTS[each](structure, Task("gradient")).multiply_adds for each in modes)


def linearize(net: Network, w: ArrayLike, x: ArrayLike) -> Linearization:
    """One forward pass at `(w, x)`: the output and the blocks `(A_i, B_i)`.

    `w` is `(size,)`, `x` is `(N, n_1)` or one sample `(n_1,)`. Raises `ShapeError` and `NonFiniteError`, and
    `PluginError` where a layer gives an output or blocks that don't have the shapes it declared.
    """
    w, x, one = net.check(w, x)
    z, blocks = checks.linearize(net, net.unpack(w), x)
    return Linearization(net, z, blocks, one)
