"""The whole Jacobian of a network, by its parameters or by its input."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from prograd import planning
from prograd.arrays import Array, checked_bytes
from prograd.errors import OptionError, UnknownNameError
from prograd.lazy import LazyJacobian
from prograd.linearization import differentiated, linearize
from prograd.modes import AUTO, Mode, ModeName, find
from prograd.network import Network
from prograd.tape import machine
from prograd.tape.replay import tapes_of


@overload
def jacobian(
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] = "parameters",
    mode: ModeName | Mode = "auto",
    max_bytes: int | None = None,
    *,
    lazy: Literal[False] = False,
) -> Array: ...
@overload
def jacobian(
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] = "parameters",
    mode: ModeName | Mode = "auto",
    max_bytes: None = None,
    *,
    lazy: Literal[True],
) -> LazyJacobian: ...
def jacobian(  # noqa: PLR0913, PLR0917  (a public call; all but three have defaults)
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] = "parameters",
    mode: ModeName | Mode = "auto",
    max_bytes: int | None = None,
    *,
    lazy: bool = False,
) -> Array | LazyJacobian:
    """`J_{h_x}(w)` of every sample: `(N, n_{L+1}, size)`, or with `wrt="input"` `(N, n_{L+1}, n_1)`.

    A one-dimensional `x` is one sample, and the result has no sample axis. Columns are in the order of `w`. `mode` is
    "reverse" (all rows at once), "forward" (columns in chunks), "factored" (forward mode on operators), "optimal" (the
    bracketing with the fewest multiply-adds, see `prograd.bracketing`), or "auto", the one that is predicted to be the
    quickest (see `prograd.plan`). `max_bytes` bounds all that the call allocates, the Jacobian included. With `lazy` it
    comes as a `LazyJacobian`, whose blocks are still products, multiplied from the input by "factored", from the output
    by "reverse". Raises `ShapeError`, `NonFiniteError`, `UnknownNameError`, `PluginError`, and `OptionError`
    for too small `max_bytes`, a lazy "forward" or "optimal", and `max_bytes` with `lazy`.

    >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=3)
    >>> w, x = net.init(0), np.ones((5, 3))
    >>> prograd.jacobian(net, w, x).shape
    (5, 2, 8)
    >>> prograd.jacobian(net, w, x, wrt="input").shape
    (5, 2, 3)
    """
    if wrt not in {"parameters", "input"}:
        raise UnknownNameError("wrt", wrt, ("parameters", "input"))
    max_bytes = checked_bytes(max_bytes)
    if lazy:
        if max_bytes is not None:
            raise OptionError(f"lazy=True holds left factors and no buffers: expected no max_bytes, got {max_bytes}")
        lin = linearize(net, w, x)
        used = planning.lazy_mode(net, lin.samples, wrt, lin.dtype) if mode == AUTO else find(mode)
        return LazyJacobian.in_mode(lin if wrt == "parameters" else lin.by_input(), used)
    w, x, one = net.check(w, x)
    used, room = planning.resolve(mode, net, len(x), wrt, "jacobian", max_bytes, x.dtype)

    def run(w: Array, x: Array, J: Array) -> None:
        used.jacobian(differentiated(net, w, x, wrt), J, room)

    J = machine.empty((len(x), net.n[-1], net.size if wrt == "parameters" else net.n[0]), x.dtype)
    tapes_of(net).call((used, wrt, room, x.shape, x.dtype), run, (w, np.ascontiguousarray(x)), (J,), max_bytes)
    return J[0] if one else J
