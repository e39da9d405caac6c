"""The networks that a configuration can name: each is a list of registered layers, checked before any job runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any

import prograd
from prograd.foreign import let_pass
from prograd_experiments import config as read
from prograd_experiments import repeated
from prograd_experiments.repeated import LayerConfig
from prograd_experiments.samples import Data, Image

Architecture = Callable[[read.Config, Data], list[LayerConfig]]


def mlp(config: read.Config, data: Data) -> list[LayerConfig]:
    """`depth` affine layers with `activation` between them, all of `width` outputs except the last.

    With `network.layer` that layer and `activation`, `depth` times, and an affine layer.
    """
    count = _hidden_count(config)
    return [*_hidden(config, [read.integer(config, "width", 1)] * count if count else []), *_last(config, data)]


def hourglass(config: read.Config, data: Data) -> list[LayerConfig]:
    """An mlp whose widths shrink from `width` to `network.bottleneck` in the middle, then grow back."""
    count = _hidden_count(config, "bottleneck")
    half = max((count - 1) // 2, 1)
    # Equal factors make an hourglass look even on a log axis; an even number of widths has two narrowest ones.
    parts = [(abs(i - (count - 1) / 2) - (count + 1) % 2 / 2) / half for i in range(count)] if count > 1 else [1.0]
    return [*_hidden(config, [_between(config, part) for part in parts[:count]]), *_last(config, data)]


def residual(config: read.Config, data: Data) -> list[LayerConfig]:
    """An affine layer to `width`, `depth` blocks `z + activation(W z + b)`, and an affine layer.

    With `network.layer` that layer takes the place of `W z + b`.
    """
    _known_keys(config, "layer")
    depth, width = read.integer(config, "depth", 1), read.integer(config, "width", 1)
    inner, _ = _repeated(config, width)
    block = {"name": "residual", "layers": [inner, activation(config, "activation", width)]}
    return [_affine(width), *[block] * depth, *_last(config, data)]


def conv(config: read.Config, data: Data) -> list[LayerConfig]:
    """`depth` convolutions that keep the image's size, each with `activation`, pooled while large enough.

    Then an affine layer of `width`, `activation`, and the last affine layer.
    """
    _known_keys(config, "channels", "kernel", "pool", "image")
    depth, width = read.integer(config, "depth", 1), read.integer(config, "width", 1)
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
    return [*layers, _affine(width), activation(config, "activation", width), *_last(config, data)]


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
    chosen = repeated.described(key, read.get(config, key))
    name = chosen["name"]
    if name not in prograd.registry().layers:
        raise read.unknown_choice(key, name, activations())
    repeat = f"; network.layer={read.show(name)} repeats a layer with parameters" if key == "activation" else ""
    with read.isolated(f"{key}={name}", f"these need no options: {', '.join(activations())}{repeat}"):
        n_out, parameters = repeated.made(chosen).shapes(n)
    if parameters or n_out != n:
        got = f"maps {n} numbers to {n_out}"
        if parameters:
            repeat = f"; network.layer={read.show(name)} repeats it in an mlp, a residual network or an hourglass"
            got = f"has parameters ({', '.join(parameters)}){repeat if key == 'activation' else ''}"
        expected = f"a layer without parameters that keeps the size, such as {', '.join(activations())}"
        raise read.refused(key, expected, name, f"it {got}")
    return chosen


def activations() -> tuple[str, ...]:
    """The registered layers without parameters that keep the size and need no options."""
    return tuple(name for name, cls in prograd.registry().layers.items() if _fits_anywhere(cls))


def _registered(key: str, value: object) -> LayerConfig:
    layer = repeated.described(key, value)
    name = read.one_of(f"{key}.name", layer["name"], tuple(prograd.registry().layers))
    with read.isolated(f"{key}={name}"):
        repeated.made(layer)
    return layer


def _fits_anywhere(cls: type[prograd.Layer]) -> bool:
    try:
        return cls().shapes(3) == (3, {})
    except BaseException as error:  # noqa: BLE001  (a plugin's layer that needs options, or refuses this size may raise anything)
        let_pass(error)
        return False


def _known_keys(config: read.Config, *keys: str) -> None:
    read.known_keys(config["network"], ("name", "final", *keys), "network")


def _hidden_count(config: read.Config, *keys: str) -> int:
    """How many layers come before the last: `depth` counts the last if all layers are affine by default."""
    _known_keys(config, "layer", *keys)
    return read.integer(config, "depth", 1) - (_layer(config) is None)


def _layer(config: read.Config) -> Any:
    """`network.layer`; None in a configuration from before there was such a key, too."""
    return config["network"].get("layer")


def _between(config: read.Config, part: float) -> int:
    """A width on the way from the bottleneck (0) to `width` (1)."""
    if part == 1:
        return read.integer(config, "width", 1)
    narrow = read.integer(config, "network.bottleneck", 1)
    return narrow if part == 0 else round(narrow * (read.integer(config, "width", 1) / narrow) ** part)


def _affine(width: int) -> LayerConfig:
    return {"name": "affine", "width": width}


def _hidden(config: read.Config, widths: Sequence[int]) -> Iterator[LayerConfig]:
    """The repeated layer and `activation` at each width; an affine layer before one that can't change the size."""
    before, pairs = (
        None,
        {width: (_repeated(config, width), activation(config, "activation", width)) for width in widths},
    )
    for width in widths:
        (layer, resizes), after = pairs[width]
        if not resizes and width != before:
            yield _affine(width)
        yield from (layer, after)
        before = width


def _repeated(config: read.Config, width: int) -> tuple[LayerConfig, bool]:
    layer = _layer(config)
    return (_affine(width), True) if layer is None else repeated.at_width("network.layer", layer, width)


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
