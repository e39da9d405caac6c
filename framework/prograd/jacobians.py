"""The whole Jacobian of a network, by its parameters or by its input."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from prograd import recursions, threads
from prograd.arrays import Array
from prograd.chain import Chain, check_mode
from prograd.errors import UnknownNameError
from prograd.linearization import linearize
from prograd.network import Network


def jacobian(  # noqa: PLR0913, PLR0917  (a public call; all but three have defaults)
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] = "parameters",
    mode: str = "auto",
    max_bytes: int | None = None,
) -> Array:
    """`J_{h_x}(w)` of every sample: `(N, n_{L+1}, size)`, or with `wrt="input"` `(N, n_{L+1}, n_1)`.

    A one-dimensional `x` is one sample, and the result has no sample axis. Columns are in the order of `w`. `mode` is
    "reverse" (all rows at once), "forward" (columns in chunks, `max_bytes` for the buffers), or "auto", the one with
    fewer multiply-adds. Raises `ShapeError`, `NonFiniteError`, `UnknownNameError`, and `OptionError` for too small
    `max_bytes`.
    """
    if wrt not in {"parameters", "input"}:
        raise UnknownNameError("variable", wrt, ("parameters", "input"))
    check_mode(mode)
    numbers = len(np.atleast_2d(x)) * net.n[-1] * (net.size if wrt == "parameters" else net.n[0])
    with threads.one_blas_thread(numbers >= threads.WORTH_NUMBERS or mode == "forward"):
        return _jacobian(net, w, x, wrt, mode, max_bytes)


def _jacobian(net: Network, w: ArrayLike, x: ArrayLike, wrt: str, mode: str, max_bytes: int | None) -> Array:
    lin = linearize(net, w, x)
    chain = lin.chain if wrt == "parameters" else lin.chain.by_input()
    J = np.empty((chain.samples, chain.rows, chain.size), chain.dtype)
    if chain.pick(mode, lambda mode: chain.multiply_adds(mode, chain.rows)) == "reverse":
        _reverse_into(chain, J)
    else:
        _forward_into(chain, J, max_bytes)
    return J[0] if lin.one else J


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
