"""Ghost clipping by Opacus, a way of PyTorch's: norms of gradients from `‖q‖ ‖z‖`, then a second backward pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from torch.nn import functional

from prograd_experiments.peers.engines.base import MAX_NORM, Given


def way(given: Given, x: Any, y: Any) -> Callable[[], Any]:
    """The call to time, on a module with the given parameters."""
    modules: list[Any] = []
    for W, b in given.layers:
        affine = torch.nn.Linear(W.shape[1], W.shape[0], dtype=x.dtype)
        affine.weight.data, affine.bias.data = torch.tensor(W), torch.tensor(b)
        modules += [affine, torch.nn.Tanh()]
    chain = torch.nn.Sequential(*modules[:-1])
    module = GradSampleModuleFastGradientClipping(chain, max_grad_norm=MAX_NORM, use_ghost_clipping=True)
    return partial(clipped, module, x, y)


def clipped(module: Any, x: Any, y: Any) -> list[Any]:
    """What `DPLossFastGradientClipping.backward` does, but for the 1e-6 that it adds to each norm."""
    losses = functional.cross_entropy(module(x), y, reduction="none")
    losses.mean().backward(retain_graph=True)
    shares = (MAX_NORM / module.get_norm_sample()).clamp(max=1)
    module.zero_grad(set_to_none=True)
    module.disable_hooks()
    (shares * losses).mean().backward()
    module.enable_hooks()
    gradient = [part.grad for part in module.parameters()]
    module.zero_grad(set_to_none=True)
    return gradient
