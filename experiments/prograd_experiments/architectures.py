"""The networks that a configuration can name: each is a list of registered layers, checked before any job runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import prograd
from prograd_experiments import config as read
from prograd_experiments.samples import Data, Image

LayerConfig = dict[str, Any]
Architecture = Callable[[read.Config, Data], list[LayerConfig]]


def mlp(config: read.Config, data: Data) -> list[LayerConfig]:
    """`depth` affine layers with `activation` between them, all of `width` outputs except the last."""
    depth, width = _sizes(config)
    return [*_hidden(config, width) * (depth - 1), *_last(config, data)]


def hourglass(config: read.Config, data: Data) -> list[LayerConfig]:
    """An mlp whose widths shrink from `width` to `network.bottleneck` in the middle, then grow back."""
    depth, width = _sizes(config, "bottleneck")
    narrow = read.integer(config, "network.bottleneck", 1)
    half = max((depth - 2) // 2, 1)
    # Equal factors make an hourglass look even on a log axis; an even number of widths has two narrowest ones.
    parts = [(abs(i - (depth - 2) / 2) - depth % 2 / 2) / half for i in range(depth - 1)]
    widths = [width] if depth == 2 else [round(narrow * (width / narrow) ** part) for part in parts]
    return [layer for n in widths[: depth - 1] for layer in _hidden(config, n)] + _last(config, data)


def residual(config: read.Config, data: Data) -> list[LayerConfig]:
    """An affine layer to `width`, `depth` blocks `z + activation(W z + b)`, and an affine layer."""
    depth, width = _sizes(config)
    block = {"name": "residual", "layers": _hidden(config, width)}
    return [_affine(width), *[block] * depth, *_last(config, data)]


def conv(config: read.Config, data: Data) -> list[LayerConfig]:
    """`depth` convolutions that keep the image's size, each with `activation`, pooled while large enough.

    Then an affine layer of `width`, `activation`, and the last affine layer.
    """
    depth, width = _sizes(config, "channels", "kernel", "pool", "image")
    channels, kernel = read.integer(config, "network.channels", 1), read.integer(config, "network.kernel", 1)
    pool = read.integer(config, "network.pool", 1)
    if kernel % 2 == 0:
        raise read.refused("network.kernel", "an odd number, so that the image keeps its size", kernel)
    image, layers = _image(config, data), []
    for _ in range(depth):
        sizes = {"image": list(image), "channels": channels, "kernel": kernel, "padding": kernel // 2}
        layers.append({"name": "conv2d", **sizes})
        image = (channels, *image[1:])
        layers.append(activation(config, "activation", prod(image)))
        if pool > 1 and min(image[1:]) >= 2 * pool:
            layers.append({"name": "max_pool2d", "image": list(image), "window": pool})
            image = (channels, image[1] // pool, image[2] // pool)
    return [*layers, *_hidden(config, width), *_last(config, data)]


def custom(config: read.Config, data: Data) -> list[LayerConfig]:
    """The registered layers that `network.layers` lists; options `outputs` and `image` are replaced by the data's."""
    read.known_keys(config["network"], ("name", "layers"), "network")
    value = read.get(config, "network.layers")
    if not isinstance(value, list) or not value:
        example = "[{name: affine, width: 8}, tanh, {name: affine, width: outputs}]"
        raise read.refused("network.layers", f"a list of layers, such as {example}", value)
    return [_registered(f"network.layers[{i}]", _filled_in(layer, data)) for i, layer in enumerate(value)]


NETWORKS: Mapping[str, Architecture] = MappingProxyType(
    {"mlp": mlp, "residual": residual, "conv": conv, "hourglass": hourglass, "custom": custom}
)


def activation(config: read.Config, key: str, n: int) -> LayerConfig:
    """The layer at `key`, a name or `{name: …, option: …}`: registered, without parameters, from `n` to `n`."""
    chosen = _described(key, read.get(config, key))
    name = chosen["name"]
    if name not in prograd.registry().layers:
        raise read.unknown_choice(key, name, activations())
    with read.isolated(f"{key}={name}", f"these need no options: {', '.join(activations())}"):
        n_out, parameters = _made(chosen).shapes(n)
    if parameters or n_out != n:
        got = f"has parameters ({', '.join(parameters)})" if parameters else f"maps {n} numbers to {n_out}"
        expected = f"a layer without parameters that keeps the size, such as {', '.join(activations())}"
        raise read.refused(key, expected, name, f"it {got}")
    return chosen


def activations() -> tuple[str, ...]:
    """The registered layers without parameters that keep the size and need no options."""
    return tuple(name for name, cls in prograd.registry().layers.items() if _fits_anywhere(cls))


def _described(key: str, value: object) -> LayerConfig:
    layer = {"name": value} if isinstance(value, str) else value
    if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
        raise read.refused(key, "a layer's name or {name: …, option: …}", value)
    return layer


def _registered(key: str, value: object) -> LayerConfig:
    layer = _described(key, value)
    name = read.one_of(f"{key}.name", layer["name"], tuple(prograd.registry().layers))
    with read.isolated(f"{key}={name}"):
        _made(layer)
    return layer


def _made(layer: LayerConfig) -> prograd.Layer:
    return prograd.layer(layer["name"], **{option: value for option, value in layer.items() if option != "name"})


def _fits_anywhere(cls: type[prograd.Layer]) -> bool:
    try:
        return cls().shapes(3) == (3, {})
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  (a plugin's layer that needs options, or refuses this size, may raise anything)
        return False


def _sizes(config: read.Config, *keys: str) -> tuple[int, int]:
    """Depth and width, once the network's keys are known: name, final and these."""
    read.known_keys(config["network"], ("name", "final", *keys), "network")
    return read.integer(config, "depth", 1), read.integer(config, "width", 1)


def _affine(width: int) -> LayerConfig:
    return {"name": "affine", "width": width}


def _hidden(config: read.Config, width: int) -> list[LayerConfig]:
    return [_affine(width), activation(config, "activation", width)]


def _last(config: read.Config, data: Data) -> list[LayerConfig]:
    n_out = data.targets.shape[1]
    final = read.get(config, "network.final")
    return [_affine(n_out)] if final is None else [_affine(n_out), activation(config, "network.final", n_out)]


def _image(config: read.Config, data: Data) -> Image:
    given = read.get(config, "network.image")
    if given is None:
        return _image_of(data, "network.image=[channels, height, width] turns its features into images")
    if not isinstance(given, list) or len(given) != 3 or not all(isinstance(n, int) and n > 0 for n in given):
        raise read.refused("network.image", "[channels, height, width]", given)
    channels, height, width = given
    if channels * height * width != data.features.shape[1]:
        expected = f"an image of the {data.features.shape[1]} features of the data set {data.name}"
        raise read.refused("network.image", expected, given)
    return channels, height, width


def _image_of(data: Data, hint: str) -> Image:
    if data.image is None:
        raise read.refused("data.name", "a data set of images", data.name, hint)
    return data.image


def _filled_in(value: Any, data: Data, *, of_option: bool = False) -> Any:
    """A description of layers with the data's sizes in the places of options; layers may have these names."""
    if isinstance(value, dict):
        return {key: _filled_in(inner, data, of_option=key != "name") for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled_in(inner, data) for inner in value]
    if not of_option or value not in ("outputs", "image"):
        return value
    return data.targets.shape[1] if value == "outputs" else list(_image_of(data, "give the layer its image in numbers"))
