"""prograd, through its public names."""

from __future__ import annotations

from functools import partial
from typing import Any

import prograd
from prograd_experiments.peers.engines.base import Engine, Ways
from prograd_experiments.peers.given import Given, Numbers, Task


class Prograd(Engine):
    """One flat vector `w` in, one flat vector out."""

    distributions = ("prograd", "numpy", "scipy")

    def ways(self, task: Task, given: Given) -> Ways:
        """Of a Jacobian the mode that prograd picks, and each mode by itself."""
        affine, tanh = prograd.layer("affine", width=given.width), prograd.layer("tanh")
        net = prograd.Network([*(affine, tanh) * (len(given.layers) - 1), affine], n_in=given.width)
        parts = iter(given.layers)
        w = net.pack([dict(zip(shapes, next(parts), strict=True)) if shapes else {} for shapes in net.shapes])
        if task == "jacobian":
            modes: dict[str, prograd.ModeName] = {"": "auto", **{mode: mode for mode in prograd.MODES}}
            return {name: partial(prograd.jacobian, net, w, given.x, mode=mode) for name, mode in modes.items()}
        f = prograd.Objective(net, prograd.loss("softmax_cross_entropy"), given.x, given.y)
        if task == "per_sample":
            return {"": partial(f.per_sample_gradients, w)}
        return {"": partial(f.value_and_gradient, w, mode=task)}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers:
        """As they come."""
        return Numbers(*result) if task in {"reverse", "forward"} else Numbers(None, result)
