"""The optimizers: each takes `w` one epoch further, and keeps all that it remembers in the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

import prograd
from prograd_experiments.config import Config
from prograd_experiments.samples import Array
from prograd_experiments.training.finite import Watch
from prograd_experiments.training.lesson import Lesson, Part
from prograd_experiments.training.state import State

Step = Callable[[State, Lesson, Config], None]


def gradient_descent(state: State, lesson: Lesson, config: Config) -> None:
    """`w := w − rate ∇f(w)`, once an epoch."""
    state.w = state.w - config["optimizer"]["rate"] * _gradient(lesson, lesson.train, config)(state.w)[1]


def sgd(state: State, lesson: Lesson, config: Config) -> None:
    """`v := momentum v − rate ∇f_B(w)`, `w := w + v` for each batch B; an epoch sees every sample once.

    The order of the samples comes from the seed and the number of the epoch, so there is nothing else to remember.
    """
    rate, momentum, batch = (config["optimizer"][key] for key in ("rate", "momentum", "batch"))
    order = np.random.default_rng([config["seed"], state.epoch]).permutation(len(lesson.train.x))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        part = Part(lesson.train.x[rows], lesson.train.y[rows])
        state.v = momentum * state.v - rate * _gradient(lesson, part, config)(state.w)[1]
        state.w = state.w + state.v


def lbfgs(state: State, lesson: Lesson, config: Config) -> None:
    """So many iterations of scipy's L-BFGS-B, which begins each epoch without a memory of the one before.

    That is the price of going on from a checkpoint as if nothing had happened: scipy's memory can't be saved.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  (takes a while to import, and every job imports this module)

    most, memory = config["optimizer"]["iterations"], config["optimizer"]["memory"]
    fun = _gradient(lesson, lesson.train, config)
    found = minimize(fun, state.w, jac=True, method="L-BFGS-B", options={"maxiter": most, "maxcor": memory})
    state.w = found.x.astype(state.w.dtype)
    state.converged = bool(found.success)


STEPS: Mapping[str, Step] = MappingProxyType({"gradient_descent": gradient_descent, "sgd": sgd, "lbfgs": lbfgs})


def _gradient(lesson: Lesson, part: Part, config: Config) -> Callable[[Array], tuple[float, Array]]:
    f = prograd.Objective(lesson.net, lesson.loss, part.x, part.y)
    watch = Watch(lesson.net, lesson.loss, part)

    def value_and_gradient(w: Array) -> tuple[float, Array]:
        watch.parameters(w)
        value, gradient = f.value_and_gradient(w, mode=config["mode"])
        watch.result(w, value, gradient)
        return value, gradient

    return value_and_gradient
