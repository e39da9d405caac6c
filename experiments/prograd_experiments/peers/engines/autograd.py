"""HIPS autograd: numpy's functions, recorded as they run."""

from __future__ import annotations

from functools import partial
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.misc.flatten import flatten
from autograd.scipy.special import logsumexp

from prograd_experiments.peers.engines.base import Array, Engine, Given, Numbers, Task, Ways, in_order


class Autograd(Engine):
    """Reverse mode; without `vmap`, it has no per-sample gradients."""

    distributions = ("autograd", "numpy")

    def ways(self, task: Task, given: Given) -> Ways:
        """The gradient, and the Jacobian of one sample, which takes the parameters as one vector."""
        if task == "reverse":
            return {"": partial(autograd.value_and_grad(objective), list(given.layers), given.x, given.y)}
        if task == "last":
            *others, last = given.layers
            by_last = autograd.value_and_grad(lambda last: objective([*others, *last], given.x, given.y))
            return {"": partial(by_last, [last])}
        if task == "jacobian" and len(given.x) == 1:
            w, unflatten = flatten(list(given.layers))
            return {"": partial(autograd.jacobian(lambda w: network(unflatten(w), given.x)[0]), w)}
        return {}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers:
        if task in {"reverse", "last"}:
            return Numbers(float(result[0]), in_order(result[1]))
        ends = np.cumsum([size for W, b in given.layers for size in (W.size, b.size)])
        parts: list[Array] = np.split(result, ends[:-1], axis=1)
        return Numbers(None, in_order(list(zip(parts[::2], parts[1::2], strict=True)), (len(result),))[None])


def network(w: Any, x: Any) -> Any:
    """`h_x(w)`."""
    z = x
    for W, b in w[:-1]:
        z = anp.tanh(anp.dot(z, W.T) + b)
    W, b = w[-1]
    return anp.dot(z, W.T) + b


def objective(w: Any, x: Any, y: Any) -> Any:
    """The mean over the samples."""
    z = network(w, x)
    return anp.mean(logsumexp(z, axis=1) - anp.sum(y * z, axis=1))
