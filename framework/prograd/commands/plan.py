"""`prograd plan`: the predicted cost of a gradient or a Jacobian of a network, before there is any data."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prograd import planning
from prograd.network import Network
from prograd.planning import calibration


@click.command()
@click.option(
    "-l", "--layer", "layers", multiple=True, metavar="'NAME OPTION=VALUE …'", help="A layer. Give this once or more."
)
@click.option(
    "-n",
    "--network",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with the layers, in JSON or YAML: {layers: […], n_in: …}, or the list alone.",
)
@click.option("--n-in", type=click.IntRange(1), help="Inputs of the first layer, unless the file says so.")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="Samples.")
@click.option("--wrt", type=click.Choice(["parameters", "input"]), default="parameters", show_default=True)
@click.option("--outputs", type=click.Choice(["gradient", "jacobian"]), default=None, help="[default: gradient]")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--max-bytes", type=click.IntRange(1), help="A bound on the buffers of a mode.")
@click.option(
    "--rates", type=click.Path(path_type=Path, dir_okay=False), help="A file of rates to use instead of this machine's."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def plan(  # noqa: PLR0913  (click passes an argument for each option)
    *,
    layers: tuple[str, ...],
    file: Path | None,
    n_in: int | None,
    batch: int,
    wrt: Literal["parameters", "input"],
    outputs: Literal["gradient", "jacobian"] | None,
    dtype: str,
    max_bytes: int | None,
    rates: Path | None,
    as_json: bool,
) -> None:
    r"""Predict multiply-adds, peak memory, bytes moved and seconds of every mode.

    \b
        prograd plan --n-in 64 -l 'affine width=32' -l tanh -l 'affine width=10'
        prograd plan --network network.yaml --batch 100 --outputs jacobian --json

    No derivative is computed. The first run measures the rates of this machine, which takes half a second.
    """
    configs, said = _read(file) if file else ([], None)
    configs += [_layer(text) for text in layers]
    n_in = n_in or said
    if not configs:
        raise click.UsageError("expected layers, got none; give --layer, or --network with a file")
    if n_in is None:
        raise click.UsageError("expected the inputs of the first layer, got none; give --n-in, or n_in in the file")
    predicted = planning.plan(
        Network.from_config(configs, n_in),
        batch,
        wrt,
        outputs or ("jacobian" if wrt == "input" else "gradient"),
        dtype=dtype,
        max_bytes=max_bytes,
        rates=calibration.read(rates) if rates else None,
    )
    if as_json:
        click.echo(json.dumps(predicted.as_json(), indent=2))
    else:
        _show(predicted)


def _show(predicted: planning.Plan) -> None:
    """Print the table, the quickest mode first, and the order of products that this mode takes."""
    headings, *rows = predicted.rows()
    table = Table(box=None, pad_edge=False)
    for k, heading in enumerate(headings):
        table.add_column(heading, justify="right" if k else "left", no_wrap=True)
    for k, row in enumerate(rows):
        table.add_row(*(Text(cell, style="" if k else "bold") for cell in row))
    console = Console()
    console.print(Text(predicted.title), soft_wrap=True)
    console.print(table)
    for note in predicted.notes():
        console.print(Text(note), soft_wrap=True)


def _layer(text: str) -> dict[str, Any]:
    """The configuration that `affine width=32` means. A value is JSON if it can be read as JSON."""
    try:
        name, *options = shlex.split(text) or [""]
    except ValueError as error:
        raise click.UsageError(f"--layer {text!r}: {error}") from error
    config: dict[str, Any] = {"name": name}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise click.UsageError(f"--layer {text!r}: expected OPTION=VALUE, got {option!r}")
        config[key] = _value(value)
    return config


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False}.get(text, text)


def _read(file: Path) -> tuple[list[dict[str, Any]], int | None]:
    """The layers in a file, and the number of inputs if the file has it."""
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
        raise click.ClickException(f"{file}: layers[{i}]: expected a name or a mapping with a name, got {layer!r}")
    return layer


def _parsed(file: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as not_json:
        try:
            import yaml  # noqa: PLC0415  (comes with the extra "experiments"; JSON needs nothing)
        except ModuleNotFoundError:
            raise click.ClickException(
                f"{file}: expected JSON ({not_json}); for YAML: pip install 'prograd[experiments]'"
            ) from not_json
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise click.ClickException(f"{file}: expected JSON or YAML: {error}") from error
