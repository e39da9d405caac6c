"""A network linearized at a point: its blocks, the columns of `J` that each one has, and products with vectors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from prograd import checks, recursions
from prograd.arrays import Array, RecordingArray, as_vectors
from prograd.blocks import Block
from prograd.chosen import Names, Wanted, first_of
from prograd.errors import UnknownNameError
from prograd.network import NO_COLUMNS, Network, Span, slices
from prograd.operators import Identity, Zero
from prograd.tape.replay import Tapes

Variable: TypeAlias = Literal["parameters", "input"] | Names
"""What a derivative is by: the input, all parameters, or some of them."""


@dataclass(frozen=True, eq=False)
class Linearization:
    """`J = (A_L | B_L (A_{L-1} | B_{L-1} (…)))` of N samples, as its factors.

    `blocks` holds the pairs `(A_i, B_i)`: `A_i` is a dict with an operator for each parameter, `B_i` is one operator.
    `spans` says which columns of `J` each `A_i` has. `z` holds `z^1 … z^{L+1}`. Blocks hold views of `w` and `x`: pass
    copies if you will change them in place.
    """

    blocks: Sequence[Block]
    spans: Sequence[Span]
    samples: int
    dtype: np.dtype[Any]
    z: Sequence[Array] = ()
    one: bool = False
    """Whether the input was one sample, without a sample axis."""
    tapes: Tapes = field(default_factory=Tapes, repr=False)
    """Those of `jvp` and `vjp`."""

    @property
    def output(self) -> Array:
        """`h_x(w) = z^{L+1}`: `(N, n_{L+1})`, or `(n_{L+1},)` for one sample."""
        return self.z[-1][0] if self.one else self.z[-1]

    @cached_property
    def size(self) -> int:
        """The number of columns of `J`."""
        return sum(len(span.all) for span in self.spans)

    @property
    def rows(self) -> int:
        """The number of rows of `J`, `n_{L+1}`."""
        return self.blocks[-1][1].rows

    @cached_property
    def widest(self) -> int:
        """The most rows of any block."""
        return max(B_i.rows for _, B_i in self.blocks)

    def by_input(self) -> Linearization:
        """The derivative with respect to `x`, which becomes the parameter of a layer `g_0(x) = x` before the first."""
        n = self.blocks[0][1].cols
        start = ({"x": Identity(n)}, Zero(n, 0))
        blocks = [start, *(({}, B_i) for _, B_i in self.blocks)]
        spans = [Span(range(n), {"x": range(n)}), *(NO_COLUMNS for _ in self.blocks)]
        return replace(self, blocks=blocks, spans=spans, tapes=Tapes())

    def slices(self, p: Array) -> list[dict[str, Array]]:
        """`p` by layer and parameter, as views of its last axis, which has `size` entries."""
        return slices(p, self.spans)

    def jvp(self, dw: ArrayLike) -> Array:
        """`J dw`: `(..., size) -> (..., N, n_{L+1})`; without the sample axis for one sample. Raises `ShapeError`.

        From the third product of a shape on, a tape computes it; the same holds for `vjp`.
        """
        dw = as_vectors(dw, "dw", (self.size,), self.dtype)
        samples = () if self.one else (self.samples,)
        return self._product("jvp", self._jvp, dw, (*dw.shape[:-1], *samples, self.rows))

    def vjp(self, q: ArrayLike) -> Array:
        """`J^T q`, summed over the samples: `(..., N, n_{L+1}) -> (..., size)`; no sample axis for one sample.

        Raises `ShapeError`.
        """
        q = as_vectors(q, "q", (self.rows,) if self.one else (self.samples, self.rows), self.dtype)
        q = q[..., None, :] if self.one else q
        return self._product("vjp", self._vjp, q, (*q.shape[:-2], self.size))

    def _product(self, name: str, product: Callable[..., None], v: Array, shape: tuple[int, ...]) -> Array:
        out = np.empty(shape, v.dtype, like=v)
        if isinstance(v, RecordingArray):  # part of a larger recording
            product(v, out)
        else:
            self.tapes.call((name, v.shape, v.dtype.char), product, (np.ascontiguousarray(v),), (out,))
        return out

    def _jvp(self, dw: Array, out: Array) -> None:
        still = np.zeros((*dw.shape[:-1], 1, self.blocks[0][1].cols), dw.dtype, like=dw)
        (dz,) = deque(recursions.tangents(self.blocks, self.slices(dw[..., None, :]), still), maxlen=1)
        out[...] = dz[..., 0, :] if self.one else dz

    def _vjp(self, q: Array, p: Array) -> None:
        recursions.reverse(self.blocks, q, self.slices(p), recursions.sum_into)


def linearize(net: Network, w: ArrayLike, x: ArrayLike) -> Linearization:
    """One forward pass at `(w, x)`: the output and the blocks `(A_i, B_i)`.

    `w` is `(size,)`, `x` is `(N, n_1)` or one sample `(n_1,)`. Raises `ShapeError` and `NonFiniteError`, and
    `PluginError` if an output or a block of a layer does not have the declared shape.

    >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=3)
    >>> lin = prograd.linearize(net, net.init(0), np.ones((5, 3)))
    >>> lin.output.shape, lin.jvp(np.zeros(8)).shape, lin.vjp(np.ones((5, 2))).shape
    ((5, 2), (5, 2), (8,))
    >>> A, B = lin.blocks[1]  # of tanh
    >>> A, type(B).__name__
    ({}, 'Diagonal')
    """
    w, x, one = net.check(w, x)
    z, blocks = checks.linearize(net, net.unpack(w), x)
    return Linearization(blocks, net.spans, len(x), x.dtype, z, one)


def variable(net: Network, wrt: Literal["parameters", "input"] | Wanted) -> Variable:
    """What a caller asked for. Raises `UnknownNameError`, and `OptionError` for parameters that there are not."""
    if not isinstance(wrt, str):
        return net.names(wrt, "wrt")
    if wrt not in {"parameters", "input"}:
        raise UnknownNameError("wrt", wrt, ("parameters", "input"))
    return wrt


def differentiated(net: Network, w: Array, x: Array, wrt: Variable, *, cut: bool = True) -> Linearization:
    """The blocks of a Jacobian for checked `w` and `x`. No `z^i` is kept unless a block views it.

    For some of the parameters, there are no blocks of the layers before the first of these, unless `cut` is False.
    """
    if not net.checked and not isinstance(x, RecordingArray):
        checks.linearize(net, net.unpack(w), x[:2])
    parameters = net.unpack(w)
    if isinstance(wrt, tuple):
        first = first_of(wrt) if cut else 0
        part, x = net.part(wrt, first), recursions.output(net.layers[:first], parameters, x)
        _, made = recursions.linearize(part.layers, parameters[first:], x, part.chosen)
        return Linearization(list(made), part.spans, len(x), x.dtype)
    _, made = recursions.linearize(net.layers, parameters, x)
    if wrt == "parameters":
        return Linearization(list(made), net.spans, len(x), x.dtype)
    return Linearization([({}, B_i) for _, B_i in made], net.spans, len(x), x.dtype).by_input()
