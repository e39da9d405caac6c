"""numpy, by hand: what someone who knows numpy and the chain rule writes for this network alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from prograd_experiments.peers.engines.base import MAX_NORM, Array, Engine, Given, Layers, Numbers, Task, Ways, in_order


class Numpy(Engine):
    """In place wherever an array is no longer needed; no memory is kept from call to call."""

    distributions = ("numpy",)

    def ways(self, task: Task, given: Given) -> Ways:
        """There is no forward mode: by hand, that is a program of prograd's size."""
        functions = {
            "reverse": value_and_gradient,
            "jacobian": jacobian,
            "per_sample": per_sample_gradients,
            "clipped": clipped_gradient,
            "last": by_the_last_layer,
            "hessian": hessian_vector,
        }
        return {"": partial(functions[task], given)} if task in functions else {}

    def numbers(self, task: Task, given: Given, result: Any) -> Numbers:
        if task in {"reverse", "forward", "last"}:
            return Numbers(float(result[0]), in_order(result[1]))
        return Numbers(None, in_order(result, result[0][1].shape[:-1]))


def value_and_gradient(given: Given) -> tuple[Any, Layers]:
    """The mean over the samples, and `(dW, db)` of each layer."""
    z = forward_pass(given)
    value, q = cross_entropy(z[-1], given.y)
    q /= len(q)
    gradient: list[tuple[Array, Array]] = []
    for i in reversed(range(len(given.layers))):
        gradient.append((q.T @ z[i], np.add.reduce(q, axis=0)))
        if i > 0:
            q = q @ given.layers[i][0]
            q *= _slope(z[i])
    return np.add.reduce(value) / len(q), gradient[::-1]


def by_the_last_layer(given: Given) -> tuple[Any, Layers]:
    """The mean over the samples, and `(dW, db)` of the last layer."""
    *_, z, output = forward_pass(given)
    value, q = cross_entropy(output, given.y)
    q /= len(q)
    return np.add.reduce(value) / len(q), [(q.T @ z, np.add.reduce(q, axis=0))]


def hessian_vector(given: Given) -> Layers:
    """`∇²f(w) w`, as `(dW, db)` of each layer: both passes, and how they move along `w`."""
    z, dz = [given.x], [np.zeros((1, 1))]
    for i, (W, b) in enumerate(given.layers):
        V, c = W, b  # the direction
        a, da = z[i] @ W.T, z[i] @ V.T
        a += b
        da += c
        if i > 0:
            da += dz[i] @ W.T
        if i + 1 < len(given.layers):
            np.tanh(a, out=a)
            da *= 1 - a * a
        z.append(a)
        dz.append(da)
    _, q = cross_entropy(z[-1], given.y)
    p = q + given.y
    dq = p * (dz[-1] - np.vecdot(p, dz[-1])[:, None])
    q /= len(q)
    dq /= len(q)
    found: list[tuple[Array, Array]] = []
    for i in reversed(range(len(given.layers))):
        W = V = given.layers[i][0]
        dW = dq.T @ z[i]
        if i > 0:
            dW += q.T @ dz[i]
        found.append((dW, np.add.reduce(dq, axis=0)))
        if i > 0:
            dq = dq @ W
            dq += q @ V
            q = q @ W
            slope = 1 - z[i] * z[i]
            dq *= slope
            dq -= 2 * q * z[i] * dz[i]
            q *= slope
    return found[::-1]


def per_sample_gradients(given: Given) -> Layers:
    """`(dW, db)` of each layer, each with a leading axis for the samples."""
    z = forward_pass(given)
    _, q = cross_entropy(z[-1], given.y)
    gradient: list[tuple[Array, Array]] = []
    for i in reversed(range(len(given.layers))):
        gradient.append((np.einsum("ni,nj->nij", q, z[i]), q))  # quicker than a broadcast product
        if i > 0:
            q = q @ given.layers[i][0]
            q *= _slope(z[i])
    return gradient[::-1]


def clipped_gradient(given: Given) -> Layers:
    """The mean of `min(1, MAX_NORM/‖∇_n‖) ∇_n`: `(dW, db)` of each layer. `‖q z^T‖ = ‖q‖ ‖z‖` gives the norms."""
    z = forward_pass(given)
    _, q = cross_entropy(z[-1], given.y)
    squares, kept = np.zeros(len(q), q.dtype), []
    for i in reversed(range(len(given.layers))):
        squares += np.vecdot(q, q) * (1 + np.vecdot(z[i], z[i]))
        kept.append(q)
        if i > 0:
            q = q @ given.layers[i][0]
            q *= 1 - z[i] * z[i]
    shares = (np.minimum(1, MAX_NORM / np.sqrt(squares)) / len(q))[:, None]
    gradient: list[tuple[Array, Array]] = []
    for q_next, z_i in zip(reversed(kept), z, strict=False):
        scaled = np.multiply(q_next, shares, out=q_next)
        gradient.append((scaled.T @ z_i, np.add.reduce(scaled, axis=0)))
    return gradient


def jacobian(given: Given) -> Layers:
    """`(∂h/∂W, ∂h/∂b)` of each layer, each with leading axes for the samples and the outputs."""
    z = forward_pass(given)
    N, n = z[-1].shape
    q = np.zeros((N, n, n), z[-1].dtype)
    q[:, range(n), range(n)] = 1
    found: list[tuple[Array, Array]] = []
    for i in reversed(range(len(given.layers))):
        found.append((np.einsum("noi,nj->noij", q, z[i]), q))
        if i > 0:
            q = q @ given.layers[i][0]
            q *= _slope(z[i])[:, None, :]
    return found[::-1]


def forward_pass(given: Given) -> list[Array]:
    """`z^1 … z^{L+1}`: the input, the output of each tanh, and the output."""
    z = [given.x]
    for W, b in given.layers:
        a = z[-1] @ W.T
        a += b
        if len(z) < len(given.layers):
            np.tanh(a, out=a)
        z.append(a)
    return z


def cross_entropy(z: Array, y: Array) -> tuple[Array, Array]:
    """`logsumexp(z) − y·z` of each sample, and its gradient `softmax(z) − y`; `z` is overwritten."""
    z -= np.maximum.reduce(z, axis=1, keepdims=True)
    q = np.exp(z)
    total = np.add.reduce(q, axis=1, keepdims=True)
    z *= y
    value = np.log(total[:, 0])
    value -= np.add.reduce(z, axis=1)
    q /= total
    q -= y
    return value, q


def _slope(z: Array) -> Array:
    """`tanh' = 1 − tanh²`, written over the output of the tanh."""
    np.multiply(z, z, out=z)
    return np.subtract(1, z, out=z)
