"""The whole Jacobian of a network, by its parameters or by its input."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, hstack

from prograd import planning
from prograd.arrays import Array, checked_bytes
from prograd.chosen import Wanted
from prograd.errors import OptionError, UnknownNameError
from prograd.lazy import LazyJacobian
from prograd.linearization import Linearization, Variable, differentiated, linearize, variable
from prograd.modes import AUTO, MODES, Mode, ModeName, find
from prograd.network import Network
from prograd.operators import Identity, entries
from prograd.tape import machine
from prograd.tape.replay import tapes_of


@overload
def jacobian(
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] | Wanted = "parameters",
    mode: ModeName | Mode = "auto",
    max_bytes: int | None = None,
    *,
    lazy: Literal[False] = False,
    format: Literal["dense"] = "dense",
) -> Array: ...
@overload
def jacobian(
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] | Wanted = "parameters",
    mode: Literal["auto", "reverse"] = "auto",
    max_bytes: None = None,
    *,
    lazy: Literal[False] = False,
    format: Literal["sparse"],
) -> csr_array: ...
@overload
def jacobian(
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] | Wanted = "parameters",
    mode: ModeName | Mode = "auto",
    max_bytes: None = None,
    *,
    lazy: Literal[True],
    format: Literal["dense"] = "dense",
) -> LazyJacobian: ...
def jacobian(  # noqa: PLR0913, PLR0917  (a public call; all but three have defaults)
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] | Wanted = "parameters",
    mode: ModeName | Mode = "auto",
    max_bytes: int | None = None,
    *,
    lazy: bool = False,
    format: Literal["dense", "sparse"] = "dense",  # noqa: A002  (as scipy names it)
) -> Array | LazyJacobian | csr_array:
    """`J_{h_x}(w)` of every sample: `(N, n_{L+1}, size)`, or with `wrt="input"` `(N, n_{L+1}, n_1)`.

    `wrt` may also be a list of layers and parameters, such as `[0, (2, "W")]`: the columns are then `net.entries(wrt)`
    of the whole, and products with layers before the first of them are not computed.
    A one-dimensional `x` is one sample, and the result has no sample axis. Columns are in the order of `w`. `mode` is
    "reverse" (all rows at once), "forward" (columns in chunks), "factored" (forward mode on operators), "optimal" (the
    bracketing with the fewest multiply-adds, see `prograd.bracketing`), or "auto", the one that is predicted to be the
    quickest (see `prograd.plan`). `max_bytes` bounds all that the call allocates, the Jacobian included. With `lazy` it
    comes as a `LazyJacobian`, whose blocks are still products, multiplied from the input by "factored", from the output
    by "reverse". With `format="sparse"` it comes as a `scipy.sparse.csr_array`, `(N n_{L+1}) × size`, multiplied from
    the output without a dense matrix on the way; zeros that follow from the layers' structure are not stored. Raises
    `ShapeError`, `NonFiniteError`, `UnknownNameError`, `PluginError`, and `OptionError` for too small `max_bytes`, a
    lazy "forward" or "optimal", a sparse one in another mode than "reverse", and `max_bytes` with `lazy` or "sparse".

    >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=3)
    >>> w, x = net.init(0), np.ones((5, 3))
    >>> prograd.jacobian(net, w, x).shape
    (5, 2, 8)
    >>> prograd.jacobian(net, w, x, wrt="input").shape
    (5, 2, 3)
    >>> prograd.jacobian(net, w, x, wrt=[(0, "b")]).shape
    (5, 2, 2)
    >>> prograd.jacobian(net, w, x, format="sparse").shape
    (10, 8)
    """
    by = variable(net, wrt)
    if format not in {"dense", "sparse"}:
        raise UnknownNameError("format", format, ("dense", "sparse"))
    max_bytes = checked_bytes(max_bytes)
    if format == "sparse":
        if lazy or max_bytes is not None or (mode != AUTO and find(mode) is not MODES["reverse"]):
            raise OptionError(
                'format="sparse": expected mode "reverse" without lazy and max_bytes, got '
                f"mode={mode!r}, lazy={lazy}, max_bytes={max_bytes}"
            )
        return _sparse(_kept(net, w, x, by))
    if lazy:
        if max_bytes is not None:
            raise OptionError(f"lazy=True holds left factors and no buffers: expected no max_bytes, got {max_bytes}")
        lin = _kept(net, w, x, by)
        used = planning.lazy_mode(net, lin.samples, by, lin.dtype) if mode == AUTO else find(mode)
        return LazyJacobian.in_mode(lin, used)
    w, x, one = net.check(w, x)
    used, room = planning.resolve(mode, net, len(x), by, "jacobian", max_bytes, x.dtype)

    def run(w: Array, x: Array, J: Array) -> None:
        used.jacobian(differentiated(net, w, x, by), J, room)

    columns = net.n[0] if by == "input" else net.size if by == "parameters" else net.part(by, 0).size
    J = machine.empty((len(x), net.n[-1], columns), x.dtype)
    tapes_of(net).call((used, by, room, x.shape, x.dtype), run, (w, np.ascontiguousarray(x)), (J,), max_bytes)
    return J[0] if one else J


def _kept(net: Network, w: ArrayLike, x: ArrayLike, by: Variable) -> Linearization:
    """All blocks, of the chosen parameters alone."""
    if not isinstance(by, tuple):
        lin = linearize(net, w, x)
        return lin.by_input() if by == "input" else lin
    w, x, one = net.check(w, x)
    return replace(differentiated(net, w, x, by, cut=False), one=one)


def _sparse(lin: Linearization) -> csr_array:
    """`P_{i-1} = P_i B_i` and `P_i A_i` as products of sparse matrices, a block for each sample on their diagonals."""
    N = lin.samples
    P = Identity(lin.rows).csr(N)
    J = {(0, 0): csr_array((N * lin.rows, 0), dtype=lin.dtype)}
    first = next((i for i, (A_i, _) in enumerate(lin.blocks) if A_i), len(lin.blocks))
    for i in reversed(range(first, len(lin.blocks))):
        (A_i, B_i), span = lin.blocks[i], lin.spans[i]
        for name, A in A_i.items():
            at = span.each[name]
            J[at.start, at.stop] = entries.stacked(entries.product(P, A.csr(N)), A.cols)
        if i > first:
            P = entries.product(P, B_i.csr(N))
    whole: csr_array = hstack([J[at] for at in sorted(J)], format="csr", dtype=lin.dtype)
    return whole
