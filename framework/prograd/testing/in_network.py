"""A layer or a loss in a network: every mode is compared with one reference for the gradient of the mean loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prograd.arrays import Array
from prograd.layer import Layer, Parameters
from prograd.loss import Loss
from prograd.modes import MODES
from prograd.network import Network
from prograd.objective import Objective
from prograd.operators import Dense, Identity, Kronecker, Operator
from prograd.testing.diagnosis import ROUNDING, largest, worst
from prograd.testing.layer_case import DRAWS, LayerCase
from prograd.testing.reference import Reference, differentiate, directions, steps
from prograd.testing.report import CheckError, CheckSkipped


@dataclass(frozen=True)
class Mixing(Layer):
    """g(W; z) = W z."""

    width: int

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return self.width, {"W": (self.width, n_in)}

    def g(self, w: Parameters, z: Array) -> Array:
        return z @ w["W"].T

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = I ⊗ z^T`, `B = W`."""
        return {"W": Kronecker(self.width, z)}, Dense(w["W"])


@dataclass(frozen=True)
class Shift(Layer):
    """g(b; z) = z + b."""

    def shapes(self, n_in: int) -> tuple[int, dict[str, tuple[int, ...]]]:
        return n_in, {"b": (n_in,)}

    def g(self, w: Parameters, z: Array) -> Array:
        return z + w["b"]

    def jacobian(self, w: Parameters, z: Array, z_next: Array) -> tuple[dict[str, Operator], Operator]:
        """`A = B = I`."""
        return {"b": Identity(z.shape[1])}, Identity(z.shape[1])


@dataclass(frozen=True)
class HalfSquare(Loss):
    """ℓ_y(z) = ½ ‖z − y‖²."""

    def value(self, z: Array, y: Array) -> Array:
        value: Array = 0.5 * np.vecdot(z - y, z - y)
        return value

    def gradient(self, z: Array, y: Array) -> Array:
        return z - y


def layer_in_network(case: LayerCase) -> None:
    """The layer between two others, or as the first of two if its inputs were given."""
    if case.points is None:
        net = Network([Mixing(case.n_in), case.layer, Mixing(2)], n_in=3)
    else:
        net = Network([case.layer, Mixing(2)], n_in=case.n_in)
    rng = case.rng(50)
    y = rng.normal(size=(case.samples, 2))
    for _ in range(DRAWS):
        x = rng.normal(size=(case.samples, 3)) if case.points is None else case.z
        w = net.pack(
            [
                case.w if layer is case.layer else _random(layer, n, rng)
                for layer, n in zip(net.layers, net.n, strict=False)
            ]
        )
        f = Objective(net, HalfSquare(), x, y)
        reference, rough = _reference(f, w, (x, y), case.seed, steps(w))
        if not rough:
            _require_modes(f, w, reference, case.seed)
            return
    raise CheckSkipped("no reference: finite differences do not converge inside the network")


def _random(layer: Layer, n_in: int, rng: np.random.Generator) -> dict[str, Array]:
    return {name: rng.normal(size=shape) / np.sqrt(n_in) for name, shape in layer.shapes(n_in)[1].items()}


def loss_in_network(loss: Loss, z: Array, y: Array, seed: int) -> None:
    """The loss after a layer that changes nothing, so that it gets exactly the outputs `z` and labels `y`."""
    net = Network([Shift()], n_in=z.shape[1])
    f, w = Objective(net, loss, z, y), np.zeros(net.size)
    reference, rough = _reference(f, w, (z, y), seed, np.full_like(w, steps(z).min()))
    if rough:
        raise CheckSkipped("no reference: finite differences do not converge")
    _require_modes(f, w, reference, seed)


def _reference(f: Objective, w: Array, data: tuple[Array, Array], seed: int, step: Array) -> tuple[Reference, bool]:
    """The derivatives of the mean loss at `w` in directions, `(k, 1, 1)`, and whether they could not be found.

    The mean loss is computed by a plain loop over the layers and the samples.
    """

    def mean_loss(w: Array) -> Array:
        z, y = data
        for layer, w_i in zip(f.net.layers, f.net.unpack(w[0]), strict=True):
            z = layer.g(w_i, z)
        return np.array([[sum(f.loss.value(z, y)) / len(y)]])

    reference, rough = differentiate(mean_loss, w[None], directions(f.net.size, seed), "f", step[None])
    return reference, bool(rough.any())


def _require_modes(f: Objective, w: Array, reference: Reference, seed: int) -> None:
    """Raise `CheckError` unless the gradient of every mode agrees with the reference."""
    gradients = {f'f.gradient(w, mode="{name}")': f.gradient(w, mode=mode) for name, mode in MODES.items()}
    gradients["the mean of f.per_sample_gradients(w)"] = f.per_sample_gradients(w).mean(axis=0)
    V = directions(f.net.size, seed)
    expected = reference.values[:, 0, 0]
    tolerance = reference.tolerance[:, 0, 0] * (1 if len(V) == f.net.size else 10) + ROUNDING * largest(expected)
    for what, gradient in gradients.items():
        found = V @ gradient
        wrong = worst(found, expected, tolerance)
        if wrong is not None:
            k = wrong[0]
            place = _place(f.net, k) if len(V) == f.net.size else "in a random direction"
            raise CheckError(
                f"{what} {place}: expected {expected[k]:.9g} by {reference.source}, got {found[k]:.9g}"
                + _cause(found, expected, f.samples)
            )


def _place(net: Network, k: int) -> str:
    for i, span in enumerate(net.spans):
        for name, at in span.each.items():
            if k in at:
                return f"for entry {k - at.start} of {name} in {net.describe(i)}"
    return f"for entry {k}"


def _cause(actual: Array, expected: Array, samples: int) -> str:
    for guess, factor in (
        ("the sign", -1.0),
        ("a missing factor of 1/N", samples),
        ("an extra factor of 1/N", 1 / samples),
    ):
        if np.allclose(actual, factor * expected, rtol=1e-6, atol=0):
            return f"; likely cause: {guess}"
    return ""
