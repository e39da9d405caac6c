"""PyTorch, eager and compiled."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from prograd_experiments.peers.engines.base import MAX_NORM, Engine, Given, Numbers, Task, Ways, in_order


class Torch(Engine):
    """`torch.autograd.grad` for the gradient, `torch.func` for everything else."""

    distributions = ("torch", "numpy")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself; a subclass compiles it."""
        return function

    def ways(self, task: Task, given: Given) -> Ways:
        flat = [torch.tensor(np.asarray(part)) for layer in given.layers for part in layer]
        x, y = torch.tensor(given.x), torch.tensor(given.y)
        if task == "reverse":
            w = [part.requires_grad_() for part in flat]
            return {"": partial(value_and_gradient, self.compiled(objective), w, x, y)}
        functions: dict[Task, tuple[Callable[..., Any], tuple[Any, ...]]] = {
            "forward": (torch.func.jacfwd(objective), (flat,)),
            "per_sample": (torch.func.vmap(torch.func.grad(of_one), (None, 0, 0)), (flat,)),
            "hessian": (hessian_vector, (flat, [part.clone() for part in flat])),
        }
        if task in functions:
            function, parameters = functions[task]
            return {"": partial(self.compiled(function), *parameters, x, y)}
        if task == "last":
            w = [*flat[:-2], *(part.requires_grad_() for part in flat[-2:])]
            return {"": partial(value_and_gradient, self.compiled(objective), w, x, y)}
        if task == "clipped":
            return {"vmap": partial(self.compiled(clipped), flat, x, y), **self.ghosts(given, x, y)}
        return {
            name: partial(self.compiled(torch.func.vmap(by(network), (None, 0))), flat, x)
            for name, by in (("jacrev", torch.func.jacrev), ("jacfwd", torch.func.jacfwd))
        }

    def ghosts(self, given: Given, x: Any, y: Any) -> Ways:
        """Opacus' ghost clipping, where it is installed."""
        if importlib.util.find_spec("opacus") is None:
            return {}
        return {"opacus": importlib.import_module("prograd_experiments.peers.engines.opacus").way(given, x, y)}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers:
        value, derivative = result if task in {"reverse", "last"} else (None, result)
        parts = [part.detach().numpy() for part in derivative]
        pairs = list(zip(parts[::2], parts[1::2], strict=True))
        return Numbers(None if value is None else float(value), in_order(pairs, parts[1].shape[:-1]))


class TorchCompile(Torch):
    """The same functions, compiled with `torch.compile` for the shapes that they get."""

    compiles = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        # The first compilation sets the compiler up, which takes longer than any point should wait for. Without a C++
        # compiler it raises.
        self.compiled(lambda a: torch.tanh(a) + a)(torch.ones(32))

    def ways(self, task: Task, given: Given) -> Ways:
        torch.compiler.reset()  # code compiled for earlier points would slow down every call
        return super().ways(task, given)

    def ghosts(self, given: Given, x: Any, y: Any) -> Ways:
        """None: its hooks run in Python."""
        return {}

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        compiled: Callable[..., Any] = torch.compile(function, dynamic=False)
        return compiled


def network(w: list[Any], x: Any) -> Any:
    """`h_x(w)`, for one sample or several; `w` is `[W, b, W, b, …]`."""
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


def hessian_vector(w: list[Any], v: list[Any], x: Any, y: Any) -> Any:
    """`∇²f(w) v`, forward over reverse mode."""
    return torch.func.jvp(lambda w: torch.func.grad(objective)(w, x, y), (w,), (v,))[1]


def clipped(w: list[Any], x: Any, y: Any) -> list[Any]:
    """The mean of the gradients of all samples, none of them longer than `MAX_NORM`."""
    gradients = torch.func.vmap(torch.func.grad(of_one), (None, 0, 0))(w, x, y)
    norms = torch.stack([part.reshape(len(x), -1).norm(dim=1) for part in gradients]).norm(dim=0)
    shares = (MAX_NORM / norms).clamp(max=1) / len(x)
    return [torch.tensordot(shares, part, 1) for part in gradients]


def value_and_gradient(function: Callable[..., Any], w: list[Any], x: Any, y: Any) -> tuple[Any, Any]:
    """The value, and its gradient with respect to each tensor that requires one."""
    value = function(w, x, y)
    return value, torch.autograd.grad(value, [part for part in w if part.requires_grad])
