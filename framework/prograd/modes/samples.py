"""What reverse mode gives for each sample: gradients, and their norms and clipped sum without the gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from prograd import recursions
from prograd.arrays import Array, passes
from prograd.errors import OptionError
from prograd.modes.base import Evaluation
from prograd.network import slices
from prograd.operators import Operator
from prograd.recursions import Apply, add_into, norm_into, sum_into


def per_sample_gradients(at: Evaluation, p: Array) -> Array:
    """Writes `∇f_{x_n,y_n}(w)` of each sample to `p`, `(N, size)`, and returns the sum of the losses."""
    z, blocks = at.linearize()
    total, q = at.losses(z[-1])
    recursions.reverse(blocks, q, slices(p, at.net.spans), recursions.each_into)
    return total


def per_sample_norms(at: Evaluation, norms: Array, max_bytes: int | None) -> Array:
    """Writes `‖∇f_{x_n,y_n}(w)‖` to `norms`, `(N,)`, and returns the sum of the losses."""
    totals: list[Array] = []
    for rows in _parts(at, max_bytes, norms):
        z, blocks = at.linearize(rows)
        total, q = at.losses(z[-1], rows)
        part = norms[rows]
        part[...] = 0
        recursions.reverse(blocks, q, [dict.fromkeys(span.each, part) for span in at.net.spans], norm_into)
        totals.append(total)
    return sum(totals[1:], start=totals[0])


def clipped_gradient(at: Evaluation, limit: Array, p: Array, max_bytes: int | None) -> Array:
    """Writes `(1/N) Σ_n min(1, limit/‖∇_n‖) ∇_n` to `p`, `(size,)`, and returns the sum of the losses."""
    p_by_layer = slices(p, at.net.spans)
    totals: list[Array] = []
    for rows in _parts(at, max_bytes, p):
        totals.append(_clipped(at, rows, limit, p_by_layer, add_into if totals else sum_into))
    return sum(totals[1:], start=totals[0])


def _clipped(at: Evaluation, rows: slice, limit: Array, p: Sequence[Mapping[str, Array]], apply: Apply) -> Array:
    """One pass measures and keeps the `q^{i+1}`. These are linear in `q^{L+1}`, so no second one goes through `B`."""
    z, blocks = at.linearize(rows)
    total, q = at.losses(z[-1], rows)
    norms = np.zeros(len(q), q.dtype, like=q)
    kept: list[Array] = []

    def measure(A: Operator, q: Array, _: Array) -> None:
        norm_into(A, q, norms)
        kept.append(q)

    recursions.reverse(blocks, q, p, measure)
    shares = (limit / np.maximum(norms, limit) / at.samples)[:, None]
    cotangents = iter(kept)
    for i in reversed(range(len(blocks))):
        if p[i]:
            A_i, _ = blocks[i]
            q, *_ = islice(cotangents, len(p[i]))  # the same one for each parameter of a layer
            q = q * shares
            for name, p_i in p[i].items():
                apply(A_i[name], q, p_i)
    return total


def _parts(at: Evaluation, max_bytes: int | None, like: Array) -> Iterator[slice]:
    """Parts of the samples of which all `z^i` and `q^i` fit into `max_bytes`; raises `OptionError` if not one does."""
    one = 2 * sum(at.net.n) * like.itemsize
    if max_bytes is not None and one > max_bytes:
        raise OptionError(f"max_bytes: expected at least {one}, the activations of one sample, got {max_bytes}")
    step = at.samples if max_bytes is None else min(at.samples, max_bytes // one)
    for start in passes(range(0, at.samples, step), [step], like):
        yield slice(start, min(start + step, at.samples))
