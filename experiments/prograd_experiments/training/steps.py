"""The optimizers: each takes `w` one epoch further and keeps all that it remembers in the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

import prograd
from prograd.errors import NonFiniteError
from prograd_experiments.config import Config
from prograd_experiments.samples import Array
from prograd_experiments.training.lesson import Lesson, Part
from prograd_experiments.training.state import State

Step = Callable[[State, Lesson, Config], None]


@dataclass(frozen=True)
class Watch:
    """Checks that numbers are finite. Raises `NonFiniteError`, which names the first layer whose output is not."""

    net: prograd.Network
    loss: prograd.Loss
    part: Part

    def finite(self, w: Array, *numbers: Array | float) -> None:
        """`w` and the numbers computed at it are finite."""
        if not all(np.isfinite(each).all() for each in (w, *numbers)):
            raise NonFiniteError(self._first(w))

    def _first(self, w: Array) -> str:
        z = self.part.x
        for i, (layer, w_i) in enumerate(zip(self.net.layers, self.net.unpack(w), strict=True)):
            z = layer.g(w_i, z)
            bad = np.argwhere(~np.isfinite(z))
            if len(bad):
                sample, output = map(int, bad[0])
                got = f"{z[sample, output]} at sample {sample}, output {output}"
                return f"{self.net.describe(i)}: expected finite outputs, got {got}; it is the first such layer"
        if not np.isfinite(self.loss.value(z, self.part.y)).all():
            return (
                f"loss {self.loss.name}: expected finite values, got some that are not; every layer's output is finite"
            )
        return "gradient: expected finite numbers, got some that are not; every layer's output and the loss are finite"


def gradient_descent(state: State, lesson: Lesson, config: Config) -> None:
    """`w := w − rate ∇f(w)`, once an epoch."""
    state.w = state.w - config["optimizer"]["rate"] * _gradient(lesson, lesson.train, config)(state.w)[1]


def sgd(state: State, lesson: Lesson, config: Config) -> None:
    """`v := momentum v − rate ∇f_B(w)`, `w := w + v` for each batch B; an epoch uses every sample once."""
    rate, momentum = (config["optimizer"][key] for key in ("rate", "momentum"))
    for part in _batches(state, lesson, config):
        state.v = momentum * state.v - rate * _gradient(lesson, part, config)(state.w)[1]
        state.w = state.w + state.v


def adam(state: State, lesson: Lesson, config: Config) -> None:
    """`v := β₁ v + (1 − β₁) g`, `s := β₂ s + (1 − β₂) g²`, `w := w − rate v̂ / (√ŝ + ε)` for each batch's gradient g.

    `v̂ = v / (1 − β₁ᵗ)` and `ŝ = s / (1 − β₂ᵗ)` at the step t, which counts from 1. Source: Kingma and Ba (2015).
    """
    rate, beta1, beta2, epsilon = (config["optimizer"][key] for key in ("rate", "beta1", "beta2", "epsilon"))
    parts = list(_batches(state, lesson, config))
    for t, part in enumerate(parts, state.epoch * len(parts) + 1):
        g = _gradient(lesson, part, config)(state.w)[1]
        state.v = beta1 * state.v + (1 - beta1) * g
        state.s = beta2 * state.s + (1 - beta2) * g**2
        state.w = state.w - rate * (state.v / (1 - beta1**t)) / (np.sqrt(state.s / (1 - beta2**t)) + epsilon)


def lbfgs(state: State, lesson: Lesson, config: Config) -> None:
    """Up to `iterations` iterations of scipy's L-BFGS-B, which begins each epoch without a memory of the one before.

    scipy's memory can't be saved, so this is the price of exact continuation from a checkpoint.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  (slow to import, and every job imports this module)

    most, memory = config["optimizer"]["iterations"], config["optimizer"]["memory"]
    fun = _gradient(lesson, lesson.train, config)
    found = minimize(fun, state.w, jac=True, method="L-BFGS-B", options={"maxiter": most, "maxcor": memory})
    state.w = found.x.astype(state.w.dtype)
    state.converged = bool(found.success)


STEPS: Mapping[str, Step] = MappingProxyType(
    {"gradient_descent": gradient_descent, "sgd": sgd, "adam": adam, "lbfgs": lbfgs}
)


def _batches(state: State, lesson: Lesson, config: Config) -> Iterator[Part]:
    """The training samples in batches, in an order that follows from the seed and the epoch."""
    batch = config["optimizer"]["batch"]
    order = np.random.default_rng([config["seed"], state.epoch]).permutation(len(lesson.train.x))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        yield Part(lesson.train.x[rows], lesson.train.y[rows])


def _gradient(lesson: Lesson, part: Part, config: Config) -> Callable[[Array], tuple[float, Array]]:
    f = lesson.objective(part)
    watch = Watch(lesson.net, lesson.loss, part)

    def value_and_gradient(w: Array) -> tuple[float, Array]:
        watch.finite(w)
        value, part = f.value_and_gradient(w, mode=config["mode"], layers=lesson.trained)
        gradient = lesson.in_place(part)
        watch.finite(w, value, gradient)
        return value, gradient

    return value_and_gradient
