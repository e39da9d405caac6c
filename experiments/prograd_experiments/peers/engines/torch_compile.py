"""PyTorch, compiled with `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from prograd_experiments.peers.engines.base import Ways
from prograd_experiments.peers.engines.torch import Torch
from prograd_experiments.peers.given import Given, Task


class TorchCompile(Torch):
    """The same functions as `Torch`, compiled for the shapes that they get."""

    compiles = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        # The first compilation sets the compiler up, which takes longer than any point should wait for; where there is
        # no C++ compiler, it raises.
        self.compiled(lambda a: torch.tanh(a) + a)(torch.ones(32))

    def ways(self, task: Task, given: Given) -> Ways:
        """The same."""
        torch.compiler.reset()  # what was compiled for another point would only be looked through
        return super().ways(task, given)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compiled for fixed shapes."""
        compiled: Callable[..., Any] = torch.compile(function, dynamic=False)
        return compiled
