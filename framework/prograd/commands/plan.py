"""`prograd plan`: what a gradient or a Jacobian of a network will cost, before there is any data."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Literal

import click


@click.command()
@click.option(
    "-l", "--layer", "layers", multiple=True, metavar="'NAME OPTION=VALUE …'", help="A layer; give one or more."
)
@click.option(
    "-n",
    "--network",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The layers as a list in a file, JSON or YAML: {layers: […], n_in: …}, or the list alone.",
)
@click.option("--n-in", type=click.IntRange(1), help="Inputs of the first layer, where the file does not say.")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="Samples.")
@click.option("--wrt", type=click.Choice(["parameters", "input"]), default="parameters", show_default=True)
@click.option("--outputs", type=click.Choice(["gradient", "jacobian"]), default=None, help="[default: gradient]")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--max-bytes", type=click.IntRange(1), help="Bounds the buffers of a mode.")
@click.option(
    "--rates", type=click.Path(path_type=Path, dir_okay=False), help="A file of rates instead of this machine's."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def plan(  # noqa: PLR0913, PLR0917  (click passes an argument for each option)
    layers: tuple[str, ...],
    file: Path | None,
    n_in: int | None,
    batch: int,
    wrt: Literal["parameters", "input"],
    outputs: Literal["gradient", "jacobian"] | None,
    dtype: str,
    max_bytes: int | None,
    rates: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    r"""Predict multiply-adds, peak memory, bytes moved and seconds of every mode.

    \b
        prograd plan --n-in 64 -l 'affine width=32' -l tanh -l 'affine width=10'
        prograd plan --network network.yaml --batch 100 --outputs jacobian --json

    Nothing is computed. The first time, the machine's rates are measured, which takes half a second.
    """
    # The other commands need none of this.
    from prograd.network import Network  # noqa: PLC0415
    from prograd.planning import calibration  # noqa: PLC0415
    from prograd.planning import plan as make  # noqa: PLC0415

    configs, said = _read(file) if file else ([], None)
    configs += [_layer(text) for text in layers]
    n_in = n_in or said
    if not configs:
        raise click.UsageError("no layers: give --layer, or --network with a file")
    if n_in is None:
        raise click.UsageError("how many inputs has the first layer? Give --n-in, or n_in in the file")
    made = make(
        Network.from_config(configs, n_in),
        batch,
        wrt,
        outputs or ("jacobian" if wrt == "input" else "gradient"),
        dtype=dtype,
        max_bytes=max_bytes,
        rates=calibration.read(rates) if rates else None,
    )
    if as_json:
        click.echo(json.dumps(made.as_json(), indent=2, ensure_ascii=False))
        return
    from prograd.tables import show_plan  # noqa: PLC0415  (rich takes longer to import than the rest; JSON needs none)

    show_plan(made.title, made.rows(), f"{made.mode}: {made.order}")


def _layer(text: str) -> dict[str, Any]:
    """`affine width=32` as a configuration; values are JSON where they can be read as such."""
    try:
        name, *options = shlex.split(text) or [""]
    except ValueError as error:
        raise click.UsageError(f"--layer {text!r}: {error}") from error
    config: dict[str, Any] = {"name": name}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise click.UsageError(f"--layer {text!r}: {option!r} is no OPTION=VALUE")
        config[key] = _value(value)
    return config


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False}.get(text, text)


def _read(file: Path) -> tuple[list[dict[str, Any]], int | None]:
    """The layers in a file, and the number of inputs if it says so."""
    try:
        content = _parsed(file, file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: can't be read: {error}") from error
    n_in = None
    if isinstance(content, dict):
        n_in, content = content.get("n_in"), content.get("layers")
    if not isinstance(content, list) or not content:
        raise click.ClickException(f"{file}: expected a list of layers, or a mapping with the key layers")
    return [_config(file, i, layer) for i, layer in enumerate(content)], n_in


def _config(file: Path, i: int, layer: Any) -> dict[str, Any]:
    if isinstance(layer, str):
        return {"name": layer}
    if not isinstance(layer, dict) or "name" not in layer:
        raise click.ClickException(f"{file}: layers[{i}] is {layer!r}; expected a name, or a mapping with the key name")
    return layer


def _parsed(file: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as not_json:
        try:
            import yaml  # noqa: PLC0415  (comes with the extra "experiments"; JSON needs nothing)
        except ModuleNotFoundError:
            raise click.ClickException(
                f"{file}: not JSON ({not_json}); for YAML: pip install 'prograd[experiments]'"
            ) from not_json
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise click.ClickException(f"{file}: neither JSON nor YAML: {error}") from error
