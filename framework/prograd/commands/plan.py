"""`prograd plan`: the predicted cost of a gradient or a Jacobian of a network, before there is any data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.text import Text

from prograd import planning
from prograd.chosen import Wanted
from prograd.commands.consoles import json_option, write_json
from prograd.commands.networks import network_of, network_options
from prograd.modes import OUTPUTS, Outputs
from prograd.planning import calibration
from prograd.planning.calibration import machine_rates


@click.command()
@network_options
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="Samples.")
@click.option(
    "--wrt",
    default="parameters",
    show_default=True,
    callback=lambda _, __, text: _wrt(text),
    help="parameters, input, or layers and parameters such as 0,2.W.",
)
@click.option("--outputs", type=click.Choice(OUTPUTS), default=None, help="[default: gradient]")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--max-bytes", type=click.IntRange(1), help="A bound on the buffers of a mode.")
@click.option(
    "--rates", type=click.Path(path_type=Path, dir_okay=False), help="A file of rates to use instead of this machine's."
)
@click.option("--recalibrate", is_flag=True, help="Measure this machine's rates again.")
@json_option
def plan(  # noqa: PLR0913  (click passes an argument for each option)
    *,
    layers: tuple[str, ...],
    network: Path | None,
    n_in: int | None,
    batch: int,
    wrt: Literal["parameters", "input"] | Wanted,
    outputs: Outputs | None,
    dtype: str,
    max_bytes: int | None,
    rates: Path | None,
    recalibrate: bool,
    as_json: bool,
) -> None:
    r"""Predict multiply-adds, peak memory, that of a replay, bytes moved and seconds of every mode.

    \b
        prograd plan --n-in 64 -l 'affine width=32' -l tanh -l 'affine width=10'
        prograd plan --network network.yaml --batch 100 --outputs jacobian --json

    No derivative is computed. The first run measures the rates of this machine, which takes a second or two.
    """
    if rates and recalibrate:
        raise click.UsageError("--rates and --recalibrate exclude each other")
    used = calibration.read(rates) if rates else calibration.recalibrated() if recalibrate else machine_rates()
    predicted = planning.plan(
        network_of(layers, network, n_in),
        batch,
        wrt,
        outputs or ("jacobian" if wrt == "input" else "gradient"),
        dtype=dtype,
        max_bytes=max_bytes,
        rates=used,
    )
    if as_json:
        write_json(predicted.as_json())
    else:
        Console().print(Text(str(predicted)), soft_wrap=True)  # as wide as the table is: a terminal wraps it
        if not rates:
            click.echo(calibration.age(used, time.time()))


def _wrt(text: str) -> Literal["parameters", "input"] | Wanted:
    """`0,2.W` as `[0, (2, "W")]`."""
    if text == "input":
        return "input"
    if text == "parameters":
        return "parameters"
    wanted: list[int | tuple[int, str]] = []
    for one in text.split(","):
        i, dot, name = one.partition(".")
        try:
            wanted.append((int(i), name) if dot else int(i))
        except ValueError:
            msg = f"expected parameters, input, or layers and parameters such as 0,2.W, got {text!r}"
            raise click.BadParameter(msg) from None
    return wanted
