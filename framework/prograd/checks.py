"""Do layers and losses return what they declare? Checked once for each network, and once for each objective."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from prograd import recursions
from prograd.arrays import Array, RecordingArray, shown
from prograd.blocks import Block, diagonal_hint, wrong_pair
from prograd.errors import NonFiniteError, PluginError, ShapeError
from prograd.layer import Parameters
from prograd.loss import Loss
from prograd.network import Network
from prograd.operators import Operator, Zero, as_operator


def linearize(net: Network, parameters: Sequence[Parameters], x: Array) -> tuple[list[Array], list[Block]]:
    """The forward pass with its blocks. Every output and block is checked when a network runs for the first time.

    Raises `PluginError`, which names the layer, if `g` or `jacobian` does not return what `shapes` declares.
    """
    if net.checked:
        z, made = recursions.linearize(net.layers, parameters, x)
        return z, list(made)
    z = [x]
    blocks: list[Block] = []
    for i, (layer, w) in enumerate(zip(net.layers, parameters, strict=True)):
        z.append(_output(net, i, layer.g(w, z[i]), len(x)))
        blocks.append(block(net, i, layer.jacobian(w, z[i], z[i + 1]), len(x)))
    net.checked = True
    return z, blocks


def output(net: Network, parameters: Sequence[Parameters], x: Array) -> Array:
    """`h_x(w)`. Every output and block is checked as in `linearize`, and none is kept."""
    z = x
    for i, (layer, w) in enumerate(zip(net.layers, parameters, strict=True)):
        z_next = _output(net, i, layer.g(w, z), len(x))
        block(net, i, layer.jacobian(w, z, z_next), len(x))
        z = z_next
    return z


def loss(used: Loss, z: Array, y: Array) -> None:
    """Raises `PluginError` unless the loss returns a value for each sample and a gradient of the shape of `z`."""
    value, gradient = used.value_and_gradient(z, y)
    for what, given, expected in (("value", value, z.shape[:1]), ("gradient", gradient, z.shape)):
        if np.shape(given) != expected:
            raise PluginError(f"loss {used.name}: expected {what} to give shape {expected}, got {np.shape(given)}")


def domain(used: Loss, z: Array, y: Array, c: Array | None = None) -> None:
    """Raises `NonFiniteError` where a sample's loss, times its weight, is NaN though its outputs are finite."""
    values = used.value(z, y)
    undefined = np.isnan(values)
    if undefined.any():
        _refuse_sample(used, undefined, z, "that it is defined for", _softmax_hint(used, z, y))
    if c is not None:
        _refuse_sample(used, np.isinf(values) & (c == 0), z, "at which it is finite, since the weight is 0")


def smooth(used: Loss, z: Array, y: Array, c: Array | None = None) -> None:
    """Raises `NonFiniteError` where a sample's gradient is not finite though its outputs are."""
    domain(used, z, y, c)
    _refuse_sample(used, ~np.isfinite(used.gradient(z, y)).all(axis=1), z, "at which its gradient is finite")


def curvature(used: Loss, H: Operator, z: Array, y: Array) -> None:
    """Raises `NonFiniteError` where a sample's hessian `H` is not finite though its outputs are."""
    domain(used, z, y)
    with np.errstate(all="ignore"):
        products = H.jvp(z)  # tiny where a hessian such as 1/z² is large
    _refuse_sample(used, ~np.isfinite(products).all(axis=1), z, "at which its hessian is finite")


def hessian(used: Loss, z: Array, y: Array) -> Operator:
    """The hessian of the loss. Raises `PluginError` if that is no operator."""
    H: object = used.hessian(z, y)
    if not isinstance(H, Operator):
        hint = "; Diagonal(…) or Dense(…) makes an operator of an array"
        raise PluginError(f"loss {used.name}: expected hessian to give an operator, got {type(H).__name__}{hint}")
    return H


def _softmax_hint(used: Loss, z: Array, y: Array) -> str:
    """A hint, if the loss is defined for probabilities made of these outputs."""
    with np.errstate(all="ignore"):
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        defined = not np.isnan(used.value(powers / powers.sum(axis=1, keepdims=True), y)).any()
    return "; it is defined for probabilities, which a softmax as the last layer makes" if defined else ""


def _refuse_sample(used: Loss, wrong: Any, z: Array, expected: str, hint: str = "") -> None:
    found = np.flatnonzero(wrong & np.isfinite(z).all(axis=1))
    if len(found):
        n = int(found[0])
        got = f"{shown(z[n])} for sample {n}"
        raise NonFiniteError(f"loss {used.name}: expected outputs {expected}, got {got}{hint}")


def _output(net: Network, i: int, z_next: Any, samples: int) -> Array:
    expected = (samples, net.n[i + 1])
    array = isinstance(z_next, (np.ndarray, RecordingArray))
    if not array or z_next.shape != expected:
        _refuse(net, i, f"g to give shape {expected}, got {z_next.shape if array else type(z_next).__name__}")
    made: Array = z_next
    return made


def block(net: Network, i: int, given: Any, samples: int) -> Block:
    """The result of the `jacobian` of layer i as operators. Raises `PluginError` if it contradicts `shapes`."""
    if got := wrong_pair(given):
        _refuse(net, i, f"jacobian to give a pair (A, B) with A a dict, got {got}")
    A, B = given
    if set(A) != set(net.shapes[i]):
        _refuse(net, i, f"A to hold {sorted(net.shapes[i])}, got {sorted(A)}")
    operators = {name: _operator(net, i, f"A[{name!r}]", A[name], size, samples) for name, size in _sizes(net, i)}
    return operators, _operator(net, i, "B", B, net.n[i], samples)


def block_along(net: Network, i: int, given: Any, samples: int) -> Block:
    """The result of the `jacobian_along` of layer i as operators, where what is left out of `dA` is zero.

    Raises `PluginError` if it contradicts `shapes`.
    """
    if got := wrong_pair(given):
        _refuse(net, i, f"jacobian_along to give a pair (dA, dB) with dA a dict, got {got}")
    dA, dB = given
    if not set(dA) <= set(net.shapes[i]):
        _refuse(net, i, f"dA to hold none but {sorted(net.shapes[i])}, got {sorted(dA)}")
    operators = {
        name: _operator(net, i, f"dA[{name!r}]", dA[name], size, samples) if name in dA else Zero(net.n[i + 1], size)
        for name, size in _sizes(net, i)
    }
    return operators, _operator(net, i, "dB", dB, net.n[i], samples)


def _sizes(net: Network, i: int) -> Iterator[tuple[str, int]]:
    for name, at in net.spans[i].each.items():
        yield name, len(at)


def _operator(  # noqa: PLR0913, PLR0917
    net: Network, i: int, block: str, given: Any, cols: int, samples: int
) -> Operator:
    hint = diagonal_hint(given, net.n[i + 1], cols)
    try:
        operator = as_operator(given)
    except ShapeError as error:
        raise PluginError(f"{net.describe(i)}: {block}: {error}{hint}") from error
    if not isinstance(operator, Operator):
        _refuse(net, i, f"{block} to be an operator or an array, got {type(given).__name__}")
    if (operator.rows, operator.cols) != (net.n[i + 1], cols):
        _refuse(net, i, f"{block} to be {net.n[i + 1]} × {cols}, got {operator!r}{hint}")
    if operator.samples not in {1, samples}:
        _refuse(net, i, f"{block} for 1 or {samples} samples, got {operator!r}")
    return operator


def _refuse(net: Network, i: int, what: str) -> NoReturn:
    raise PluginError(f"{net.describe(i)}: expected {what}")
