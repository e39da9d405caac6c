"""JAX, compiled with jit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from prograd_experiments.peers.engines.base import MAX_NORM, Engine, Given, Numbers, Task, Ways, in_order


class Jax(Engine):
    """Parameters are a list of pairs of arrays, as in JAX's own examples."""

    distributions = ("jax", "jaxlib", "numpy")
    compiles = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        # Enables float64; float32 stays float32.
        jax.config.update("jax_enable_x64", True)  # noqa: FBT003  (JAX's own signature)

    def ways(self, task: Task, given: Given) -> Ways:
        """`value_and_grad`, `jacfwd` of the objective, `jacrev` and `jacfwd` of the network, and `vmap(grad)`."""
        w, x, y = jax.tree.map(jnp.asarray, (list(given.layers), given.x, given.y))
        functions: dict[Task, tuple[Callable[..., Any], tuple[Any, ...]]] = {
            "reverse": (jax.value_and_grad(objective), (w,)),
            "forward": (jax.jacfwd(objective), (w,)),
            "per_sample": (jax.vmap(jax.grad(of_one), in_axes=(None, 0, 0)), (w,)),
            "last": (jax.value_and_grad(by_the_last_layer), (w[-1:], w[:-1])),
            "hessian": (hessian_vector, (w, w)),
            "clipped": (clipped, (w,)),
        }
        if task in functions:
            function, parameters = functions[task]
            return {"": _ready(jax.jit(function), *parameters, x, y)}
        each = {name: jax.vmap(by(network), in_axes=(None, 0)) for name, by in _JACOBIANS.items()}
        return {name: _ready(jax.jit(of), w, x) for name, of in each.items()}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers:
        value, derivative = result if task in {"reverse", "last"} else (None, result)
        leading = np.shape(derivative[0][1])[:-1]
        return Numbers(None if value is None else float(value), in_order(derivative, leading))


def network(w: Any, x: Any) -> Any:
    """`h_x(w)`, for one sample or several."""
    z = x
    for W, b in w[:-1]:
        z = jnp.tanh(z @ W.T + b)
    W, b = w[-1]
    return z @ W.T + b


def of_one(w: Any, x: Any, y: Any) -> Any:
    """The loss of one sample, or of each of several."""
    z = network(w, x)
    return jax.nn.logsumexp(z, axis=-1) - (y * z).sum(axis=-1)


def objective(w: Any, x: Any, y: Any) -> Any:
    """The mean over the samples."""
    return of_one(w, x, y).mean()


def by_the_last_layer(last: Any, others: Any, x: Any, y: Any) -> Any:
    """The objective, with the last layer's parameters apart."""
    return objective([*others, *last], x, y)


def hessian_vector(w: Any, v: Any, x: Any, y: Any) -> Any:
    """`∇²f(w) v`, forward over reverse mode."""
    return jax.jvp(lambda w: jax.grad(objective)(w, x, y), (w,), (v,))[1]


def clipped(w: Any, x: Any, y: Any) -> Any:
    """The mean of the gradients of all samples, none of them longer than `MAX_NORM`."""
    gradients = jax.vmap(jax.grad(of_one), in_axes=(None, 0, 0))(w, x, y)
    squares = sum((part.reshape(len(x), -1) ** 2).sum(axis=1) for part in jax.tree.leaves(gradients))
    shares = jnp.minimum(1, MAX_NORM / jnp.sqrt(squares)) / len(x)
    return jax.tree.map(lambda part: jnp.tensordot(shares, part, axes=1), gradients)


_JACOBIANS = {"jacrev": jax.jacrev, "jacfwd": jax.jacfwd}


def _ready(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return partial(_call, function, arguments)


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    # JAX returns results before they are computed.
    return jax.block_until_ready(function(*arguments))
