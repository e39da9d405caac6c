"""The floor: only the matrix products that a task needs, written into preallocated arrays."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from prograd_benchmarks import floor
from prograd_experiments.peers.engines.base import Engine, Given, Numbers, Task, Ways


class Floor(Engine):
    """Products of the right shapes. The factors hold ones, so the products are no result."""

    distributions = ("numpy",)

    def ways(self, task: Task, given: Given) -> Ways:
        """A Jacobian has no floor: which products it needs depends on the bracketing."""
        shapes = [W.shape for W, _ in given.layers]
        if task == "reverse":
            return {"": floor.reverse(shapes, len(given.x), given.x.dtype)}
        if task == "forward":
            return {"": floor.forward(shapes, len(given.x), given.x.dtype)}
        return {"": partial(per_sample, *_per_sample(given))} if task == "per_sample" else {}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers | None:
        return None


def per_sample(factors: list[tuple[Any, Any, Any]], outer: list[tuple[Any, Any, Any]]) -> None:
    """The products, and the outer product of two vectors for each sample."""
    floor.products(factors)
    for q, z, out in outer:
        np.einsum("ni,nj->nij", q, z, out=out)  # quicker than a broadcast product or a stack of matrix products


def _per_sample(given: Given) -> tuple[list[tuple[Any, Any, Any]], list[tuple[Any, Any, Any]]]:
    """`z W^T` and `q W`, and `q z^T` for each sample."""
    N, n = given.x.shape
    z, out = np.ones_like(given.x), np.ones_like(given.x)
    shared = [(z, W.T, out) for W, _ in given.layers] + [(z, W, out) for W, _ in given.layers[1:]]
    return shared, [(z, z, np.ones((N, n, n), given.x.dtype)) for _ in given.layers]
