"""`Stacked`: operators below one another, the block `B` of a layer with branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from prograd.arrays import Array
from prograd.errors import ShapeError
from prograd.operators import entries
from prograd.operators.base import Operator, Part
from prograd.operators.derived import derived


class Stacked(Operator):
    """`(J_1 v_1; …; J_K v_K)`, where `v_k` is the part `inputs[k]` of a vector `v` of `cols` entries.

    With `inputs` that are all of `v` the matrices lie below one another, with parts side by side they are the blocks of
    a diagonal. Raises `ShapeError` unless there is a slice for each of the `parts`, with as many entries as it takes.

    >>> one, five = prograd.operators.Identity(1), prograd.operators.Dense(np.full((1, 2), 5.0))
    >>> J = prograd.operators.Stacked([one, five], [slice(0, 1), slice(0, 2)], 2)
    >>> J.dense().tolist(), J.edges
    ([[[1.0, 0.0], [5.0, 5.0]]], 2)
    """

    def __init__(self, parts: Sequence[Operator], inputs: Sequence[slice], cols: int) -> None:
        taken, given = [part.cols for part in parts], [len(range(cols)[at]) for at in inputs]
        if taken != given or not parts:
            raise ShapeError(f"Stacked: expected inputs of the sizes {taken or '[n, …]'}, got slices of {given}")
        self.parts = tuple(parts)
        self.inputs = tuple(range(cols)[at] for at in inputs)
        if any(at.step != 1 for at in self.inputs):
            raise ShapeError(f"Stacked: expected inputs that lie next to each other, got {list(inputs)}")
        self.rows, self.cols = sum(part.rows for part in parts), cols

    def jvp(self, v: Array) -> Array:
        """The products of all parts, one after the other."""
        products = [part.jvp(v[..., at]) for part, _, at in self._places()]
        lead = (*v.shape[:-2], max(v.shape[-2], self.samples))
        return np.concatenate([np.broadcast_to(p, (*lead, p.shape[-1])) for p in products], axis=-1)

    def vjp(self, q: Array) -> Array:
        """`Σ_k J_k^T q_k`, each among the inputs of its part."""
        p = np.zeros((*q.shape[:-2], max(q.shape[-2], self.samples), self.cols), np.result_type(q, self.dtype), like=q)
        for part, rows, at in self._places():
            p[..., at] += part.vjp(q[..., rows])
        return p

    def vjp_sum(self, q: Array, out: Array | None = None) -> Array:
        """The sum over the samples, of each part on its own."""
        q = np.broadcast_to(q, (*q.shape[:-2], max(q.shape[-2], self.samples), self.rows))
        if out is None:
            out = np.empty((*q.shape[:-2], self.cols), np.result_type(q, self.dtype), like=q)
        out[...] = 0
        for part, rows, at in self._places():
            out[..., at] += part.vjp_sum(q[..., rows])
        return out

    def columns_into(self, start: int, stop: int, out: Array) -> None:
        """Those of the parts that have such inputs, among zeros."""
        out[...] = 0
        for part, rows, at in self._places():
            first, last = max(start, at.start), min(stop, at.stop)
            if first < last:
                out[first - start : last - start, :, rows] = part.columns(first - at.start, last - at.start)

    def csr(self, samples: int = 1) -> csr_array:
        samples = max(samples, self.samples)
        total: csr_array = csr_array((samples * self.rows, samples * self.cols), dtype=self.dtype)
        for part, rows, at in self._places():
            below, beside = Part(self.rows, rows).csr(samples), Part(self.cols, at).csr(samples).T
            total = total + entries.product(entries.product(below, part.csr(samples)), beside.tocsr())
        return total

    def arrays(self) -> Iterator[Array]:
        for part in self.parts:
            yield from part.arrays()

    @derived
    def edges(self) -> int:
        return sum(part.edges for part in self.parts)

    @derived
    def column_edges(self) -> int:
        """Those of the parts that share an input, at most."""
        return self._most([part.column_edges for part in self.parts])

    def jvp_multiply_adds(self, samples: int = 1) -> int:
        return sum(part.jvp_multiply_adds(samples) for part in self.parts)

    def vjp_multiply_adds(self, samples: int = 1) -> int:
        return sum(part.vjp_multiply_adds(samples) for part in self.parts)

    def column_multiply_adds(self, samples: int = 1) -> int:
        return self._most([part.column_multiply_adds(samples) for part in self.parts])

    @derived
    def samples(self) -> int:
        return max(part.samples for part in self.parts)

    @derived
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*(part.dtype for part in self.parts))

    def _most(self, of_parts: Sequence[int]) -> int:
        """The sum over the parts with one input, for the input where it is the largest."""
        return max(
            sum(count for count, at in zip(of_parts, self.inputs, strict=True) if first in at)
            for first in {at.start for at in self.inputs}
        )

    def _places(self) -> Iterator[tuple[Operator, slice, slice]]:
        """Each part, its rows and its inputs."""
        stop = 0
        for part, at in zip(self.parts, self.inputs, strict=True):
            start, stop = stop, stop + part.rows
            yield part, slice(start, stop), slice(at.start, at.stop)
