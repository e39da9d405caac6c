"""PyTorch, eager."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from prograd_experiments.peers.engines.base import Engine, Ways
from prograd_experiments.peers.given import Given, Numbers, Task, in_order


class Torch(Engine):
    """`torch.autograd.grad` for the gradient, `torch.func` for everything else."""

    distributions = ("torch", "numpy")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As it is."""
        return function

    def ways(self, task: Task, given: Given) -> Ways:
        """The gradient by `backward`'s machinery; `jacfwd`, `jacrev` and `vmap(grad)` from `torch.func`."""
        flat = [torch.tensor(np.asarray(part)) for layer in given.layers for part in layer]
        x, y = torch.tensor(given.x), torch.tensor(given.y)
        if task == "reverse":
            w = [part.requires_grad_() for part in flat]
            return {"": partial(value_and_gradient, self.compiled(objective), w, x, y)}
        if task == "forward":
            return {"": partial(self.compiled(torch.func.jacfwd(objective)), flat, x, y)}
        if task == "per_sample":
            return {"": partial(self.compiled(torch.func.vmap(torch.func.grad(of_one), (None, 0, 0))), flat, x, y)}
        return {
            name: partial(self.compiled(torch.func.vmap(by(network), (None, 0))), flat, x)
            for name, by in (("jacrev", torch.func.jacrev), ("jacfwd", torch.func.jacfwd))
        }

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers:
        """Gathered from the list of tensors."""
        value, derivative = result if task == "reverse" else (None, result)
        parts = [part.detach().numpy() for part in derivative]
        pairs = list(zip(parts[::2], parts[1::2], strict=True))
        return Numbers(None if value is None else float(value), in_order(pairs, parts[1].shape[:-1]))


def network(w: list[Any], x: Any) -> Any:
    """`h_x(w)`, of one sample or of several; `w` is `[W, b, W, b, …]`."""
    z = x
    for W, b in zip(w[:-2:2], w[1:-2:2], strict=True):
        z = torch.tanh(functional.linear(z, W, b))
    return functional.linear(z, w[-2], w[-1])


def objective(w: list[Any], x: Any, y: Any) -> Any:
    """The mean over the samples."""
    return functional.cross_entropy(network(w, x), y)


def of_one(w: list[Any], x: Any, y: Any) -> Any:
    """The loss of one sample."""
    return functional.cross_entropy(network(w, x), y)


def value_and_gradient(function: Callable[..., Any], w: list[Any], x: Any, y: Any) -> tuple[Any, Any]:
    """The value, and its gradient by each tensor."""
    value = function(w, x, y)
    return value, torch.autograd.grad(value, w)
