"""Products with the Hessian: the derivative of reverse mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prograd import checks, recursions
from prograd.arrays import Array
from prograd.blocks import Block
from prograd.modes.base import Evaluation
from prograd.network import slices


def hessian_vector(at: Evaluation, v: Array, out: Array) -> Array:
    """Writes `∇²f(w) v` to `out`, `(size,)`, and returns the sum of the losses: the derivative of reverse mode.

    Pearlmutter, *Fast exact multiplication by the Hessian*, 1994. Raises `OptionError` for a layer without
    `jacobian_along` and for a loss without `hessian`.
    """
    spans = at.net.spans
    z, made = at.linearize()
    blocks = list(made)
    still = np.zeros((1, at.net.n[0]), at.x.dtype, like=at.x)
    dz = [still, *recursions.tangents(blocks, slices(v[None], spans), still)]
    total, q = at.close(z[-1])
    dq = at.weighted(checks.hessian(at.loss, z[-1], at.y).jvp(dz[-1])) / at.samples
    recursions.reverse_along(blocks, _moved(at, z, v, dz), q, dq, slices(out, spans))
    return total


def _moved(at: Evaluation, z: Sequence[Array], v: Array, dz: Sequence[Array]) -> list[Block]:
    """The derivatives `(dA_i, dB_i)` of all blocks along `v`."""
    each = zip(at.net.layers, at.parameters, at.net.unpack(v), strict=True)
    return [
        checks.block_along(at.net, i, layer.jacobian_along(w_i, z[i], z[i + 1], dw_i, dz[i]), at.samples)
        for i, (layer, w_i, dw_i) in enumerate(each)
    ]
