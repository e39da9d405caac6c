"""The theory as code: the recursion that defines a progressive function's Jacobian, then linearize, reverse, forward.

    z^1 = x,   z^{i+1} = g_i(w^i; z^i),   J_{g_i} = (A_i | B_i),   h_x(w) = z^{L+1}
    J_1 = A_1,   J_i = (A_i | B_i J_{i-1}),   ∇f = J_L^T ∇ℓ_y(z^{L+1})

Lists are in the order of application and start at 0, so `layers[0]` is `g_1`, `z[0]` is `z^1` and `blocks[0]` is
`(A_1, B_1)`: this is the one offset between the code and the theory. The vector `w = (w^L; …; w^1)` runs the other
way, newest layer first. Every array carries N samples as rows; every product is an operator's. Nothing here
validates: the objects that call these functions do.

Source: S. Roch, Mathematical Methods in Data Science, topic 3, section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from prograd.arrays import Array
from prograd.blocks import Block, Blocks
from prograd.chosen import Names
from prograd.layer import Layer, Parameters
from prograd.network import Span
from prograd.operators import Operator, Zero

P = TypeVar("P")
"""What `apply` keeps for a parameter: an array, as a rule."""

Apply: TypeAlias = Callable[[Operator, Array, Array], object]
"""What reverse mode calls with each `A`, with `q`, and with the array for `p`: `sum_into`, `add_into`, …"""


def dense(blocks: Sequence[Block], samples: int) -> Array:
    """The recursion as the theory writes it, in matrices: `J_L`, `(N, n_{L+1}, size)`. The reference for every mode."""
    J = np.zeros((samples, blocks[0][1].cols, 0))
    for A_i, B_i in blocks:
        own = [np.broadcast_to(A.dense(), (samples, A.rows, A.cols)) for A in A_i.values()]
        J = np.concatenate([*own, B_i.dense() @ J], axis=2)
    return J


def linearize(
    layers: Sequence[Layer], w: Sequence[Parameters], x: Array, chosen: Names | None = None
) -> tuple[list[Array], Blocks]:
    """The forward pass: `z^1 … z^{L+1}`, and the blocks `(A_1 | B_1) … (A_L | B_L)`, each made on demand.

    Only some parameters may be `chosen`, by layer; then there are no other `A_i`.
    """
    z = [x]
    for g_i, w_i in zip(layers, w, strict=True):
        z.append(g_i.g(w_i, z[-1]))
    return z, Blocks(layers, w, z, chosen)


def output(layers: Sequence[Layer], w: Sequence[Parameters], x: Array) -> Array:
    """`z^{i+1}` of the last of these layers, without those before; there may be more `w` than layers."""
    z = x
    for g_i, w_i in zip(layers, w, strict=False):
        z = g_i.g(w_i, z)
    return z


def reverse(
    blocks: Sequence[Block], q: Array, p: Sequence[Mapping[str, P]], apply: Callable[[Operator, Array, P], object]
) -> None:
    """Reverse mode, matrix times vector: `p^i = A_i^T q^{i+1}`, `q^i = B_i^T q^{i+1}` for `i = L … 1`.

    Starts from `q = q^{L+1}` and writes `p^i`, parameter by parameter, with `apply(A, q, p)`: `sum_into` adds up the
    samples, `each_into` keeps them apart, `norm_into` takes their norms. It ends at the first layer that has a `p^i`,
    whose `B_i` and `q^i` are not needed, so they are not computed.
    """
    first = _first(p)
    for i in reversed(range(first, len(blocks))):
        A_i, B_i = blocks[i]
        for name, p_i in p[i].items():
            apply(A_i[name], q, p_i)
        if i > first:
            q = B_i.vjp(q)
        del A_i, B_i  # frees what they were made of before the next block is made


def tangents(blocks: Sequence[Block], dw: Sequence[Mapping[str, Array]], dz: Array) -> Iterator[Array]:
    """How the forward pass moves along `dw`: `dz^{i+1} = A_i dw^i + B_i dz^i` for `i = 1 … L`, from `dz = dz^1` on.

    Each part of `dw` is flat and has a sample axis, which may be 1.
    """
    for (A_i, B_i), dw_i in zip(blocks, dw, strict=True):
        dz = sum((A_i[name].jvp(part) for name, part in dw_i.items()), start=B_i.jvp(dz))
        yield dz


def _first(p: Sequence[Mapping[str, object]]) -> int:
    """The first layer that has a `p^i`."""
    return next((i for i, p_i in enumerate(p) if p_i), len(p))


def reverse_along(
    blocks: Sequence[Block], moved: Sequence[Block], q: Array, dq: Array, dp: Sequence[Mapping[str, Array]]
) -> None:
    """Reverse mode differentiated along `dw`, for `i = L … 1`:

        dp^i = A_i^T dq^{i+1} + dA_i^T q^{i+1},   dq^i = B_i^T dq^{i+1} + dB_i^T q^{i+1}

    `moved` holds the derivatives `(dA_i, dB_i)` of the blocks. Starts from `q^{L+1}` and `dq^{L+1}`, and writes
    `dp^i`, summed over the samples. It ends where `reverse` does.
    """
    first = _first(dp)
    for i in reversed(range(first, len(blocks))):
        (A_i, B_i), (dA_i, dB_i) = blocks[i], moved[i]
        for name, dp_i in dp[i].items():
            sum_into(A_i[name], dq, dp_i)
            if not isinstance(dA_i[name], Zero):  # that of a parameter which is only added
                add_into(dA_i[name], q, dp_i)
        if i > first:
            dq = B_i.vjp(dq) + dB_i.vjp(q)
            q = B_i.vjp(q)


def sum_into(A: Operator, q: Array, p: Array) -> None:
    """`p = Σ_n A_n^T q_n`, for the gradient of a mean over the samples."""
    A.vjp_sum(q, out=p)


def add_into(A: Operator, q: Array, p: Array) -> None:
    """`p += Σ_n A_n^T q_n`, for samples in parts."""
    p += A.vjp_sum(q)


def each_into(A: Operator, q: Array, p: Array) -> None:
    """`p_n = A_n^T q_n`, for a result for each sample."""
    A.vjp_into(q, p)


def norm_into(A: Operator, q: Array, norms: Array) -> None:
    """`norms_n = √(norms_n² + ‖A_n^T q_n‖²)`: what a parameter adds to the norm of each sample's gradient."""
    np.hypot(norms, A.vjp_norm(q), out=norms)


def forward(
    blocks: Sequence[Block],
    spans: Sequence[Span],
    chunk: range,
    J: Array,
    room: Callable[[int, Operator], Array],
) -> Array:
    """Forward mode, matrix times matrix: `J_1 = A_1`, `J_i = (A_i | B_i J_{i-1})`, for a chunk of the columns of `J_L`.

    Column k of `J` belongs to entry k of `w`, and `spans[i]` says which entries each parameter of layer i is. Since
    `w` has the newest layer first, the columns of `A_i` come just before those of `J_{i-1}`. Columns are stored as
    rows: `J` is `(columns, N, n_{i+1})`. The given `J` has no columns yet, and `room(columns, B_i)` returns memory for
    the next one: the columns of `A_i`, followed by `B_i J_{i-1}`. An operator that works in place needs none.
    """
    for (A_i, B_i), span in zip(blocks, spans, strict=True):
        own = overlap(span.all, chunk)
        older = J
        if own or not B_i.in_place:
            J = room(len(own) + len(older), B_i)
        if len(older):
            B_i.jvp_into(older, J[len(own) :])
        for name, at in span.each.items():
            part = overlap(at, own)
            if part:
                start = part.start - own.start
                A_i[name].columns_into(part.start - at.start, part.stop - at.start, J[start : start + len(part)])
    return J


def overlap(a: range, b: range) -> range:
    """The integers in both."""
    return range(max(a.start, b.start), min(a.stop, b.stop))
