"""Networks of all kinds of layers with points to try them at, and how close two results of one are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import strategies as st

import prograd

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDING = 1e-11  # the last bits of at most some thousand additions of numbers near one
ELEMENTWISE = ["tanh", "relu", "sigmoid", "softplus", "silu", "gelu", "sine"]
# Layers of each name's own examples, with the number of their inputs.
EXAMPLES = [
    pytest.param(layer, n_in, id=f"{name}-{k}")
    for name, kind in sorted(prograd.registry().layers.items())
    for k, (layer, n_in) in enumerate(kind.examples())
]


def assert_close(actual: Any, expected: Any, rounding: float = ROUNDING, least: float = 1) -> None:
    """Equal but for rounding; the largest entry sets the scale of an array, and is taken to be at least `least`."""
    assert np.shape(actual) == np.shape(expected)
    scale = max(least, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual, expected, rtol=rounding, atol=rounding * scale)


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
    """Layers of all kinds of structure, narrowing and widening, with and without an affine layer at either end."""
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
    """Parameters of which none is zero, samples, and targets."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(samples, net.n[0])), rng.normal(size=(samples, net.n[-1]))
    return net.init(rng) + 0.1 * rng.normal(size=net.size), x, y


@st.composite
def problems(draw: Callable[..., Any]) -> tuple[prograd.Network, np.ndarray, np.ndarray, np.ndarray]:
    """A network with its parameters, samples and targets."""
    net = draw(networks())
    return net, *point(net, draw(st.integers(1, 4)), draw(st.integers(0, 2**32 - 1)))
