"""The blocks of convolutions: correlation with kernels, and the windows that the kernels of each group are given."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_array

from prograd import Array
from prograd.operators import Kronecker, Operator, csr_by_rows, passes
from prograd_layers.windows import Windows

# Patches hold each pixel as often as windows do. Slabs of this many numbers (8 MiB in float64) bound the extra memory
# when many images, or columns of a Jacobian, go through, and keep most of it in the cache.
_SLAB: Final = 2**20


class Correlation(Operator):
    """`z ↦ W ⋆ z`, the same map for all samples, by products of patches and W. The matrix is never formed.

    `W` is `(groups, m, size)`: the m kernels of each group.
    """

    samples = 1
    edges: int
    dtype: np.dtype[Any]

    def __init__(self, W: Array, windows: Windows) -> None:
        self.W, self.windows = W, windows
        kernels = W.shape[0] * W.shape[1]
        self.rows, self.cols = kernels * windows.positions, math.prod(windows.grid)
        self.edges = kernels * windows.grid[0] // windows.groups * windows.taps  # none for the zeros around the grid
        self.dtype = W.dtype
        self._slab = max(1, _SLAB // (windows.positions * windows.size * windows.groups))

    def jvp(self, v: Array) -> Array:
        out = np.empty((*v.shape[:-1], self.rows), np.result_type(self.W, v), like=v)
        self._each_slab(v, out, lambda v: self.W @ self.windows.patches(v).swapaxes(-1, -2))
        return out

    def vjp(self, q: Array) -> Array:
        """Each window gets `W^T q`, and overlapping windows add up."""
        shape = (-1, *self.W.shape[:2], self.windows.positions)
        out = np.empty((*q.shape[:-1], self.cols), np.result_type(self.W, q), like=q)
        self._each_slab(q, out, lambda q: self.windows.fold(self.W.swapaxes(-1, -2) @ q.reshape(shape)))
        return out

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """Adds up the samples first, since they share the map."""
        p = self.vjp(np.add.reduce(q, axis=-2))
        if out is None:
            return p
        out[...] = p
        return out

    def csr(self, samples: int = 1) -> csr_array:
        """A kernel in each row, without what lies on the zeros around the grid."""
        each = *self.W.shape[:2], self.windows.positions, self.windows.size
        columns = np.broadcast_to(self.windows.columns()[:, None], each).reshape(self.rows, -1)
        entries = np.broadcast_to(self.W[:, :, None], each).reshape(1, self.rows, -1)
        return csr_by_rows(entries, columns, self.cols, samples)

    def _each_slab(self, x: Array, out: Array, f: Callable[[Array], Array]) -> None:
        rows = math.prod(x.shape[:-1])
        x, y = x.reshape(rows, x.shape[-1]), out.reshape(rows, out.shape[-1])
        for start in passes(range(0, len(x), self._slab), [], x):
            slab = slice(start, start + self._slab)
            y[slab] = f(x[slab]).reshape(y[slab].shape)


class PatchesOfGroups(Operator):
    """`vec(W) ↦ vec(W_k patches_k^T)` for each group k: the block diagonal of the maps `I ⊗ patches_k`.

    W is `(groups, kernels, size)`, `patches` are `(N, groups, positions, size)`.
    """

    edges: int
    column_edges = 0  # columns are copied
    samples: int
    dtype: np.dtype[Any]

    def __init__(self, kernels: int, patches: Array) -> None:
        self.kernels, self.patches = kernels, patches
        self.samples, self.groups, self.positions, self.size = patches.shape
        self.rows = self.groups * kernels * self.positions
        self.cols = self.groups * kernels * self.size
        self.edges = self.rows * self.size
        self.dtype = patches.dtype

    def jvp(self, v: Array) -> Array:
        W = v.reshape(*v.shape[:-1], self.groups, self.kernels, self.size)
        return _flat(W @ self.patches.swapaxes(-1, -2))

    def vjp(self, q: Array) -> Array:
        return _flat(self._by_group(q) @ self.patches)

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """One product for each group, over samples and positions."""
        patches = self.patches
        if self.samples == 1:
            q = np.add.reduce(q, axis=-2, keepdims=True)
        elif q.shape[-2] == 1:
            patches = np.add.reduce(patches, axis=0, keepdims=True)
        long = len(patches) * self.positions
        Q = np.moveaxis(self._by_group(q), -4, -2)
        Q = Q.reshape(*Q.shape[:-2], long)
        p = Q @ patches.swapaxes(0, 1).reshape(self.groups, long, self.size)
        p = p.reshape(*p.shape[:-3], self.cols)
        if out is None:
            return p
        out[...] = p
        return out

    def vjp_norm(self, q: Array) -> Array:
        """From the norm of each group."""
        Q, norms = self._by_group(q), np.zeros((), q.dtype, like=q)
        for k in range(self.groups):
            q_k = Q[..., k, :, :].reshape(*q.shape[:-1], self.kernels * self.positions)
            norms = np.hypot(norms, Kronecker(self.kernels, self.patches[:, k]).vjp_norm(q_k))
        return norms

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Zeros, but for those of the group to which a column belongs."""
        out[...] = 0
        rows, cols = self.rows // self.groups, self.cols // self.groups
        for k in range(start // cols, -(-stop // cols)):
            first, last = max(start, k * cols), min(stop, (k + 1) * cols)
            block = out[first - start : last - start, :, k * rows : (k + 1) * rows]
            Kronecker(self.kernels, self.patches[:, k]).columns_into(first - k * cols, last - k * cols, block)

    def csr(self, samples: int = 1) -> csr_array:
        """A window in each row."""
        each = self.groups, self.kernels, self.positions, self.size
        columns = np.broadcast_to(np.arange(self.cols).reshape(*each[:2], 1, self.size), each)
        entries = np.broadcast_to(self.patches[:, :, None], (self.samples, *each))
        entries = entries.reshape(self.samples, self.rows, self.size)
        return csr_by_rows(entries, columns.reshape(self.rows, -1), self.cols, max(samples, self.samples))

    def _by_group(self, q: Array) -> Array:
        return q.reshape(*q.shape[:-1], self.groups, self.kernels, self.positions)


def _flat(V: Array) -> Array:
    return V.reshape(*V.shape[:-3], math.prod(V.shape[-3:]))
