"""The floor: the matrix products that a task can not do without, alone, into memory that is kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from prograd_benchmarks import floor
from prograd_experiments.peers.engines.base import Engine, Ways
from prograd_experiments.peers.given import Given, Numbers, Task


class Floor(Engine):
    """Products of the right shapes; what they multiply is of no interest, so nothing is ever computed with them."""

    distributions = ("numpy",)

    def ways(self, task: Task, given: Given) -> Ways:
        """A Jacobian has none: which products it needs depends on the bracketing."""
        shapes = [W.shape for W, _ in given.layers]
        if task == "reverse":
            return {"": floor.reverse(shapes, len(given.x), given.x.dtype)}
        if task == "forward":
            return {"": floor.forward(shapes, len(given.x), given.x.dtype)}
        return {"": partial(per_sample, *_per_sample(given))} if task == "per_sample" else {}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers | None:
        """Nothing."""
        return None


def per_sample(factors: list[tuple[Any, Any, Any]], outer: list[tuple[Any, Any, Any]]) -> None:
    """The products, and for each sample the outer product of two vectors."""
    floor.products(factors)
    for q, z, out in outer:
        np.einsum("ni,nj->nij", q, z, out=out)  # quicker than a broadcast product, or a stack of matrix products


def _per_sample(given: Given) -> tuple[list[tuple[Any, Any, Any]], list[tuple[Any, Any, Any]]]:
    """`z W^T` and `q W`, and `q z^T` for each sample."""
    N, n = given.x.shape
    z, out = np.ones_like(given.x), np.ones_like(given.x)
    shared = [(z, W.T, out) for W, _ in given.layers] + [(z, W, out) for W, _ in given.layers[1:]]
    return shared, [(z, z, np.ones((N, n, n), given.x.dtype)) for _ in given.layers]
