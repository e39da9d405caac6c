"""A registered layer that a network repeats at a width: which of its options is the number of its outputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import prograd
from prograd.foreign import let_pass
from prograd.options import plain
from prograd_experiments import config as read

LayerConfig = dict[str, Any]
WIDTH = "width"
"""The word that stands for the width where a layer's description names the option of its outputs."""


def described(key: str, value: object) -> LayerConfig:
    """A name as `{name: …}`, and `{name: …, option: …}` as it is. Raises `ConfigError` for anything else."""
    layer = {"name": value} if isinstance(value, str) else value
    if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
        raise read.refused(key, "a layer's name or {name: …, option: …}", value)
    return layer


def made(layer: LayerConfig) -> prograd.Layer:
    """The layer that a configuration describes."""
    return prograd.layer(layer["name"], **{option: value for option, value in layer.items() if option != "name"})


def at_width(key: str, value: object, width: int) -> tuple[LayerConfig, bool]:
    """The layer at `key` with `width` outputs, and whether it has them for any number of inputs.

    The option of its outputs is the one whose value is the word `width`, else the only one that is left out and sets
    their number. A layer without such an option keeps the size. Raises `ConfigError` for a layer that does neither.
    """
    layer = described(key, value)
    name = read.one_of(f"{key}.name", layer["name"], tuple(prograd.registry().layers))
    if WIDTH in layer.values():
        filled = {option: width if value == WIDTH else value for option, value in layer.items()}
        with read.isolated(f"{key}={name}"):
            n_out = made(filled).shapes(width)[0]
        if n_out != width:
            raise read.refused(key, f"a layer with {width} outputs", filled, f"it has {n_out}")
        return filled, True
    about = plain(prograd.registry().layers[name])
    free = [option for option in (*about.known, *about.left_out) if option not in layer]
    found = [option for option in free if _sets_the_outputs(layer, option, width)]
    if len(found) > 1:
        hint = f"{', '.join(found)} each set the number of its outputs"
        raise read.refused(key, f"{{name: {name}, OPTION: {WIDTH}}} with the option that sets its outputs", value, hint)
    if found:
        return {**layer, found[0]: width}, True
    _require_same_size(key, layer, width)
    return layer, False


def _sets_the_outputs(layer: LayerConfig, option: str, width: int) -> bool:
    """Whether the option is the number of outputs, for fewer inputs and for more of them."""
    # Powers of two stay powers of two, and the size is never that of the inputs by chance.
    return all(_outputs({**layer, option: size}, n) == size for n, size in ((2 * width, width), (width, 2 * width)))


def _outputs(layer: LayerConfig, n: int) -> int | None:
    try:
        return made(layer).shapes(n)[0]
    except BaseException as error:  # noqa: BLE001  (a plugin's layer that refuses the option may raise anything)
        let_pass(error)
        return None


def _require_same_size(key: str, layer: LayerConfig, width: int) -> None:
    name = layer["name"]
    known = plain(prograd.registry().layers[name]).known
    # A layer that can't do without a size has more to say about the other options once it has one.
    missing = [option for option, value in known.items() if value is dataclasses.MISSING and option not in layer][:1]
    with read.isolated(f"{key}={name}"):
        n_out = made({**layer, **dict.fromkeys(missing, width)}).shapes(width)[0]
    if n_out != width:
        expected = "a layer that keeps the size, or that has an option for the number of its outputs"
        raise read.refused(key, expected, name, f"it maps {width} numbers to {n_out}")
