"""The networks that a configuration can name: each is a list of layers, and nothing but registered layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

from prograd_experiments import config as read
from prograd_experiments.errors import ConfigError
from prograd_experiments.layers import LayerConfig, activation, registered
from prograd_experiments.samples import Data

Architecture = Callable[[read.Config, Data], list[LayerConfig]]
Image = tuple[int, int, int]


def mlp(config: read.Config, data: Data) -> list[LayerConfig]:
    """`depth` affine layers with `activation` between them: all of `width` outputs but the last one."""
    read.known_keys(config["network"], ("name", "final"), "network.")
    depth, width = _sizes(config)
    return [*_hidden(config, width) * (depth - 1), *_last(config, data)]


def hourglass(config: read.Config, data: Data) -> list[LayerConfig]:
    """An mlp whose widths shrink from `width` to `network.bottleneck` in the middle, and grow back."""
    read.known_keys(config["network"], ("name", "final", "bottleneck"), "network.")
    depth, width = _sizes(config)
    narrow = read.integer(config, "network.bottleneck", 1)
    half = max((depth - 2) // 2, 1)
    # By equal factors, as the sizes of an hourglass look equally spaced on a log axis; of an even number two are least.
    parts = [(abs(i - (depth - 2) / 2) - depth % 2 / 2) / half for i in range(depth - 1)]
    widths = [width] if depth == 2 else [round(narrow * (width / narrow) ** part) for part in parts]
    return [layer for n in widths[: depth - 1] for layer in _hidden(config, n)] + _last(config, data)


def residual(config: read.Config, data: Data) -> list[LayerConfig]:
    """An affine layer to `width`, `depth` blocks `z + activation(W z + b)`, and an affine layer."""
    read.known_keys(config["network"], ("name", "final"), "network.")
    depth, width = _sizes(config)
    block = {"name": "residual", "layers": _hidden(config, width)}
    return [_affine(width), *[block] * depth, *_last(config, data)]


def conv(config: read.Config, data: Data) -> list[LayerConfig]:
    """`depth` convolutions that keep the image's size, each with `activation`, pooled while there is enough to pool.

    Then an affine layer of `width`, `activation`, and the last affine layer.
    """
    read.known_keys(config["network"], ("name", "final", "channels", "kernel", "pool", "image"), "network.")
    depth, width = _sizes(config)
    channels, kernel = read.integer(config, "network.channels", 1), read.integer(config, "network.kernel", 1)
    pool = read.integer(config, "network.pool", 1)
    if kernel % 2 == 0:
        raise ConfigError(f"network.kernel={kernel}: an odd number was expected, so that the image keeps its size")
    image, layers = _image(config, data), []
    for _ in range(depth):
        layers.append(
            {
                "name": "conv2d",
                "image": list(image),
                "channels": channels,
                "kernel": kernel,
                "padding": kernel // 2,
            }
        )
        image = (channels, *image[1:])
        layers.append(activation(config, "activation", prod(image)))
        if pool > 1 and min(image[1:]) >= 2 * pool:
            layers.append({"name": "max_pool2d", "image": list(image), "window": pool})
            image = (channels, image[1] // pool, image[2] // pool)
    return [*layers, *_hidden(config, width), *_last(config, data)]


def custom(config: read.Config, data: Data) -> list[LayerConfig]:
    """The registered layers that `network.layers` lists; `outputs` and `image` stand for what the data has."""
    read.known_keys(config["network"], ("name", "layers"), "network.")
    value = read.get(config, "network.layers")
    if not isinstance(value, list) or not value:
        raise ConfigError(
            f"network.layers={read.show(value)}: a list of layers was expected, such as "
            "[{name: affine, width: 8}, tanh, {name: affine, width: outputs}]"
        )
    return [registered(f"network.layers[{i}]", _filled_in(layer, data)) for i, layer in enumerate(value)]


NETWORKS: Mapping[str, Architecture] = MappingProxyType(
    {"mlp": mlp, "residual": residual, "conv": conv, "hourglass": hourglass, "custom": custom}
)


def _sizes(config: read.Config) -> tuple[int, int]:
    return read.integer(config, "depth", 1), read.integer(config, "width", 1)


def _affine(width: int) -> LayerConfig:
    return {"name": "affine", "width": width}


def _hidden(config: read.Config, width: int) -> list[LayerConfig]:
    return [_affine(width), activation(config, "activation", width)]


def _last(config: read.Config, data: Data) -> list[LayerConfig]:
    n_out = data.y.shape[1]
    final = read.get(config, "network.final")
    return [_affine(n_out)] if final is None else [_affine(n_out), activation(config, "network.final", n_out)]


def _image(config: read.Config, data: Data) -> Image:
    given = read.get(config, "network.image")
    if given is None:
        return _image_of(data, "network.image=[channels, height, width] says what its features are, if they are one")
    if not isinstance(given, list) or len(given) != 3 or not all(isinstance(n, int) and n > 0 for n in given):
        raise ConfigError(f"network.image={read.show(given)}: [channels, height, width] was expected")
    channels, height, width = given
    if channels * height * width != data.x.shape[1]:
        raise ConfigError(f"network.image={read.show(given)}: the data set {data.name} has {data.x.shape[1]} features")
    return channels, height, width


def _image_of(data: Data, advice: str) -> Image:
    if data.image is None:
        raise ConfigError(f"data.name={data.name}: its samples are no images; {advice}")
    return data.image


def _filled_in(value: Any, data: Data) -> Any:
    if isinstance(value, dict):
        return {key: _filled_in(of, data) for key, of in value.items()}
    if isinstance(value, list):
        return [_filled_in(of, data) for of in value]
    if value == "outputs":
        return data.y.shape[1]
    return list(_image_of(data, "give the layer its image in numbers")) if value == "image" else value
