"""Jacobians that are larger than the memory: one block of samples and outputs after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from numpy.typing import ArrayLike
from scipy.sparse import eye_array

from prograd import planning
from prograd.arrays import Array
from prograd.chosen import Wanted, pairs
from prograd.errors import OptionError
from prograd.jacobians import jacobian
from prograd.layer import Layer, Parameters
from prograd.linearization import variable
from prograd.modes import Mode, ModeName
from prograd.network import Network
from prograd.operators import Operator, Sparse


def jacobian_blocks(  # noqa: PLR0913  (as `jacobian`)
    net: Network,
    w: ArrayLike,
    x: ArrayLike,
    wrt: Literal["parameters", "input"] | Wanted = "parameters",
    mode: ModeName | Mode = "auto",
    *,
    max_bytes: int,
) -> Iterator[tuple[slice, slice, Array]]:
    """`J_{h_x}(w)` in blocks that take no more than `max_bytes` each, all that is computed on the way included.

    Each block comes as the samples, the outputs and the part of `jacobian(net, w, x, wrt)` that belongs to them,
    `(samples, outputs, columns)`. A block has as many whole samples as fit; where not even one does, some outputs of
    one sample. What was yielded counts no more for the next one: keep what you need of it. Raises what `jacobian` does,
    and `OptionError` where one row of one sample doesn't fit.

    >>> net = prograd.Network([prograd.layer("affine", width=2), prograd.layer("tanh")], n_in=3)
    >>> w, x = net.init(0), np.ones((5, 3))
    >>> for samples, outputs, J in prograd.jacobian_blocks(net, w, x, max_bytes=2**20):
    ...     print(samples, outputs, J.shape)
    slice(0, 5, None) slice(0, 2, None) (5, 2, 8)
    """
    by = variable(net, wrt)
    columns = pairs(by) if isinstance(by, tuple) else by  # of a network with another layer at the end, too
    w, x, _ = net.check(w, x)

    def fits(one: Network, samples: int) -> bool:
        try:
            planning.resolve(mode, one, samples, variable(one, columns), "jacobian", max_bytes, x.dtype)
        except OptionError:
            return False
        return True

    N, m = len(x), net.n[-1]
    samples = next((k for k in _halves(N) if fits(net, k)), 0)
    outputs = m if samples else next((k for k in _halves(m) if fits(_only(net, 0, k), 1)), 1)
    nets = {part: net if outputs == m else _only(net, *part) for part in _parts(m, outputs)}
    for first, last in _parts(N, max(1, samples)):
        for part, one in nets.items():
            yield slice(first, last), slice(*part), jacobian(one, w, x[first:last], columns, mode, max_bytes)


def _halves(n: int) -> Iterator[int]:
    """`n`, its half, and so on down to 1."""
    while n > 1:
        yield n
        n = -(-n // 2)
    yield n


def _parts(n: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, n)) for start in range(0, n, step)]


def _only(net: Network, start: int, stop: int) -> Network:
    """The network with some of its outputs; it is kept, with its plans and tapes."""
    kept: dict[tuple[int, int], Network] = net.kept.setdefault(_Outputs, {})
    if (start, stop) not in kept:
        kept[start, stop] = Network([*net.layers, _Outputs(slice(start, stop))], net.n[0])
    return kept[start, stop]


@dataclass(frozen=True)
class _Outputs(Layer):
    """The entries `part` of z."""

    part: slice = field(hash=False)

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return len(range(n_in)[self.part]), {}

    def g(self, w: Parameters, z: Array) -> Array:
        return z[:, self.part]

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        n = z.shape[-1]
        return {}, Sparse(eye_array(n, dtype=z.dtype, format="csr")[self.part])
