"""The options by which commands are given a network, and the network that they describe."""

from __future__ import annotations

import json
import reprlib
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from prograd.commands import completion
from prograd.commands.refusals import Refused
from prograd.network import Network

Command = TypeVar("Command", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "-l",
        "--layer",
        "layers",
        multiple=True,
        metavar="'NAME OPTION=VALUE …'",
        shell_complete=completion.layers,
        help="A layer. Give this once or more.",
    ),
    click.option(
        "-n",
        "--network",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file with the layers, in JSON or YAML: {layers: […], n_in: …}, or the list alone.",
    ),
    click.option("--n-in", type=click.IntRange(1), help="Inputs of the first layer, unless the file says so."),
)


def network_options(command: Command) -> Command:
    """Gives a command the options `layers`, `network` and `n_in`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def network_of(layers: Sequence[str], network: Path | None, n_in: int | None) -> Network:
    """The network that the options describe. Raises errors of click, and what `Network.from_config` raises."""
    configs, said = _read(network) if network else ([], None)
    configs += [_layer(text) for text in layers]
    n_in = n_in or said
    if not configs:
        raise click.UsageError("expected layers, got none; give --layer, or --network with a file")
    if n_in is None:
        raise click.UsageError("expected the inputs of the first layer, got none; give --n-in, or n_in in the file")
    return Network.from_config(configs, n_in)


def _layer(text: str) -> dict[str, Any]:
    """The configuration that `affine width=32` means."""
    try:
        name, *options = shlex.split(text) or [""]
    except ValueError as error:
        raise click.UsageError(f"--layer {text!r}: {error}") from error
    return {"name": name, **options_of(options, f"--layer {text!r}")}


def options_of(words: Sequence[str], where: str) -> dict[str, Any]:
    """The options that words such as `width=32` give. A value is JSON if it can be read as JSON."""
    options: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"{where}: expected OPTION=VALUE, got {word!r}")
        options[key] = _value(value)
    return options


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False}.get(text, text)


def _read(file: Path) -> tuple[list[dict[str, Any]], int | None]:
    """The layers in a file, and the number of inputs if the file has it."""
    try:
        content = _parsed(file, file.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise Refused(f"{file}: expected text in UTF-8, got the byte 0x{error.object[error.start]:02x}") from error
    except RecursionError as error:
        raise Refused(f"{file}: expected layers, got values that are nested too deeply to be read") from error
    n_in = None
    if isinstance(content, dict):
        n_in, content = content.get("n_in"), content.get("layers")
    if not isinstance(content, list) or not content:
        raise Refused(f"{file}: expected a list of layers, or a mapping with the key layers")
    return [_config(file, i, layer) for i, layer in enumerate(content)], n_in


def _config(file: Path, i: int, layer: Any) -> dict[str, Any]:
    if isinstance(layer, str):
        return {"name": layer}
    if not isinstance(layer, dict) or "name" not in layer:
        raise Refused(f"{file}: layers[{i}]: expected a name or a mapping with a name, got {reprlib.repr(layer)}")
    return layer


def _parsed(file: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as not_json:
        try:
            import yaml  # noqa: PLC0415  (comes with the extra "experiments"; JSON needs nothing)
        except ModuleNotFoundError:
            raise Refused(
                f"{file}: expected JSON ({not_json}); for YAML: pip install 'prograd[experiments]'"
            ) from not_json
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            why = " ".join(str(error).split())
            raise Refused(f"{file}: expected JSON or YAML, got a mistake: {why}") from error
