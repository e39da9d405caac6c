"""prograd, through its public names."""

from __future__ import annotations

from functools import partial
from typing import Any

import prograd
from prograd_experiments.peers.engines.base import MAX_NORM, Engine, Given, Numbers, Task, Ways


class Prograd(Engine):
    """Takes and returns one flat vector. The first call runs a mode, the second records it, later ones replay it."""

    distributions = ("prograd", "numpy", "scipy")
    warm_up_calls = 2

    def ways(self, task: Task, given: Given) -> Ways:
        """A Jacobian has a way for the mode that prograd chooses, and one for each mode."""
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
        if task == "last":
            return {"": partial(f.value_and_gradient, w, layers=[-1])}
        if task == "hessian":
            return {"": partial(f.hessian_vector, w, w.copy())}
        if task == "clipped":
            return {"": partial(f.clipped_gradient, w, MAX_NORM)}
        return {"": partial(f.value_and_gradient, w, mode=task)}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers:
        return Numbers(*result) if task in {"reverse", "forward", "last"} else Numbers(None, result)
