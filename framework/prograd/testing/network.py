"""A layer or a loss at work in a network: every mode against finite differences of a plain loop over the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prograd.arrays import Array
from prograd.layer import Layer, Parameters
from prograd.loss import Loss
from prograd.modes import MODES
from prograd.network import Network
from prograd.objective import Objective
from prograd.operators import Dense, Identity, Kronecker, Operator
from prograd.testing.cases import DRAWS, LayerCase
from prograd.testing.diagnosis import worst
from prograd.testing.differences import ABSOLUTE, RELATIVE, derivative, steps
from prograd.testing.opcase import directions
from prograd.testing.report import CheckError, CheckSkipped


@dataclass(frozen=True)
class Mixing(Layer):
    """g(W; z) = W z."""

    width: int

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """`W (width, n_in)`."""
        return self.width, {"W": (self.width, n_in)}

    def g(self, w: Parameters, z: Array) -> Array:
        """`W z`."""
        return z @ w["W"].T

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = I ⊗ z^T`, `B = W`."""
        return {"W": Kronecker(self.width, z)}, Dense(w["W"])


@dataclass(frozen=True)
class Shift(Layer):
    """g(b; z) = z + b."""

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        """`b (n_in,)`."""
        return n_in, {"b": (n_in,)}

    def g(self, w: Parameters, z: Array) -> Array:
        """`z + b`."""
        return z + w["b"]

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """Both are `I`."""
        return {"b": Identity(z.shape[1])}, Identity(z.shape[1])


@dataclass(frozen=True)
class HalfSquare(Loss):
    """ℓ_y(z) = ½ ‖z − y‖²."""

    def value(self, z: Array, y: Array) -> Array:
        """`½ ‖z − y‖²`."""
        value: Array = 0.5 * np.vecdot(z - y, z - y)
        return value

    def gradient(self, z: Array, y: Array) -> Array:
        """`z − y`."""
        return z - y


def layer_in_network(case: LayerCase) -> None:
    """The layer between two others (behind none where its inputs were given)."""
    if case.points is None:
        net = Network([Mixing(case.n_in), case.layer, Mixing(2)], n_in=3)
    else:
        net = Network([case.layer, Mixing(2)], n_in=case.n_in)
    rng = np.random.default_rng(case.seed + 50)
    y = rng.normal(size=(case.samples, 2))
    for _ in range(DRAWS):
        x = rng.normal(size=(case.samples, 3)) if case.points is None else case.z
        w = net.pack(
            [
                case.w if layer is case.layer else _random(layer, n, rng)
                for layer, n in zip(net.layers, net.n, strict=False)
            ]
        )
        if _agree(Objective(net, HalfSquare(), x, y), w, (x, y), case.seed):
            return
    raise CheckSkipped("no reference: finite differences do not converge inside the network")


def _random(layer: Layer, n_in: int, rng: np.random.Generator) -> dict[str, Array]:
    return {name: rng.normal(size=shape) / np.sqrt(n_in) for name, shape in layer.shapes(n_in)[1].items()}


def loss_in_network(loss: Loss, z: Array, y: Array, seed: int) -> None:
    """The loss behind a layer that does nothing, so that it meets just the outputs `z` and labels `y` it was given."""
    net = Network([Shift()], n_in=z.shape[1])
    if not _agree(Objective(net, loss, z, y), np.zeros(net.size), (z, y), seed, step=float(steps(z).min())):
        raise CheckSkipped("no reference: finite differences do not converge")


def _agree(f: Objective, w: Array, data: tuple[Array, Array], seed: int, step: float | None = None) -> bool:
    """Compares every mode with finite differences; False where those do not converge. Raises `CheckError`."""
    net = f.net
    gradients = {f'f.gradient(w, mode="{name}")': f.gradient(w, mode=mode) for name, mode in MODES.items()}
    gradients["the mean of f.per_sample_gradients(w)"] = f.per_sample_gradients(w).mean(axis=0)
    V = directions(net.size, seed)
    expected = np.empty(len(V))
    error = np.empty(len(V))
    for k, v in enumerate(V):
        scale = (step or float(steps(w)[v != 0].min())) / np.abs(v).max()
        slope, uncertain = derivative(lambda t, v=scale * v: _mean_loss(f, net.unpack(w + t * v), data))  # type: ignore[misc]
        expected[k], error[k] = slope[0] / scale, uncertain[0] / scale
    tolerance = RELATIVE * float(np.abs(expected).max()) + ABSOLUTE * max(1.0, abs(f(w)))
    if not (error <= 0.1 * tolerance).all():
        return False
    for what, gradient in gradients.items():
        found = V @ gradient
        wrong = worst(found, expected, tolerance * (1 if len(V) == net.size else 10))
        if wrong is not None:
            k = wrong[0]
            raise CheckError(
                f"{what} gives {found[k]:.9g}, finite differences of f give {expected[k]:.9g} "
                f"{_place(net, k, len(V))}{_cause(found, expected, f.samples)}"
            )
    return True


def _mean_loss(f: Objective, w: Sequence[Parameters], data: tuple[Array, Array]) -> Array:
    """`f(w)` by a plain loop over the layers and the samples."""
    z, y = data
    for layer, w_i in zip(f.net.layers, w, strict=True):
        z = layer.g(w_i, z)
    return np.array([sum(f.loss.value(z, y)) / len(y)])


def _place(net: Network, k: int, directions: int) -> str:
    if directions != net.size:
        return "in a random direction"
    for i, span in enumerate(net.spans):
        for name, at in span.each.items():
            if k in at:
                return f"for entry {k - at.start} of {name} in {net.describe(i)}"
    return f"for entry {k}"


def _cause(actual: Array, expected: Array, samples: int) -> str:
    for guess, factor in (
        ("the sign", -1.0),
        ("a missing factor of 1/N", samples),
        ("a factor of 1/N too many", 1 / samples),
    ):
        if np.allclose(actual, factor * expected, rtol=1e-6, atol=0):
            return f"; likely cause: {guess}"
    return ""
