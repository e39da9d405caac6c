"""Layers, networks and objectives to test with, and points to evaluate them at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import strategies as st

import prograd

if TYPE_CHECKING:
    from collections.abc import Callable

ELEMENTWISE = ["tanh", "relu", "sigmoid", "softplus", "silu", "gelu", "sine"]
# The `examples()` of every registered layer: the layer and its number of inputs.
EXAMPLES = [
    pytest.param(layer, n_in, id=f"{name}-{k}")
    for name, kind in sorted(prograd.registry().layers.items())
    for k, (layer, n_in) in enumerate(kind.examples())
]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def at(layer: prograd.Layer, n_in: int, samples: int = 3) -> tuple[Any, ...]:
    """Random parameters and inputs, the output, and the blocks `A` and `B`."""
    _, shapes = layer.shapes(n_in)
    random = rng()
    w = prograd.Parameters({name: random.normal(size=shape) for name, shape in shapes.items()})
    z = random.normal(size=(samples, n_in))
    z_next = layer.g(w, z)
    A, B = layer.jacobian(w, z, z_next)
    return w, z, z_next, A, B


def small() -> prograd.Network:
    """3 → 4 → 4 → 2, with 26 parameters."""
    return prograd.Network.from_config(
        [{"name": "affine", "width": 4}, {"name": "tanh"}, {"name": "affine", "width": 2}], n_in=3
    )


def classifier(samples: int = 6, loss: str = "softmax_cross_entropy", seed: int = 0) -> tuple[Any, ...]:
    """An objective, its initial parameters, its samples and its labels."""
    random = np.random.default_rng(seed)
    net = prograd.Network.from_config(
        [{"name": "affine", "width": 5}, {"name": "tanh"}, {"name": "affine", "width": 3}], n_in=4
    )
    x, y = random.normal(size=(samples, 4)), prograd.one_hot(random.integers(0, 3, samples), 3)
    return prograd.Objective(net, prograd.loss(loss), x, y), net.init(random), x, y


def affine(draw: Callable[..., Any], width: int) -> dict[str, Any]:
    return {"name": "affine", "width": width, "bias": draw(st.booleans())}


def of_the_same_size(draw: Callable[..., Any], n: int, *, residual: bool = True) -> dict[str, Any]:
    kinds = ["elementwise", "softmax", "scale_shift", "layer_norm", *["residual"] * residual]
    kind = draw(st.sampled_from(kinds))
    if kind == "elementwise":
        return {"name": draw(st.sampled_from(ELEMENTWISE))}
    if kind != "residual":
        return {"name": kind}
    width = draw(st.integers(1, 4))
    inside = [of_the_same_size(draw, width, residual=False) for _ in range(draw(st.integers(1, 2)))]
    return {"name": kind, "layers": [affine(draw, width), *inside, affine(draw, n)]}


@st.composite
def networks(draw: Callable[..., Any]) -> prograd.Network:
    """Networks of layers with every kind of structure, narrowing and widening, some with affine layers at the ends."""
    n_in = n = draw(st.integers(1, 6))
    configs = []
    for _ in range(draw(st.integers(1, 7))):
        if draw(st.booleans()):
            n = draw(st.integers(1, 7))
            configs.append(affine(draw, n))
        else:
            configs.append(of_the_same_size(draw, n))
    return prograd.Network.from_config(configs, n_in)


def point(net: prograd.Network, samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters without zeros, samples and targets."""
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(samples, net.n[0])), random.normal(size=(samples, net.n[-1]))
    return net.init(random) + 0.1 * random.normal(size=net.size), x, y


@st.composite
def problems(draw: Callable[..., Any]) -> tuple[prograd.Network, np.ndarray, np.ndarray, np.ndarray]:
    """A network, its parameters, samples and targets."""
    net = draw(networks())
    return net, *point(net, draw(st.integers(1, 4)), draw(st.integers(0, 2**32 - 1)))
