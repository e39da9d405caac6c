"""Layers, losses and gradients in 60-digit arithmetic, as their formulas say: the right values at the edges.

Numbers are `mpf`s in numpy arrays of objects, one sample at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import numpy as np

import prograd

mp = mpmath.MPContext()
mp.dps = 60

Array = np.ndarray[Any, np.dtype[Any]]
Blocks = tuple[Array, dict[str, Array], Array]


def exact(a: Any) -> Array:
    """The same numbers as `mpf`s."""
    return np.frompyfunc(lambda x: x if isinstance(x, mp.mpf) else mp.mpf(float(x)), 1, 1)(np.asarray(a))


def _each(f: Callable[..., Any], *a: Array) -> Array:
    return np.asarray(np.frompyfunc(f, len(a), 1)(*a), dtype=object)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + mp.exp(-z))


def normal(z: Any) -> Any:
    return mp.erfc(-z / mp.sqrt(2)) / 2


def density(z: Any) -> Any:
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


ACTIVATIONS: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "relu": (lambda _, z: max(z, mp.mpf(0)), lambda _, z: mp.mpf(z > 0)),
    "leaky_relu": (lambda g, z: z if z > 0 else g.slope * z, lambda g, z: mp.mpf(1 if z > 0 else g.slope)),
    "elu": (
        lambda g, z: z if z > 0 else g.alpha * mp.expm1(z),
        lambda g, z: mp.mpf(1) if z > 0 else g.alpha * mp.exp(z),
    ),
    "sigmoid": (lambda _, z: sigmoid(z), lambda _, z: sigmoid(z) * sigmoid(-z)),
    "tanh": (lambda _, z: mp.tanh(z), lambda _, z: mp.sech(z) ** 2),
    "softplus": (lambda _, z: mp.log1p(mp.exp(z)), lambda _, z: sigmoid(z)),
    "silu": (lambda _, z: z * sigmoid(z), lambda _, z: sigmoid(z) * (1 + z * sigmoid(-z))),
    "gelu": (lambda _, z: z * normal(z), lambda _, z: normal(z) + z * density(z)),
    "sine": (lambda g, z: mp.sin(g.omega * z), lambda g, z: g.omega * mp.cos(g.omega * z)),
}
"""`φ` and `φ'` of each activation, from the layer and a number."""


def softmax(z: Array) -> Array:
    e = _each(mp.exp, z - max(z))
    return e / e.sum()


def covariance(p: Array) -> Array:
    """`diag(p) − p p^T`, with `p_j Σ_{k≠j} p_k` on the diagonal."""
    C = -np.outer(p, p)
    for j in range(len(p)):
        C[j, j] = p[j] * sum((p[k] for k in range(len(p)) if k != j), mp.mpf(0))
    return C


def layer_norm(g: Any, z: Array) -> tuple[Array, Array]:
    """`x̂` and its derivative."""
    n = len(z)
    x = z - z.sum() / n
    variance = (x * x).sum() / n + mp.mpf(g.eps)
    sigma = mp.sqrt(variance)
    return x / sigma, (exact(np.eye(n)) - mp.mpf(1) / n - np.outer(x, x) / variance / n) / sigma


def blocks(  # noqa: PLR0911  (a case for each layer)
    g: Any, w: Mapping[str, Array], z: Array
) -> Blocks:
    """`z_next`, `A` and `B` of a layer."""
    n, name = len(z), g.name
    eye = exact(np.eye(n))
    if name == "affine":
        A = {"W": np.kron(exact(np.eye(g.width)), z)}
        if g.bias:
            A["b"] = exact(np.eye(g.width))
        return w["W"] @ z + w.get("b", 0), A, w["W"]
    if name == "softmax":
        p = softmax(z)
        return p, {}, covariance(p)
    if name == "scale_shift":
        return w["scale"] * z + w["shift"], {"scale": np.diag(z), "shift": eye}, np.diag(w["scale"])
    if name == "layer_norm":
        xhat, B = layer_norm(g, z)
        if not g.affine:
            return xhat, {}, B
        return w["gamma"] * xhat + w["beta"], {"gamma": np.diag(xhat), "beta": eye}, w["gamma"][:, None] * B
    if name == "residual":
        return _residual(g, w, z)
    phi, dphi = ACTIVATIONS[name]
    return _each(lambda x: phi(g, x), z), {}, np.diag(_each(lambda x: dphi(g, x), z))


def _residual(g: Any, w: Mapping[str, Array], z: Array) -> Blocks:
    state, A, through = z, {}, exact(np.eye(len(z)))
    for k, inner in enumerate(g.inner):
        own = {name.partition(".")[2]: a for name, a in w.items() if name.startswith(f"{k}.")}
        state, A_k, B_k = blocks(inner, own, state)
        A = {name: B_k @ a for name, a in A.items()} | {f"{k}.{name}": a for name, a in A_k.items()}
        through = B_k @ through
    return z + state, A, exact(np.eye(len(z))) + through


def softmax_cross_entropy(_: Any, z: Array, y: Array) -> tuple[Any, Array, Array]:
    """In forms that need no more than 60 digits: `p_k Σy − y_k = Σ_j (p_k y_j − p_j y_k)`."""
    n, p, top = len(z), softmax(z), int(np.argmax(z))
    value = mp.log1p(sum((mp.exp(z[j] - z[top]) for j in range(n) if j != top), mp.mpf(0)))
    q = [sum((p[k] * y[j] - p[j] * y[k] for j in range(n) if j != k), mp.mpf(0)) for k in range(n)]
    return y.sum() * value + (y * (z[top] - z)).sum(), np.array(q, dtype=object), y.sum() * covariance(p)


def logistic(_: Any, z: Array, y: Array) -> tuple[Any, Array, Array]:
    terms = _each(lambda z_k, y_k: (1 - y_k) * max(z_k, 0) + y_k * max(-z_k, 0) + mp.log1p(mp.exp(-abs(z_k))), z, y)
    slopes = _each(lambda z_k, y_k: sigmoid(z_k) * (1 - y_k) - y_k * sigmoid(-z_k), z, y)
    return terms.sum(), slopes, np.diag(_each(lambda z_k: sigmoid(z_k) * sigmoid(-z_k), z))


def squared_error(_: Any, z: Array, y: Array) -> tuple[Any, Array, Array]:
    return ((z - y) ** 2).sum() / 2, z - y, exact(np.eye(len(z)))


def huber(loss: Any, z: Array, y: Array) -> tuple[Any, Array, Array]:
    delta = mp.mpf(loss.delta)
    r = z - y
    c = _each(lambda a: min(max(a, -delta), delta), r)
    return (c * (r - c / 2)).sum(), c, np.diag(_each(lambda a: mp.mpf(abs(a) <= delta), r))


def hinge(_: Any, z: Array, y: Array) -> tuple[Any, Array, Array]:
    t = int(np.argmax([float(a) for a in y]))
    others = [z_k if k != t else mp.mpf("-inf") for k, z_k in enumerate(z)]
    excess, q = 1 + max(others) - z[t], exact(np.zeros(len(z)))
    if excess > 0:
        q[others.index(max(others))] = mp.mpf(1)
        q[t] = mp.mpf(-1)
    return max(excess, mp.mpf(0)), q, exact(np.zeros((len(z), len(z))))


LOSSES: Mapping[str, Callable[..., tuple[Any, Array, Array]]] = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "logistic": logistic,
    "squared_error": squared_error,
    "huber": huber,
    "hinge": hinge,
}
"""Value, gradient and hessian of each loss, from the loss, outputs and a label."""


Rounded = Callable[[Array], Array]


def derivatives(
    f: prograd.Objective, w: Array, x: Array, y: Array, rounded: Rounded = lambda a: a
) -> tuple[Array, Array, Array]:
    """The loss, the gradient and the Jacobian of each sample, by the recursion in matrices.

    `rounded` may move every array on the way: with as much as rounding would, it tells how far results may be off.
    """
    net, results = f.net, []
    parameters = [{name: exact(a) for name, a in w_i.items()} for w_i in net.unpack(w)]
    for x_n, y_n in zip(exact(x), exact(y), strict=True):
        z, J = x_n, exact(np.zeros((net.n[0], 0)))
        for g, w_i in zip(net.layers, parameters, strict=True):
            z, A, B = blocks(g, w_i, rounded(z))
            J = np.concatenate([*(rounded(A[name]) for name in w_i), rounded(B) @ J], axis=1)
        value, q, _ = LOSSES[f.loss.name](f.loss, rounded(z), y_n)
        results.append((np.array([value]), rounded(q) @ J, J))
    values, gradients, jacobians = (np.array(parts) for parts in zip(*results, strict=True))
    return values[:, 0], gradients, jacobians


def errors(found: Any, right: Any, eps: float, least: float = 0.0) -> Array:
    """Relative errors in units of rounding, 0 where the right value is `least` or less: a denormal number, say."""

    def error(a: Any, b: Any) -> float:
        return float(abs(mp.mpf(float(a)) - b) / abs(b) / eps) if abs(b) > least else 0.0

    return np.asarray(np.frompyfunc(error, 2, 1)(found, right), dtype=float)
