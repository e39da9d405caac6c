"""The floor: only the matrix products that a task needs, written into preallocated arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from prograd_benchmarks import floor
from prograd_experiments.peers.engines.base import Engine, Given, Numbers, Task, Ways
from prograd_experiments.peers.engines.mkl import by_mkl, library


class Floor(Engine):
    """Products of the right shapes by numpy's BLAS. The factors hold ones, so the products are no result."""

    distributions: ClassVar[tuple[str, ...]] = ("numpy",)
    bind = staticmethod(floor.by_numpy)

    def ways(self, task: Task, given: Given) -> Ways:
        """A Jacobian has no floor: which products it needs depends on the bracketing."""
        shapes = [W.shape for W, _ in given.layers]
        if task in {"reverse", "clipped"}:
            return {"": floor.reverse(shapes, len(given.x), given.x.dtype, self.bind)}
        if task == "last":
            return {"": floor.last(shapes, len(given.x), given.x.dtype, self.bind)}
        if task == "hessian":
            return {"": floor.hessian_vector(shapes, len(given.x), given.x.dtype, self.bind)}
        if task == "forward":
            return {"": floor.forward(shapes, len(given.x), given.x.dtype, self.bind)}
        return {"": partial(per_sample, *_per_sample(given, self.bind))} if task == "per_sample" else {}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers | None:
        return None


class FloorMkl(Floor):
    """The same products by MKL, on its own threads."""

    distributions: ClassVar[tuple[str, ...]] = ("numpy", "mkl")
    bind = staticmethod(by_mkl)

    def __init__(self, threads: int) -> None:
        library()  # without it, this engine is not installed
        super().__init__(threads)


def per_sample(calls: Sequence[floor.Call], outer: Sequence[tuple[Any, Any, Any]]) -> None:
    """The products, and the outer product of two vectors for each sample."""
    floor.products(calls)
    for q, z, out in outer:
        np.einsum("ni,nj->nij", q, z, out=out)  # quicker than a broadcast product or a stack of matrix products


def _per_sample(given: Given, bind: floor.Bind) -> tuple[list[floor.Call], list[tuple[Any, Any, Any]]]:
    """`z W^T` and `q W`, and `q z^T` for each sample."""
    N, n = given.x.shape
    z, out = np.ones_like(given.x), np.ones_like(given.x)
    shared = [bind(z, W.T, out) for W, _ in given.layers] + [bind(z, W, out) for W, _ in given.layers[1:]]
    return shared, [(z, z, np.ones((N, n, n), given.x.dtype)) for _ in given.layers]
