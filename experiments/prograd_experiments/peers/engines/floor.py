"""The floor: the matrix products that a task can not do without, alone, into memory that is kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from prograd_experiments.peers.engines.base import Engine, Ways
from prograd_experiments.peers.given import Given, Numbers, Task

FEWEST_ROWS, MOST_ROWS = 512, 2048  # of a product in forward mode; more or fewer made it slower


class Floor(Engine):
    """Products of the right shapes; what they multiply is of no interest, so nothing is ever computed with them."""

    distributions = ("numpy",)

    def ways(self, task: Task, given: Given) -> Ways:
        """A Jacobian has none: which products it needs depends on the bracketing."""
        if task == "reverse":
            return {"": partial(products, _reverse(given))}
        if task == "per_sample":
            return {"": partial(per_sample, *_per_sample(given))}
        return {"": partial(repeated, _forward(given))} if task == "forward" else {}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers | None:
        """Nothing."""
        return None


def products(factors: list[tuple[Any, Any, Any]]) -> None:
    """`a b` into `out` for each `(a, b, out)`."""
    for a, b, out in factors:
        np.dot(a, b, out=out)


def repeated(factors: list[tuple[int, Any, Any, Any]]) -> None:
    """`a b` into `out`, so many times, for each `(times, a, b, out)`."""
    for times, a, b, out in factors:
        for _ in range(times):
            np.dot(a, b, out=out)


def per_sample(factors: list[tuple[Any, Any, Any]], outer: list[tuple[Any, Any, Any]]) -> None:
    """The products, and for each sample the outer product of two vectors."""
    products(factors)
    for q, z, out in outer:
        np.einsum("ni,nj->nij", q, z, out=out)  # quicker than a broadcast product, or a stack of matrix products


def _reverse(given: Given) -> list[tuple[Any, Any, Any]]:
    """Three for each layer, two for the first: `z W^T`, `q^T z`, `q W`."""
    z = [np.ones_like(given.x) for _ in range(len(given.layers) + 1)]
    there = [(z[i], W.T, z[i + 1]) for i, (W, _) in enumerate(given.layers)]
    back: list[tuple[Any, Any, Any]] = []
    q, q_next = np.ones_like(given.x), np.ones_like(given.x)
    for i, (W, _) in reversed(list(enumerate(given.layers))):
        back.append((q_next.T, z[i], np.empty_like(W)))
        if i > 0:
            back.append((q_next, W, q))
            q, q_next = q_next, q
    return there + back


def _per_sample(given: Given) -> tuple[list[tuple[Any, Any, Any]], list[tuple[Any, Any, Any]]]:
    """`z W^T` and `q W`, and `q z^T` for each sample."""
    N, n = given.x.shape
    z, out = np.ones_like(given.x), np.ones_like(given.x)
    shared = [(z, W.T, out) for W, _ in given.layers] + [(z, W, out) for W, _ in given.layers[1:]]
    return shared, [(z, z, np.ones((N, n, n), given.x.dtype)) for _ in given.layers]


def _forward(given: Given) -> list[tuple[int, Any, Any, Any]]:
    """`J W^T` for each layer but the first, with a row for each sample of each parameter before it, in chunks."""
    N, n = given.x.shape
    step = min(max(8 * n, FEWEST_ROWS), MOST_ROWS)
    J, out = np.ones((step, n), given.x.dtype), np.ones((step, n), given.x.dtype)
    found = []
    for i, (W, _) in enumerate(given.layers):
        whole, rest = divmod(N * i * n * (n + 1), step)
        found += [(whole, J, W.T, out), (1 if rest else 0, J[:rest], W.T, out[:rest])]
    return found
