"""The whole Jacobian of a network, by its parameters or by its input."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from prograd import accumulation, factored, recursions, threads
from prograd.arrays import Array, real_dtype
from prograd.chain import Chain, check_mode
from prograd.errors import OptionError, UnknownNameError
from prograd.lazy import LazyJacobian
from prograd.limits import check_max_bytes
from prograd.linearization import linearize
from prograd.network import Network
from prograd.planning.modes import Task
from prograd.planning.plan import choose


@overload
def jacobian(
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] = "parameters",
    mode: str = "auto",
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
    mode: str = "auto",
    max_bytes: None = None,
    *,
    lazy: Literal[True],
) -> LazyJacobian: ...
def jacobian(  # noqa: PLR0913, PLR0917  (a public call; all but three have defaults)
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] = "parameters",
    mode: str = "auto",
    max_bytes: int | None = None,
    *,
    lazy: bool = False,
) -> Array | LazyJacobian:
    """`J_{h_x}(w)` of every sample: `(N, n_{L+1}, size)`, or with `wrt="input"` `(N, n_{L+1}, n_1)`.

    A one-dimensional `x` is one sample, and the result has no sample axis. Columns are in the order of `w`. `mode` is
    "reverse" (all rows at once), "forward" (columns in chunks, `max_bytes` for the buffers), "factored" (forward mode
    on operators), "optimal" (the bracketing with the fewest multiply-adds, `max_bytes` for each matrix on the way, see
    `prograd.bracketing`), or "auto", the one that is predicted to be the quickest (see `prograd.plan`). With `lazy` it
    comes as a `LazyJacobian`, whose blocks are products still, multiplied from the input on by "factored", from the
    output on by "reverse". Raises `ShapeError`, `NonFiniteError`, `UnknownNameError`, `PluginError`, and `OptionError`
    for too small `max_bytes`, a lazy "forward" or "optimal", and `max_bytes` with `lazy`.
    """
    if wrt not in {"parameters", "input"}:
        raise UnknownNameError("variable", wrt, ("parameters", "input"))
    check_mode(mode)
    if max_bytes is not None:
        check_max_bytes(max_bytes)
    if lazy:
        if max_bytes is not None:
            raise OptionError(
                f"lazy=True holds the left factors and no buffers: expected no max_bytes, got {max_bytes}"
            )
        chain, one = _chain(net, w, x, wrt)
        return LazyJacobian(chain, _left_factors(chain, mode), one=one)
    samples, _ = net.check_x(x)
    if mode == "auto":
        mode = choose(net, len(samples), wrt, Task("jacobian", max_bytes), real_dtype(net.check_w(w), samples))
    numbers = len(samples) * net.n[-1] * (net.size if wrt == "parameters" else net.n[0])
    with threads.one_blas_thread(numbers >= threads.WORTH_NUMBERS or mode == "forward"):
        chain, one = _chain(net, w, x, wrt)
        J = _dense(chain, mode, max_bytes)
    return J[0] if one else J


def _dense(chain: Chain, mode: str, max_bytes: int | None) -> Array:
    if mode == "factored":
        return LazyJacobian(chain, factored.forward(chain.blocks), one=False).dense()
    J = np.empty((chain.samples, chain.rows, chain.size), chain.dtype)
    if mode == "optimal":
        accumulation.jacobian_into(chain, J, max_bytes)
    elif mode == "reverse":
        _reverse_into(chain, J)
    else:
        _forward_into(chain, J, max_bytes)
    return J


def _chain(net: Network, w: ArrayLike, x: ArrayLike, wrt: str) -> tuple[Chain, bool]:
    lin = linearize(net, w, x)
    return lin.chain if wrt == "parameters" else lin.chain.by_input(), lin.one


def _left_factors(chain: Chain, mode: str) -> list[factored.Left]:
    orders = {"reverse": factored.backward, "factored": factored.forward}
    if mode == "auto":
        mode = min(orders, key=lambda order: factored.multiply_adds(orders[order], chain.blocks))
    if mode not in orders:
        raise OptionError(
            f'lazy=True keeps products of blocks: expected mode "reverse", "factored" or "auto", got "{mode}"'
        )
    return orders[mode](chain.blocks)


def _forward_into(chain: Chain, J: Array, max_bytes: int | None) -> None:
    def use(chunk: range, columns: Array) -> None:
        J[:, :, chunk.start : chunk.stop] = columns.transpose(1, 2, 0)

    chain.columns(use, max_bytes)


def _reverse_into(chain: Chain, J: Array) -> None:
    seeds = np.eye(chain.rows, dtype=chain.dtype)[:, None, :]  # row k of J is e_k^T J, for every sample

    def rows(part: slice) -> None:
        recursions.reverse(chain.blocks, seeds[part], chain.slices(J[:, part].swapaxes(0, 1)), recursions.each_into)

    cuts = threads.parts(chain.rows, J.size)
    threads.run(rows, cuts, len(cuts))
